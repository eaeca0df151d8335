"""The desk moves what operators name, records it before, and looks for one operator at a time."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chassis.broker.parked import Bounds, Look, Parked, QueuesOf
from chassis.errors import BusyError, UnreachableBrokerError
from chassis.run import desk as module
from chassis.run.desk import Desk, Moved
from chassis.settings import ServiceSettings
from chassis.store.database import Database
from point_svc.steps import service

STEP = "parked.point.spend"


class World:
    """A queue of parked messages and a database, and what happened to both, in its order."""

    def __init__(self, *ids: str, cut: Sequence[str] = (), breaks_at: str = "") -> None:
        self.happened: list[tuple[str, str]] = []
        self.rows: list[tuple[Any, ...]] = []
        self.bounds = Bounds()
        self._look = Look([Parked(self._message(one, breaks_at), "point") for one in ids], list(cut))

    def _message(self, name: str, breaks_at: str) -> Any:
        async def reject(*, requeue: bool) -> None:
            if name == breaks_at:
                raise RuntimeError("the channel is gone")
            self.happened.append(("back" if requeue else "redriven", name))

        async def ack() -> None:
            self.happened.append(("gone", name))

        headers = {"ce-id": name}
        return SimpleNamespace(
            headers=headers, body=b"{", routing_key=STEP, type=None, correlation_id=None, reject=reject, ack=ack
        )

    @asynccontextmanager
    async def looking(self, _: str, services: Sequence[str], queues: QueuesOf, bounds: Bounds) -> AsyncIterator[Look]:
        """What the broker holds."""
        assert queues(services[0])[0].startswith("point.")
        self.bounds = bounds
        yield self._look

    async def run(self, work: Any) -> Any:
        """Do what a transaction would."""
        return await work(self)

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Note the row that is inserted."""
        assert "INSERT INTO operation" in sql
        self.rows.append(arguments[1:])
        self.happened.append(("recorded", arguments[3]))
        return ()

    def desk(self) -> Desk:
        """A desk in this world."""
        settings = SimpleNamespace(broker_url=lambda: "amqp://broker", said_hours=24)
        return Desk(service, cast("ServiceSettings", settings), cast("Database", self), self.looking)


async def test_message_is_recorded_before_it_moves() -> None:
    """Whatever ends the process in between, there is a row that says who wanted what."""
    # given
    world = World("one", "two", "three")
    # when
    moved = await world.desk().redrive("operator", ["three", "one", "nobody"], 1_000)
    # then
    assert moved == Moved(redriven=["three", "one"], missing=["nobody"])
    assert world.happened == [("recorded", "one"), ("redriven", "one"), ("recorded", "three"), ("redriven", "three")]


async def test_record_of_a_discard_says_who_and_why_and_names_no_user() -> None:
    """It keeps what tells the message from others; what could break a line is escaped."""
    # given
    world = World("one")
    # when
    count = await world.desk().discard("operator", "resting", "one", None, "why\x00not")
    # then
    ((who, action, message_id, reason, subject),) = world.rows
    assert (count, who, action, message_id, reason) == (1, "operator", "discard", "one", "why\\x00not")
    assert json.loads(subject)["body"].startswith("1 bytes with the SHA-256 ")
    assert world.happened[-1] == ("gone", "one")


async def test_what_is_not_reached_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is answered what was done until then."""
    # given
    monkeypatch.setattr(module, "ACT_SECONDS", -1.0)
    world = World("one")
    # when
    moved = await world.desk().redrive("operator", ["one"], 1_000)
    # then
    assert (moved, world.happened) == (Moved(left=["one"]), [])


async def test_broker_that_goes_away_leaves_the_rest() -> None:
    """What was put back before is told; where nothing was, nobody is told that anything was."""
    # given
    world = World("one", "two", breaks_at="two")
    # when
    moved = await world.desk().redrive("operator", ["one", "two"], 1_000)
    # then
    assert moved == Moved(redriven=["one"], left=["two"])
    with pytest.raises(UnreachableBrokerError):
        await World("one", breaks_at="one").desk().redrive("operator", ["one"], 1_000)


async def test_nobody_calls_missing_what_may_be_among_the_rest() -> None:
    """Where not all could be looked at, what was not found may be there."""
    # given
    world = World("one", cut=["point.parked"])
    # when
    moved = await world.desk().redrive("operator", ["one", "two"], 1_000)
    # then
    assert moved == Moved(redriven=["one"], left=["two"])
    with pytest.raises(BusyError):
        await world.desk().discard("operator", "parked", "two", None, "why")


async def test_one_operator_at_a_time() -> None:
    """The broker holds what is looked at, so a second look would miss it; it is free again after an error."""
    # given
    desk = World("one").desk()
    # when, then
    async with desk.look("parked"):
        with pytest.raises(BusyError):
            async with desk.look("parked"):
                pass
    with pytest.raises(asyncio.CancelledError):
        async with desk.look("parked"):
            raise asyncio.CancelledError
    async with desk.look("parked") as found:
        assert len(found.messages) == 1


async def test_look_is_bounded() -> None:
    """All queues together take no longer than one would."""
    # given
    world = World()
    # when
    async with world.desk().look("resting", 7):
        pass
    # then
    assert (world.bounds.count, 4 * world.bounds.seconds) == (7, module.LOOK_SECONDS)
