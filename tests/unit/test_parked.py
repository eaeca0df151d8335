"""Looking at parked messages: what one service has leaves room and time for what the others have."""

from types import SimpleNamespace
from typing import Any

import pytest

from chassis.broker import parked
from chassis.broker.parked import Bounds, looking


class Broker:
    """A connection to a broker that holds so many parked messages of each service."""

    def __init__(self, holds: dict[str, int]) -> None:
        self._holds = {f"{service}.parked": count for service, count in holds.items()}

    async def __aenter__(self) -> "Broker":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def channel(self) -> "Broker":
        """The same broker, whichever channel is used."""
        return self

    async def get_queue(self, name: str, *, ensure: bool) -> Any:
        """A queue that hands out what it holds, and then nothing."""
        left = [SimpleNamespace(headers={}, message_id=f"{name} {number}") for number in range(self._holds[name])]

        async def get(*, fail: bool) -> Any:
            return left.pop(0) if left else None

        return SimpleNamespace(get=get)


async def test_limit_holds_for_each_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many of one service do not hide those of the next."""

    # given
    async def connect(*_: object, **__: object) -> Broker:
        return Broker({"point": 3, "seat": 1})

    monkeypatch.setattr(parked, "connect", connect)
    # when
    async with looking("amqp://broker", ["point", "seat"], parked.parked_queues, Bounds(2)) as look:
        ids = [one.id for one in look.messages]
    # then
    assert ids == ["point.parked 0", "point.parked 1", "seat.parked 0"]
    assert look.cut == ["point.parked"]
