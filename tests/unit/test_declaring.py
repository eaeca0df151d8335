"""What a service declares is there as a whole, or is declared again."""

import asyncio
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractConnection

from chassis.broker import connection as connections
from chassis.errors import QueueLostError, SessionEndedError
from chassis.run import declaring
from chassis.run.declaring import Declarations


class Broker:
    """A connection over which the first few attempts to declare something fail."""

    def __init__(self, failures: int = 0, ends_after: int | None = None) -> None:
        self.given: list[set[str]] = []
        self._failures = failures
        self._ends_after = ends_after

    @property
    def transport(self) -> Any:
        """What knows whether the connection stands."""
        return SimpleNamespace(connection=SimpleNamespace(is_closed=len(self.given) == self._ends_after))

    async def set_up(self, lost: Collection[str]) -> None:
        """Declare, or fail."""
        self.given.append(set(lost))
        if len(self.given) <= self._failures:
            raise ConnectionError("no exchange of this name")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FIRST_PAUSE", 0.0)


def declarations(broker: Broker) -> Declarations:
    """What declares over this connection."""
    return Declarations(cast("AbstractConnection", broker), broker.set_up)


async def test_lost_queue_counts_as_lost_until_it_is_declared() -> None:
    """It may have been declared anew in part, by somebody whose attempt failed then; that must not hide the loss."""
    broker = Broker(failures=2)

    await declarations(broker).restore(QueueLostError("fans.spin"))

    assert broker.given == [{"fans.spin"}] * 3


async def test_loss_is_told_once() -> None:
    """What has been declared since is not lost any more."""
    broker = Broker()
    restored = declarations(broker)

    await restored.restore(QueueLostError("fans.spin"))
    await restored.restore(SessionEndedError("channel closed"))

    assert broker.given == [{"fans.spin"}, set()]


async def test_connection_that_has_ended_is_left() -> None:
    """Its end is somebody else's to deal with."""
    broker = Broker(failures=9, ends_after=2)

    await declarations(broker).restore(QueueLostError("fans.spin"))

    assert len(broker.given) == 2


async def test_single_attempt_raises() -> None:
    """Who asks for one attempt learns why it failed."""
    with pytest.raises(ConnectionError):
        await declarations(Broker(failures=1)).declare()


async def test_queue_that_nobody_consumes_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is missing, it counts as lost, and everything is declared; what is there is left alone."""
    # given
    there, broker, declared = {"fans.parked"}, Broker(), asyncio.Event()

    async def missing(_: object, queues: Sequence[str]) -> list[str]:
        return [queue for queue in queues if queue not in there]

    async def set_up(lost: Collection[str]) -> None:
        await broker.set_up(lost)
        there.update(lost)
        declared.set()

    monkeypatch.setattr(declaring, "missing", missing)
    monkeypatch.setattr(declaring, "LOOK_INTERVAL", 0.0)
    watch = asyncio.create_task(
        Declarations(cast("AbstractConnection", broker), set_up).watch(["fans.parked", "fans.retry.1s"])
    )
    # when
    async with asyncio.timeout(5):
        await declared.wait()
        for _ in range(10):
            await asyncio.sleep(0)
    watch.cancel()
    # then
    assert broker.given == [{"fans.retry.1s"}]
