"""Two processes of one service: a request that waits at one of them is woken by what the other commits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from chassis.run import Runtime, news, waiters
from chassis.store import Transaction
from chassis.store.outbox import Outgoing
from payment_svc.main import definition
from payment_svc.models import Checkout, CheckoutStatus
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import OK, Fan, Hold
from tests.end_to_end.settings import payment_settings

NEVER = 600.0
WAIT = 30
MOST_NEWS = 4
"""What payment_svc commits about a checkout that completes: the request, the payment, the end, the delivery"""
TRIES = 20
STEPS = {"payment.pay", "payment.complete"}


def _runtime(environment: Mapping[str, str], steps: set[str]) -> tuple[Runtime, Path]:
    """A second process of payment_svc, which is that of the test, and does these steps only; its migrations."""
    known = definition(payment_settings(environment))
    runtime = Runtime(known.service, known.settings, known.dependencies)
    runtime.consumers[:] = [one for one in runtime.consumers if one.step.queue in steps]
    return runtime, known.migrations


@contextlib.asynccontextmanager
async def _replica(
    environment: Mapping[str, str], steps: set[str], until: Callable[[Runtime], Awaitable[bool]]
) -> AsyncIterator[Runtime]:
    """A second process at work, once it is as far as it should be."""
    runtime, migrations = _runtime(environment, steps)
    await runtime.start(migrations)
    try:
        await eventually(lambda: until(runtime))
        yield runtime
    finally:
        await runtime.stop()


async def _consumes(runtime: Runtime) -> bool:
    return runtime.consuming


async def _is_known(runtime: Runtime) -> bool:
    """Whether it consumes, and has heard the process of the stack."""
    return runtime.consuming and bool(runtime._news._others())


async def test_a_wait_is_answered_for_steps_that_another_replica_has_done(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], broker: Broker, fan: Fan, hold: Hold
) -> None:
    """It sees the end although nobody looks by themselves, and looks at most once for each commit."""
    # given
    for poll in ("TOLD", "UNTOLD"):
        monkeypatch.setattr(waiters, poll, NEVER)
    await fan.charge(hold.total)
    looks = 0
    async with _replica(environment, {"payment.cancel"}, _is_known) as replica:

        async def look() -> str | None:
            nonlocal looks
            looks += 1
            return await _end(replica, checkout_id)

        async with broker.diverted("seat.reserve", "payment.paid") as diversion:
            checkout_id = await fan.begin(hold)
            waiting = asyncio.create_task(replica.waiters.until(checkout_id, look, WAIT))
            await diversion.heard(checkout_id, "payment.paid")
            # when
            await diversion.pass_all()
            # then
            assert await waiting == CheckoutStatus.COMPLETED
    assert looks <= 1 + MOST_NEWS


async def _end(replica: Runtime, checkout_id: UUID) -> str | None:
    async def work(transaction: Transaction) -> Checkout | None:
        return await transaction.find_one(Checkout, checkout_id)

    found = await replica.requests.run(work)
    return found.status if found is not None and found.status != CheckoutStatus.PENDING else None


async def test_client_of_one_replica_is_answered_for_what_a_new_one_does(
    environment: Mapping[str, str], fan: Fan, catalogue: Catalogue
) -> None:
    """It waits less long than a request lets pass until it looks by itself."""
    done: set[str] = set()

    def note(said: Sequence[Outgoing]) -> None:
        done.update(str(one.saga_id) for one in said if one.routing_key == "checkout.completed")

    async with _replica(environment, STEPS, _is_known) as replica:
        replica.database.subscribe(note)
        for _ in range(TRIES):
            hold = await fan.hold(*await catalogue.free(1))
            await fan.charge(hold.total)
            answer = await fan.order(hold.payment_id, wait=int(waiters.TOLD) - 1)
            assert answer.status_code == OK, answer.text
            if answer.json()["checkout_id"] in done:
                return
    pytest.fail("the new replica has completed nothing")


async def test_process_that_cannot_hear_the_others_does_its_steps(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
) -> None:
    """Its consumers begin although the broker refuses it the queue of news, and its requests look by themselves."""
    monkeypatch.setattr(news, "MAX_WAITING", -1)
    async with _replica(environment, STEPS, _consumes) as replica:
        assert not replica.waiters.is_told
