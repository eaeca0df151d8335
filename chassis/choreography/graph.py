"""Graph: the choreography of all services as their steps declare it. Nobody else holds the whole picture."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from chassis.choreography.declaration import Service
from chassis.choreography.step import FROM_OUTSIDE, Kind, Step
from contracts.event import Event, Refusal

EventType = type[Event]


@dataclass(frozen=True)
class Choreography:
    """The steps of several services, and how events lead from one to the next."""

    services: tuple[Service, ...]

    @property
    def steps(self) -> list[Step]:
        """Every step of every service."""
        return [step for service in self.services for step in service.steps]

    @property
    def events(self) -> list[EventType]:
        """Every event that is said or heard, once."""
        named = (event for step in self.steps for event in (*step.says, *step.hears))
        return list(dict.fromkeys(named))

    @property
    def sagas(self) -> list[str]:
        """The sagas, in the order of their first steps."""
        return list(dict.fromkeys(step.saga for step in self.steps))

    def saying(self, event: EventType) -> list[Step]:
        """The steps that may say an event."""
        return [step for step in self.steps if event in step.says]

    def hearing(self, event: EventType) -> list[Step]:
        """The steps that hear an event."""
        return [step for step in self.steps if event in step.hears]

    def undoing(self, step: Step) -> list[Step]:
        """The steps that undo a step."""
        return [other for other in self.steps if other.undoes == step]

    def way_out(self, saga: str) -> list[Step]:
        """The steps forward, each after those that it hears."""
        starts = (step for step in self.steps if step.saga == saga and step.kind is Kind.START and not step.answers_for)
        return list(_walk(starts, self._forward))

    def way_back(self, saga: str) -> list[Step]:
        """The compensations, in the reverse order of what they undo, and what then tells the outside."""
        order, steps = self.way_out(saga), [step for step in self.steps if step.saga == saga]
        back = sorted((step for step in steps if step.undoes), key=lambda step: -_index(order, step.undoes))
        return back + [step for step in steps if step.tells_end]

    def asked(self, saga: str) -> list[Step]:
        """What comes from the side: what the clock asks, what is called out, and what stands for others then."""
        steps = (step for step in self.steps if step.saga == saga)
        return [step for step in steps if step.kind in (Kind.INQUIRY, Kind.CALL) or step.answers_for]

    def before(self, step: Step) -> list[Step]:
        """The forward steps that have committed when `step` runs, the latest first.

        What answers for the pivot finds what the pivot does, whoever asks.
        """
        if step.answers_for:
            return self.before(step.answers_for)
        return list(_walk(self._causes(step), self._causes))

    def compensations(self, event: EventType) -> list[Step]:
        """The steps back that an event sets off, one after the other."""
        first = [step for step in self.hearing(event) if step.kind is Kind.UNDO]
        return list(_walk(first, lambda step: [s for e in step.says for s in self.hearing(e) if s.kind is Kind.UNDO]))

    def turning(self, step: Step) -> list[EventType]:
        """The events of a forward step with which the way back begins, because compensations alone hear them."""
        return [event for event in step.says if step.is_forward and self._turns(event)]

    def _turns(self, event: EventType) -> bool:
        hearers = self.hearing(event)
        return issubclass(event, Refusal) or bool(hearers and all(one.kind is Kind.UNDO for one in hearers))

    def _causes(self, step: Step) -> list[Step]:
        """The forward steps that set a step off; nothing comes before a start, whoever calls for it."""
        if step.kind in FROM_OUTSIDE:
            return []
        sayers = (sayer for event in step.hears for sayer in self.saying(event) if sayer.is_forward)
        return [sayer.answers_for if sayer.kind is Kind.START and sayer.answers_for else sayer for sayer in sayers]

    def _forward(self, step: Step) -> list[Step]:
        return [next_ for event in step.says for next_ in self.hearing(event) if next_.is_forward]


def _walk(first: Iterable[Step], following: Callable[[Step], Iterable[Step]]) -> Iterator[Step]:
    """Each step once, breadth first."""
    waiting, seen = list(first), []
    while waiting:
        step = waiting.pop(0)
        if step not in seen:
            seen.append(step)
            yield step
            waiting.extend(following(step))


def _index(order: Sequence[Step], step: Step | None) -> int:
    return order.index(step) if step in order else len(order)
