"""The door: new work is turned away while there is enough to do."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from chassis.choreography.declaration import Service
from chassis.errors import BusyError
from chassis.run import requests as requests_module
from chassis.run.consumer import Consumer
from chassis.run.door import BEHIND, Door
from chassis.run.requests import Requests
from chassis.run.under_way import Bound, UnderWay
from chassis.store.database import Database
from chassis.store.departures import FULL, Departures
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction
from chassis.web.admission import Admission
from chassis.web.rates import Rates
from payment_svc.steps import service as payments


class FakeDatabase:
    """Has nothing; its work is done at once."""

    async def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """The result of the work."""
        return await work(None)


def said(name: str, count: int = 1) -> list[Outgoing]:
    """Messages that a transaction has committed."""
    return [Outgoing(uuid4(), uuid4(), name, True, {}, "") for _ in range(count)]


async def some(_: Transaction) -> int:
    """Three sagas are under way."""
    return 3


def a_door(
    under_way: UnderWay | None = None, departures: Departures | None = None, backlog: int = 0
) -> tuple[Door, Requests]:
    """A door, open unless something is given, and the requests behind it."""
    requests = Requests(cast("Database", FakeDatabase()))
    consumers = [cast("Consumer", SimpleNamespace(backlog=backlog))]
    return Door(requests, under_way or UnderWay(None, ()), departures or Departures(), consumers), requests


def test_door_is_open() -> None:
    """Where nothing is too much, whoever comes is let in."""
    assert a_door()[0].closed is None


def test_door_is_closed_while_more_sagas_are_under_way_than_may_be() -> None:
    """Each saga that begins here counts at once."""
    # given
    under_way = UnderWay.of(payments, Bound(2, some))
    door, _ = a_door(under_way)
    # when, then
    under_way.hear([*said("checkout.requested"), *said("checkout.completed", 5)])
    assert door.closed is None
    under_way.hear(said("checkout.requested"))
    assert door.closed == "sagas"


def test_door_does_not_count_what_others_call_for() -> None:
    """An evening that is called off begins thousands of refunds, and closes nobody's door."""
    # given
    under_way = UnderWay.of(payments, Bound(2, some))
    # when
    under_way.hear(said("refund.requested", 5))
    # then
    assert not under_way.full


async def test_what_the_database_counts_is_what_counts() -> None:
    """Sagas of other processes count too, and those that have ended count no more."""
    # given
    under_way = UnderWay.of(payments, bound := Bound(4, some))
    under_way.hear(said("checkout.requested", 9))
    # when
    await under_way._look(bound, cast("Database", FakeDatabase()))
    # then
    assert not under_way.full
    under_way.hear(said("checkout.requested"))
    assert under_way.full


def test_service_without_a_bound_has_none() -> None:
    """However many sagas begin."""
    under_way = UnderWay.of(Service("lamp"), None)
    under_way.hear(said("lamp.lit", 9_999))
    assert not under_way.full


def test_door_is_closed_while_the_broker_takes_less_than_is_said() -> None:
    """Requests do not pass by the bound that holds for steps."""
    departures = Departures()
    departures.send(said("checkout.requested", FULL))
    assert a_door(departures=departures)[0].closed == "departures"


def test_door_is_closed_while_a_step_is_behind() -> None:
    """What has been accepted, the way back among it, goes first."""
    assert a_door(backlog=BEHIND - 1)[0].closed is None
    assert a_door(backlog=BEHIND)[0].closed == "steps"


async def test_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may be are worked on at once; the door is closed, and who has come in already is turned away."""
    # given
    monkeypatch.setattr(requests_module, "MAX_AT_ONCE", 1)
    door, requests = a_door()

    async def inner(_: Transaction) -> str | None:
        with pytest.raises(BusyError):
            await requests.run(some)
        return door.closed

    # when, then
    assert await requests.run(inner) == "requests"
    assert door.closed is None


@pytest.mark.parametrize(
    ("method", "reason", "status"), [("POST", "sagas", 503), ("GET", "sagas", 200), ("POST", None, 200)]
)
async def test_who_moves_something_is_turned_away(method: str, reason: str | None, status: int) -> None:
    """While the door is closed nothing behind it is asked; whoever only looks is let in."""
    # given
    app = FastAPI()
    app.state.runtime = SimpleNamespace(door=SimpleNamespace(closed=reason))
    app.state.rates = Rates(9, 9)
    app.add_middleware(Admission, state=app.state)

    @app.api_route("/lamps", methods=["GET", "POST"])
    async def lamps() -> None: ...

    # when
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://lamps") as client:
        answer = await client.request(method, "/lamps")
    # then
    assert answer.status_code == status
    if status == 503:
        problem = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Retry-After"] == "1"
        assert (problem["type"], problem["status"], problem["instance"]) == ("urn:problem:busy", 503, "/lamps")
