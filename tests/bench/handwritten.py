"""The hardest opponent: the same one transaction as the facade, as one hand-written statement.

One round trip, one commit: every row that is judged is locked, judged and written by one statement over a driver
without a mapper. The fan's key is stored with its answer, tokens are checked and rates counted as the services do it.
The platform is told as the facade tells it, and its answers are stored many at once. What it costs to read, to test and
to change such a statement is not measured here.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import BackgroundTasks, Depends, FastAPI

from chassis.arrivals import Arrivals
from chassis.ids import new_id
from chassis.web.bearer import CurrentUser
from chassis.web.guard import Guard
from chassis.web.idempotency import IdempotencyKey
from chassis.web.problem import Problem, not_found
from chassis.web.rates import Rates
from contracts.checkout import Completed
from payment_svc.api import CheckoutState, Order
from payment_svc.platform import Platform
from stack.services import GENEROUS
from tests.bench import serving
from tests.bench.serving import LIFETIME, Settings

MAX_STORED = 200
"""Answers of the platform that are stored at once"""

# The verdict is about locked rows alone, and the locks are taken in one order for all: payment, reservations by their
# key, seats by theirs, wallet.
CHECK_OUT = """
    WITH known AS MATERIALIZED (
        SELECT fingerprint, answer::text AS answer FROM idempotency WHERE user_id = $2 AND key = $3
    ), owed AS MATERIALIZED (
        SELECT payment_id, total_price, status FROM payment
        WHERE payment_id = $1 AND user_id = $2 AND NOT EXISTS (SELECT FROM known) FOR UPDATE
    ), held AS MATERIALIZED (
        SELECT reservation_id, seat_id, status, price, expires_at FROM reservation
        WHERE payment_id = (SELECT payment_id FROM owed) ORDER BY reservation_id FOR UPDATE
    ), wanted AS MATERIALIZED (
        SELECT seat_id, status, price, holder FROM seat
        WHERE seat_id = ANY (ARRAY(SELECT seat_id FROM held)) ORDER BY seat_id FOR UPDATE
    ), purse AS MATERIALIZED (
        SELECT balance FROM wallet WHERE user_id = $2 AND (SELECT count(*) FROM wanted) >= 0 FOR UPDATE
    ), verdict AS MATERIALIZED (
        SELECT CASE
            WHEN owed.payment_id IS NULL THEN 'not-found'
            WHEN owed.status <> 'PUBLISHED' THEN 'payment-' || lower(owed.status)
            WHEN NOT coalesce((SELECT bool_and(status = 'TEMP' AND expires_at > $6) FROM held), false)
                THEN 'hold-expired'
            WHEN NOT coalesce((
                SELECT count(*) = (SELECT count(*) FROM held) AND bool_and(status = 'OCCUPIED' AND holder = $1)
                FROM wanted
            ), false) THEN 'seat-lost'
            WHEN owed.total_price <> (SELECT sum(price) FROM wanted)
                OR owed.total_price <> (SELECT sum(price) FROM held) THEN 'wrong-amount'
            WHEN coalesce(purse.balance, 0) < owed.total_price THEN 'insufficient-points'
        END AS objection, owed.total_price
        FROM (SELECT) AS always LEFT JOIN owed ON true LEFT JOIN purse ON true
    ), good AS MATERIALIZED (
        SELECT total_price FROM verdict WHERE objection IS NULL
    ), spent AS (
        UPDATE wallet SET balance = balance - good.total_price FROM good WHERE user_id = $2
        RETURNING balance, good.total_price
    ), entered AS (
        INSERT INTO point_history (entry_id, user_id, type, amount, balance_after, checkout_id, created_at)
        SELECT $5, $2, 'USE', total_price, balance, $4, $6 FROM spent
    ), confirmed AS (
        UPDATE reservation SET status = 'CONFIRMED', checkout_id = $4 FROM good
        WHERE reservation_id = ANY (ARRAY(SELECT reservation_id FROM held))
    ), paid AS (
        UPDATE payment SET status = 'PAID', checkout_id = $4, paid_at = $6 FROM good WHERE payment_id = $1
    ), sold AS (
        UPDATE seat SET status = 'RESERVED' FROM good WHERE seat_id = ANY (ARRAY(SELECT seat_id FROM wanted))
    ), made AS (
        INSERT INTO checkout (checkout_id, payment_id, user_id, amount, deadline, status, created_at, finished_at)
        SELECT $4, $1, $2, total_price, $7, 'COMPLETED', $6, $6 FROM good
    ), remembered AS (
        INSERT INTO idempotency (user_id, key, fingerprint, answer)
        SELECT $2, $3, $8, json_build_object(
            'checkout_id', $4::uuid, 'payment_id', $1::uuid, 'status', 'completed', 'reason', NULL,
            'amount', total_price, 'created_at', $6::timestamptz, 'finished_at', $6::timestamptz
        ) FROM good WHERE $3 IS NOT NULL
    )
    SELECT objection, total_price, ARRAY(SELECT seat_id FROM wanted) AS seat_ids, fingerprint, answer
    FROM verdict LEFT JOIN known ON true
    """
RECALL = "SELECT fingerprint, answer::text AS answer FROM idempotency WHERE user_id = $1 AND key = $2"
STORE = """
    INSERT INTO delivery (checkout_id, payment_id, status, reason, delivered_at)
    SELECT checkout_id, payment_id, CASE WHEN reason IS NULL THEN 'SENT' ELSE 'FAILED' END, reason, now()
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS answered (checkout_id, payment_id, reason)
    """


@dataclass(frozen=True)
class _Answered:
    """What the platform has said of a checkout, and who waits for that to be stored."""

    completed: Completed
    refusal: str | None
    stored: "asyncio.Future[None]"


class HandWritten:
    """Does a checkout with one statement, and tells the platform."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", platform: Platform) -> None:
        self._pool = pool
        self._platform = platform
        self._answers = Arrivals[_Answered]()

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: Settings) -> AsyncIterator["HandWritten"]:
        """One with open connections, while the context lasts."""
        platform = Platform(settings.platform_url, settings.platform_secret.get_secret_value().split)
        url, size = settings.database_url.get_secret_value(), settings.database_pool
        async with platform, asyncpg.create_pool(url, min_size=size, max_size=size) as pool:
            made = cls(pool, platform)
            storing = asyncio.create_task(made._store())
            yield made
            made._answers.end()
            await storing

    async def check_out(
        self, payment_id: UUID, user_id: str, key: str | None = None
    ) -> tuple[CheckoutState, Completed | None]:
        """Pay for held seats, all or nothing; raises Problem. Nothing is completed where the key is known already."""
        now, checkout_id = datetime.now(UTC), new_id()
        fingerprint = hashlib.sha256(str(payment_id).encode()).hexdigest()
        found = await self._pool.fetchrow(
            CHECK_OUT, payment_id, user_id, key, checkout_id, new_id(), now, now + LIFETIME, fingerprint
        )
        assert found is not None  # for the type checker: there is always one verdict
        if found["objection"] is not None:
            return await self._again(found, user_id, key, fingerprint), None
        state = CheckoutState(
            checkout_id=checkout_id,
            payment_id=payment_id,
            status="completed",
            reason=None,
            amount=found["total_price"],
            created_at=now,
            finished_at=now,
        )
        completed = Completed(
            checkout_id=checkout_id,
            payment_id=payment_id,
            user_id=user_id,
            amount=found["total_price"],
            seat_ids=tuple(found["seat_ids"]),
            completed_at=now,
        )
        return state, completed

    async def deliver(self, completed: Completed) -> None:
        """Tell the platform, and store that it knows."""
        refusal = await self._platform.deliver(completed.checkout_id, "payment.paid", completed)
        answered = _Answered(completed, refusal, asyncio.get_running_loop().create_future())
        self._answers.put(answered)
        await answered.stored

    async def _again(self, found: Any, user_id: str, key: str | None, fingerprint: str) -> CheckoutState:
        """The stored answer; raises the Problem where there is none. Its twin may have committed meanwhile."""
        known = found if found["answer"] else await self._pool.fetchrow(RECALL, user_id, key)
        if known is None and found["objection"] == "not-found":
            raise not_found("payment")
        if known is None:
            raise Problem(HTTPStatus.CONFLICT, "The payment cannot be paid.", found["objection"])
        if known["fingerprint"] != fingerprint:
            detail = "This key was used for another request."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "idempotency-key-reused")
        return CheckoutState.model_validate(json.loads(known["answer"]))

    async def _store(self) -> None:
        while answers := await self._answers.take(MAX_STORED):
            await self._pool.execute(
                STORE,
                [one.completed.checkout_id for one in answers],
                [one.completed.payment_id for one in answers],
                [one.refusal for one in answers],
            )
            for one in answers:
                one.stored.set_result(None)


def create_app(settings: Settings) -> FastAPI:
    """It behind the same interface as payment_svc, with the limits that the stack gives its services."""
    app = serving.create_app(settings, HandWritten.of)
    rates = Rates(int(GENEROUS["user_requests"]), int(GENEROUS["address_requests"]))
    app.add_middleware(Guard, bearers=app.state.bearers, rates=rates)

    @app.post("/checkouts")
    async def check_out(
        order: Order, user_id: CurrentUser, key: IdempotencyKey, used: Used, later: BackgroundTasks
    ) -> CheckoutState:
        """Pay. The answer comes when the seats are sold; the platform is told after that."""
        state, completed = await used.check_out(order.payment_id, user_id, key)
        if completed is not None:
            later.add_task(used.deliver, completed)
        return state

    return app


Used = Annotated[HandWritten, Depends(serving.current)]


if __name__ == "__main__":
    serving.serve(create_app)
