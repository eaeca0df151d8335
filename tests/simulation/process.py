"""What a replica of a service is in the middle of: it goes on turn by turn, and may die before any of them."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from chassis.crash import Point, crashing
from chassis.errors import NotPublishedError
from tests.simulation.node import Node
from tests.simulation.scenario import Trouble

Hook = Callable[[Point, Iterable[str]], None]
Ending = Callable[[Any], None]

POINTS = {
    Trouble.CRASH_BEFORE_COMMIT: Point.BEFORE_COMMIT,
    Trouble.CRASH_BEFORE_PUBLISH: Point.AFTER_COMMIT,
    Trouble.CRASH_BEFORE_FORGET: Point.AFTER_CONFIRM,
}


class CrashedError(BaseException):
    """The process is gone."""


class Process:
    """Work of a node that has begun and has not ended."""

    def __init__(self, name: str, node: Node, work: Coroutine[Any, Any, Any], hook: Hook, ending: Ending) -> None:
        self.name = name
        self.node = node
        self.is_over = False
        self._work = work
        self._hook = hook
        self._ending = ending

    @property
    def is_waiting(self) -> bool:
        """Whether it cannot go on before another process of the service has."""
        return self.node.source.is_waiting

    def go_on(self) -> None:
        """Go on to the next turn, or to the end: in good order, by a crash, or because the broker takes nothing."""
        result = None
        try:
            with crashing(self._hook):
                self._work.send(None)
            return
        except StopIteration as done:
            result = done.value
        except (CrashedError, NotPublishedError):
            pass
        self._end(result)

    def die(self) -> None:
        """End here and now: what is not committed is rolled back."""
        self._work.close()
        self._end(None)

    def _end(self, result: Any) -> None:
        self.is_over = True
        self._ending(result)


def crash_at(trouble: Trouble | None) -> Hook:
    """What happens at the crash points of the frame: nothing, unless this trouble is a crash there."""
    wanted = POINTS.get(trouble) if trouble else None

    def pass_point(point: Point, _: Iterable[str]) -> None:
        if point is wanted:
            raise CrashedError(point)

    return pass_point
