"""The progress of a checkout as Server-Sent Events."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from tests.choreography import way_out
from tests.end_to_end.broker import Broker
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.system import System

COMPLETED = ["checkout.requested", way_out()["payment.pay"], "seat.reserved", "checkout.completed"]


class Happening:
    """One event of a stream."""

    def __init__(self, lines: list[str]) -> None:
        fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        self.id, self.name = int(fields["id"]), fields["event"]
        self.data: dict[str, Any] = json.loads(fields["data"])


async def _read(lines: AsyncIterator[str]) -> AsyncIterator[Happening]:
    """The events of a stream, as they come."""
    block: list[str] = []
    async for line in lines:
        if line:
            block.append(line)
            continue
        if any(not one.startswith(":") for one in block):
            yield Happening(block)
        block = []


async def _events(fan: Fan, checkout_id: object, after: str | None = None) -> list[Happening]:
    """All events of a checkout, until the stream ends."""
    headers = {"Last-Event-ID": after} if after is not None else {}
    answer = await fan.ask("GET", "payment", f"/checkouts/{checkout_id}/events", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")

    async def lines() -> AsyncIterator[str]:
        for line in answer.text.split("\n"):
            yield line

    return [happening async for happening in _read(lines())]


async def test_stream_of_an_ended_checkout_ends(fan: Fan, hold: Hold) -> None:
    """The stream of a completed checkout tells what happened, in order, and ends."""
    await fan.charge(hold.total)
    end = await fan.check_out(hold)

    happenings = await _events(fan, end["checkout_id"])

    assert [one.name for one in happenings] == COMPLETED
    assert [one.id for one in happenings] == sorted({one.id for one in happenings})
    assert [one.data["event"] for one in happenings] == COMPLETED
    assert {one.data["checkout_id"] for one in happenings} == {end["checkout_id"]}
    assert [one.data["at"] for one in happenings] == sorted(one.data["at"] for one in happenings)


async def test_stream_of_a_failed_checkout_says_why(fan: Fan, hold: Hold) -> None:
    """The last event of a checkout that failed carries the reason."""
    end = await fan.check_out(hold)

    happenings = await _events(fan, end["checkout_id"])

    assert [one.name for one in happenings] == ["checkout.requested", "point.rejected", "checkout.failed"]
    assert [one.data["reason"] for one in happenings] == [None, None, "insufficient-points"]


@pytest.mark.parametrize("seen", ["0", "nonsense"])
async def test_stream_begins_at_the_beginning(fan: Fan, hold: Hold, seen: str) -> None:
    """A client that has seen nothing, or says what nobody understands, gets everything."""
    await fan.charge(hold.total)
    end = await fan.check_out(hold)

    assert [one.name for one in await _events(fan, end["checkout_id"], seen)] == COMPLETED


async def test_stream_goes_on_after_what_was_seen(system: System, fan: Fan, hold: Hold) -> None:
    """A client that comes back with the id that it saw last gets what came after it, whatever was forgotten before."""
    await fan.charge(hold.total)
    end = await fan.check_out(hold)
    everything = await _events(fan, end["checkout_id"])

    for seen in (1, 2, 3):
        rest = await _events(fan, end["checkout_id"], str(everything[seen - 1].id))
        assert [(one.id, one.name) for one in rest] == [(one.id, one.name) for one in everything[seen:]]

    saga_id = UUID(end["checkout_id"])
    await system.databases.change("payment", "DELETE FROM inbox WHERE saga_id = $1 AND step = 'payment.pay'", saga_id)
    rest = await _events(fan, end["checkout_id"], str(everything[1].id))
    assert [one.name for one in rest] == COMPLETED[2:]


async def test_client_that_saw_everything_need_not_come_back(fan: Fan, hold: Hold) -> None:
    """Where nothing more will come, the answer is 204, which tells an event source to stop."""
    await fan.charge(hold.total)
    end = await fan.check_out(hold)
    last = (await _events(fan, end["checkout_id"]))[-1].id

    for seen in (last, last + 99):
        headers = {"Last-Event-ID": str(seen)}
        answer = await fan.ask("GET", "payment", f"/checkouts/{end['checkout_id']}/events", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")


async def test_stream_tells_what_happens_as_it_happens(system: System, fan: Fan, hold: Hold, broker: Broker) -> None:
    """A client that listens to a checkout under way hears each event when it happens, and the end."""
    await fan.charge(hold.total)
    async with broker.diverted("seat.reserve", "payment.paid") as diversion:
        checkout_id = await fan.begin(hold)
        url = system.url("payment", f"/checkouts/{checkout_id}/events")
        headers = {"Authorization": f"Bearer {fan.token}"}

        async with system.http.stream("GET", url, headers=headers) as answer:
            happenings = _read(answer.aiter_lines())
            early = [(await anext(happenings)).name, (await anext(happenings)).name]
            await diversion.heard(checkout_id, "payment.paid")
            await diversion.pass_all()
            late = [one.name async for one in happenings]

    assert early + late == COMPLETED


async def test_client_that_was_cut_off_goes_on(system: System, fan: Fan, hold: Hold, broker: Broker) -> None:
    """A client whose connection broke in the middle hears the rest when it comes back, each event once."""
    await fan.charge(hold.total)
    async with broker.diverted("seat.reserve", "payment.paid"):
        checkout_id = await fan.begin(hold)
        url = system.url("payment", f"/checkouts/{checkout_id}/events")
        async with system.http.stream("GET", url, headers={"Authorization": f"Bearer {fan.token}"}) as answer:
            first = await anext(_read(answer.aiter_lines()))

    rest = await _events(fan, checkout_id, str(first.id))

    assert [first.name, *(one.name for one in rest)] == COMPLETED
