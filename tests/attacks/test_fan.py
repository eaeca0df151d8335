"""What one fan can take from all others: attack 11."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Mapping

import httpx2
import pytest

from chassis.store import Database, Transaction
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from reservation_svc.quota import Quota, held
from tests.attacks.strictness import strict
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Operator
from tests.end_to_end.stores import WAITING
from tests.end_to_end.system import System

MOST = 10**12


def bearer(fan: Fan) -> dict[str, str]:
    """The headers of a request of a fan that moves something."""
    return {"Authorization": f"Bearer {fan.token}", "Idempotency-Key": uuid.uuid4().hex}


async def test_requests_of_a_user_are_limited(environment: Mapping[str, str], system: System, fan: Fan) -> None:
    """The rest of a burst is a 429 that says when to come again, and another user is served meanwhile."""
    async with strict(environment, system, "point") as url:
        burst = [system.http.get(f"{url}/points", headers=bearer(fan)) for _ in range(12)]
        answers = await asyncio.gather(*burst)
        others = bearer(Fan(system))
        other = await eventually(
            lambda: system.http.get(f"{url}/points", headers=others), lambda answer: answer.is_success
        )

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert statuses[429] >= 3
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert other.status_code == 200


async def test_requests_of_an_address_are_limited(environment: Mapping[str, str], system: System) -> None:
    """Whoever asks, and without a token too."""
    async with strict(environment, system, "point") as url:
        answers = await asyncio.gather(*(system.http.get(f"{url}/points") for _ in range(60)))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {401, 429}
    assert statuses[429] >= 15


async def test_seats_of_a_user_are_limited(
    environment: Mapping[str, str], system: System, fan: Fan, catalogue: Catalogue
) -> None:
    """All holds count together, however many are asked for at once; what is paid counts no more."""
    first, *more = await catalogue.free(9)
    async with strict(environment, system, "reservation") as url:

        async def reserve(*seats: int) -> httpx2.Response:
            headers = bearer(fan) | {"Prefer": "wait=20"}
            return await system.http.post(f"{url}/reservations", json={"seat_ids": list(seats)}, headers=headers)

        answers = await asyncio.gather(
            *(reserve(seat, other) for seat, other in zip(more[::2], more[1::2], strict=True))
        )
        too_many = await eventually(lambda: reserve(first), lambda answer: answer.status_code != 429)

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 2, 409: 2}
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["type"] == "urn:problem:too-many-seats"
    assert too_many.status_code == 409


async def test_seats_are_counted_for_one_request_at_a_time(environment: Mapping[str, str], fan: Fan) -> None:
    """Two processes that count at once would both find room."""
    database = Database(Postgres(environment["RESERVATION_DATABASE_URL"], pool_size=3), Departures())
    counted, goes_on = asyncio.Event(), asyncio.Event()

    async def first(transaction: Transaction) -> None:
        await held(transaction, Quota(1), [fan.user_id])
        counted.set()
        await goes_on.wait()

    async def second(transaction: Transaction) -> None:
        await held(transaction, Quota(1), [fan.user_id, "somebody-else"])

    async def waits(transaction: Transaction) -> bool:
        return bool((await transaction.fetch(WAITING))[0][0])

    one = asyncio.create_task(database.run(first))
    await counted.wait()
    other = asyncio.create_task(database.run(second))
    await eventually(lambda: database.run(waits))
    goes_on.set()
    await asyncio.gather(one, other)
    await database.drain(1)


async def test_streams_of_a_user_are_limited(environment: Mapping[str, str], system: System, fan: Fan) -> None:
    """One more is a 429; when one is closed, another may be opened."""
    async with strict(environment, system, "payment") as url, contextlib.AsyncExitStack() as opened:
        checkout_id = uuid.uuid4()
        await system.databases.change(
            "payment",
            "INSERT INTO checkout (checkout_id, payment_id, user_id, amount, status, deadline, created_at, ask_at)"
            " VALUES ($1, $2, $3, 1, 'PENDING', now() + '1 hour', now(), now() + '1 hour')",
            checkout_id,
            uuid.uuid4(),
            fan.user_id,
        )

        async def status() -> int:
            stream = system.http.stream("GET", f"{url}/checkouts/{checkout_id}/events", headers=bearer(fan))
            answer = await opened.enter_async_context(stream)
            return answer.status_code

        statuses = [await status() for _ in range(3)]
        await opened.aclose()
        again = await eventually(status, lambda seen: seen != 429)
        await system.databases.change("payment", "DELETE FROM checkout WHERE checkout_id = $1", checkout_id)

    assert statuses == [200, 200, 429]
    assert again == 200


async def test_wallet_has_a_ceiling(system: System, fan: Fan) -> None:
    """A charge beyond it is a 409, and no overflow."""
    await fan.charge(1)
    await system.databases.change("point", "UPDATE wallet SET balance = $2 WHERE user_id = $1", fan.user_id, MOST - 5)
    try:
        full = await fan.post("point", "/points/charge", {"amount": 6})
        fits = await fan.post("point", "/points/charge", {"amount": 5})
    finally:
        await system.databases.change("point", "UPDATE wallet SET balance = 6 WHERE user_id = $1", fan.user_id)

    assert (full.status_code, full.json()["type"]) == (409, "urn:problem:wallet-full")
    assert fits.status_code == 200


@pytest.mark.parametrize(
    ("service", "path", "body"),
    [
        ("point", "/points/charge", {"amount": 1}),
        ("reservation", "/reservations", {"seat_ids": [1]}),
        ("payment", "/checkouts", {"payment_id": str(uuid.UUID(int=0))}),
        ("payment", f"/operations/refused/{uuid.UUID(int=0)}/send", None),
        ("seat", "/operations/seats/1/withdraw", None),
        ("seat", "/operations/seats/1/return", None),
        ("seat", "/operations/dates/1/cancel", None),
    ],
)
async def test_what_moves_something_needs_a_key(
    operator: Operator, service: str, path: str, body: dict[str, object] | None
) -> None:
    """So that sending it twice does it once."""
    answer = await operator.ask("POST", service, path, json=body)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:problem:idempotency-key-missing")


async def test_charge_sent_twice_is_charged_once(fan: Fan) -> None:
    """With the same key."""
    assert [await fan.charge(7, key="once") for _ in range(2)] == [7, 7]
