"""What was said is said again when the queue that should have kept it is lost."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import httpx2
import pytest
from typer.testing import CliRunner, Result

from chassis.cli.app import app
from stack.services import SERVICES
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.missed import EVENT, STEP, kept, missed
from tests.end_to_end.quiet import quiet
from tests.end_to_end.system import System


@pytest.fixture(autouse=True)
async def _asked_for_long_ago(system: System) -> None:
    """What the tests before have asked for makes none of these wait."""
    for service in SERVICES:
        await system.databases.rows(service, "UPDATE asked SET begun = begun - interval '1 hour'")


@asynccontextmanager
async def _management(environment: Mapping[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    url = environment["RABBITMQ_MANAGEMENT_URL"]
    async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        yield client


async def _delete(environment: Mapping[str, str], *things: str) -> None:
    async with _management(environment) as management:
        for thing in things:
            (await management.delete(f"/api/{thing}")).raise_for_status()


async def _command(system: System, *options: str) -> Result:
    environment = {"RABBITMQ_URL": system.environment["RABBITMQ_URL"]}
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["resay", *options], env=environment))


async def test_event_that_only_an_observer_took_is_said_again_for_a_queue_that_is_new(
    system: System, broker: Broker, fan: Fan, hold: Hold
) -> None:
    """A step's queue is lost: its service declares it anew, asks, and the checkout completes."""
    async with missed(system, broker, fan, hold):
        await _delete(system.environment, f"queues/%2F/{STEP}")


async def test_event_that_was_said_before_its_step_had_a_queue_is_said_again(
    system: System, broker: Broker, fan: Fan, hold: Hold
) -> None:
    """Where everything starts for the first time, an observer may have taken it."""
    async with missed(system, broker, fan, hold):
        await system.databases.rows("reservation", "DELETE FROM own_queue WHERE name = $1 RETURNING name", STEP)
        await _delete(system.environment, f"queues/%2F/{STEP}")


@pytest.mark.parametrize("queue", ["reservation.retry.5s", "reservation.parked"])
async def test_lost_queue_that_nobody_consumes_is_noticed(
    system: System, broker: Broker, fan: Fan, hold: Hold, queue: str
) -> None:
    """Its service looks for it, declares it anew, and asks for whatever may have been in it."""
    async with missed(system, broker, fan, hold):
        await _delete(system.environment, f"queues/%2F/{queue}")


async def test_operator_has_an_event_said_again(system: System, broker: Broker, fan: Fan, hold: Hold) -> None:
    """A binding was missing for a while, which no service can see; the command asks for what the queue missed."""
    async with missed(system, broker, fan, hold):
        result = await _command(system, "--queue", STEP, "--hours", "1")
        assert (result.exit_code, result.output) == (0, f"asked point for {EVENT}\n")


async def test_what_was_answered_is_not_done_twice(system: System, broker: Broker, fan: Fan, hold: Hold) -> None:
    """Everything is said again, and nothing changes: each hearer remembers what it has handled."""
    await fan.charge(hold.total)
    checkout_id = await fan.check_out(hold)
    await quiet(system, broker)
    before = await system.databases.dump()
    async with broker.observe() as observer:
        result = await _command(system, "--event", EVENT)
        assert result.exit_code == 0, result.output
        await observer.heard(UUID(checkout_id["checkout_id"]), EVENT)
    await quiet(system, broker)
    assert await system.databases.dump() == before


async def test_queue_that_was_never_there_is_not_asked_for(system: System) -> None:
    """Nothing is lost on a system that has just begun, and every queue of a service is known to it."""
    for service in SERVICES:
        rows = await system.databases.rows(service, "SELECT name, lost_at FROM own_queue")
        assert f"{service}.resay" in {row["name"] for row in rows}
        assert {row["lost_at"] for row in rows} == {None}


async def test_queue_of_asks_that_ismissed(system: System, broker: Broker, fan: Fan, hold: Hold) -> None:
    """Nobody knows what was asked for with it, so everything is said again."""
    async with missed(system, broker, fan, hold):
        await _delete(system.environment, "queues/%2F/point.resay")


@pytest.mark.skipif("STACK_ENV" in os.environ, reason="empties the broker of everybody")
async def test_broker_that_comes_back_empty(system: System, broker: Broker, fan: Fan, hold: Hold) -> None:
    """All exchanges and queues are gone, with what was in them: every saga in flight ends well."""
    await fan.charge(hold.total)
    async with broker.diverted(STEP, EVENT) as diverted:
        checkout_id = await fan.begin(hold)
        await diverted.heard(checkout_id, EVENT)
        await eventually(partial(kept, system, checkout_id))
        durable = [one["name"] for one in await broker.ask("queues/%2F") if one["durable"]]
        queues = [name for name in durable if name.split(".")[0] in SERVICES]
        exchanges = [f"{service}{kind}" for service in SERVICES for kind in ("", ".retry", ".redeliver")]
        diverted.messages.clear()
        await _delete(system.environment, *(f"exchanges/%2F/{one}" for one in exchanges))
        await _delete(system.environment, *(f"queues/%2F/{one}" for one in queues))
        await eventually(partial(_declared, broker, {*queues}))
        await broker.bind_window()
    assert (await fan.end_of(checkout_id))["status"] == "completed"


async def _declared(broker: Broker, queues: set[str]) -> bool:
    found = {one["name"]: one for one in await broker.ask("queues/%2F")}
    return queues <= found.keys() and all(
        found[name].get("consumers") for name in queues if name.split(".")[1] not in ("retry", "parked", "pulse")
    )
