"""Proof: what must be true of a choreography so that every saga ends, with everything done or everything undone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chassis.choreography.graph import Choreography, EventType
from chassis.choreography.step import Kind, Step

Rule = Callable[[Choreography], Iterator["Flaw"]]


@dataclass(frozen=True)
class Flaw:
    """Where a choreography is broken, and how to mend it."""

    rule: str
    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}. To mend it, {self.mend}."


def check(choreography: Choreography) -> list[Flaw]:
    """Every flaw, by every rule; empty for a choreography that is closed."""
    return [flaw for rule in RULES for flaw in rule(choreography)]


def unsaid(graph: Choreography) -> Iterator[Flaw]:
    """Every event that is heard is said."""
    for step in graph.steps:
        for event in step.hears:
            if not graph.saying(event):
                mend = f"let a step of {event.service} return it, or take it out of the signature of {step.queue}"
                yield Flaw("unsaid", step.queue, f"hears {event.name}, which nobody says", mend)


def unheard(graph: Choreography) -> Iterator[Flaw]:
    """Every event that is said is heard, unless it is an end of which nobody is told."""
    for step in graph.steps:
        for event in step.says:
            if event.mandatory and not graph.hearing(event):
                mend = "let a step hear it, or declare it with end=True"
                yield Flaw("unheard", step.queue, f"says {event.name}, which nobody hears", mend)


def unsure(graph: Choreography) -> Iterator[Flaw]:
    """What a step hears, the broker may not drop."""
    for step in graph.steps:
        for event in step.hears:
            if not event.mandatory:
                mend = f"declare {event.name} with told=True, or without end=True"
                yield Flaw("unsure", step.queue, f"hears {event.name}, an end that the broker may drop", mend)


def left_standing(graph: Choreography) -> Iterator[Flaw]:
    """A refusal undoes exactly the steps that may have committed before it, the latest first.

    So does whatever else only compensations hear, and what the clock takes back; there the step itself is the first to
    be undone.
    """
    for step in graph.steps:
        if step.kind is Kind.LAPSE and step.undoes:
            before = [step.undoes, *graph.before(step.undoes)]
            for event in step.says:
                yield from _compare(step, event, before, [step, *graph.compensations(event)])
        for event in dict.fromkeys((*step.refusals, *graph.turning(step))):
            yield from _compare(step, event, graph.before(step), graph.compensations(event))


def _compare(step: Step, event: EventType, before: list[Step], back: list[Step]) -> Iterator[Flaw]:
    undone = [compensation.undoes for compensation in back if compensation.undoes]
    if undone == before:
        return
    standing = [one for one in before if one not in undone]
    for one in standing:
        mend = f"let an @service.undo({one.function.__name__}) of {one.service} hear {event.name} or what follows it"
        yield Flaw("left-standing", one.queue, f"stays committed after {event.name} of {step.queue}", mend)
    for one in undone:
        if one not in before:
            mend = f"take {event.name} from what undoes it"
            yield Flaw("undone-too-much", one.queue, f"has not committed when {step.queue} says {event.name}", mend)
    if not standing and sorted(undone, key=_queue) == sorted(before, key=_queue):
        order = " → ".join(one.queue for one in before)
        mend = f"undo in this order: {order}"
        yield Flaw("undone-out-of-order", step.queue, f"{event.name} undoes its predecessors out of order", mend)


def refusing_compensations(graph: Choreography) -> Iterator[Flaw]:
    """A compensation does not refuse: nothing would undo the refusal."""
    for step in graph.steps:
        if step.undoes and step.can_refuse:
            what = f"undoes {step.undoes.queue} and may say {step.refusals[0].name}, a refusal"
            yield Flaw("refusing-compensation", step.queue, what, "let it raise instead, so that it is tried again")


def pivots(graph: Choreography) -> Iterator[Flaw]:
    """Effects come after the pivot, refusals up to it, and nothing undoes it."""
    for saga in graph.sagas:
        out = graph.way_out(saga)
        last = max((number for number, step in enumerate(out) if step.can_refuse), default=-1)
        pivot = next((number for number, step in enumerate(out) if step.kind is Kind.PIVOT), None)
        for number, step in enumerate(out):
            if step.kind is Kind.EFFECT and number < max(last, pivot if pivot is not None else last):
                mend = "move it after the last step that can refuse, or make it a step without I/O"
                yield Flaw("effect-before-pivot", step.queue, "does I/O that nothing can undo, before the pivot", mend)
            if pivot is not None and number > pivot and step.can_refuse:
                what = f"may say {step.refusals[0].name} after the pivot {out[pivot].queue}"
                mend = "let it raise instead, or move the refusal before the pivot"
                yield Flaw("refusal-after-pivot", step.queue, what, mend)
        if pivot is not None and (undoing := graph.undoing(out[pivot])):
            what = f"undoes the pivot {out[pivot].queue}"
            yield Flaw("undone-pivot", undoing[0].queue, what, "declare the pivot a plain step, or drop the undo")


def unanswered(graph: Choreography) -> Iterator[Flaw]:
    """What the clock asks is answered for the pivot, with nothing but what the pivot may say."""
    for step in graph.steps:
        for event in step.says if step.kind is Kind.INQUIRY else ():
            if not all(one.answers_for and one.answers_for.kind is Kind.PIVOT for one in graph.hearing(event)):
                mend = f"let an @service.answer(…) of the service that has the pivot hear {event.name}"
                yield Flaw("unanswered", step.queue, f"asks with {event.name} somebody who cannot decide", mend)
        if step.answers_for and set(step.says) != set(step.answers_for.says):
            what = f"answers for {step.answers_for.queue} and does not say the same"
            yield Flaw("unanswered", step.queue, what, "let it return exactly the events of the pivot")


def calls(graph: Choreography) -> Iterator[Flaw]:
    """What is called out begins a saga, ends one by undoing it all, or both; and nothing else begins one."""
    for step in graph.steps:
        for event in step.says if step.kind is Kind.CALL else ():
            for hearer in graph.hearing(event):
                if hearer.kind not in (Kind.START, Kind.LAPSE):
                    mend = f"declare {hearer.queue} with @service.set_off(…) or @service.lapse(…)"
                    yield Flaw("call", hearer.queue, f"hears {event.name}, which is called out to all sagas", mend)
        for event in step.hears if step.kind in (Kind.START, Kind.LAPSE) else ():
            if any(sayer.kind is not Kind.CALL for sayer in graph.saying(event)):
                what = f"stands outside of the saga in which {event.name} is said"
                yield Flaw("call", step.queue, what, f"say {event.name} in an @service.call, or declare a plain step")


def reversals(graph: Choreography) -> Iterator[Flaw]:
    """A saga that takes back another one takes back each of its steps that may be undone, and its pivot, once."""
    for saga in graph.sagas:
        reversed_ = [step.reverses for step in graph.steps if step.saga == saga and step.reverses]
        for other in dict.fromkeys(step.saga for step in reversed_):
            done = [step for step in graph.way_out(other) if _is_to_reverse(graph, step)]
            for one in done:
                if reversed_.count(one) != 1:
                    what = f"is taken back {reversed_.count(one)} times in the saga {saga}, which takes back {other}"
                    mend = f"let one @service.reversal({one.function.__name__}) of {one.service} do it"
                    yield Flaw("reversal", one.queue, what, mend)
            for one in reversed_:
                if one.saga == other and one not in done:
                    mend = "declare a plain step instead"
                    yield Flaw("reversal", one.queue, f"is taken back in {saga}, and leaves nothing behind", mend)


def _is_to_reverse(graph: Choreography, step: Step) -> bool:
    return step.kind is Kind.PIVOT or (step.kind is Kind.STEP and bool(graph.undoing(step)))


def cycles(graph: Choreography) -> Iterator[Flaw]:
    """No step forward comes after itself."""
    for step in graph.steps:
        if step.undoes is None and step in graph.before(step):
            heard = ", ".join(event.name for event in step.hears)
            mend = f"let {step.queue} hear something that does not follow from itself"
            yield Flaw("cycle", step.queue, f"follows from itself through {heard}", mend)


def two_voices(graph: Choreography) -> Iterator[Flaw]:
    """An event is said by one service."""
    for event in graph.events:
        claims = sorted({step.service for step in graph.saying(event)})
        if len(claims) > 1:
            where = ", ".join(step.queue for step in graph.saying(event))
            mend = f"let only {event.service} say it"
            yield Flaw("two-voices", where, f"{event.name} is said by {' and '.join(claims)}", mend)


def foreign_voices(graph: Choreography) -> Iterator[Flaw]:
    """A service says its own events."""
    for step in graph.steps:
        for event in step.says:
            if event.service != step.service:
                mend = f"say an event of {step.service}, or move the step to {event.service}"
                yield Flaw("foreign-voice", step.queue, f"says {event.name}, an event of {event.service}", mend)


def hidden_ends(graph: Choreography) -> Iterator[Flaw]:
    """Every end of a saga is a status of a REST resource; that it has been told is none of its own."""
    shown = {event for service in graph.services for ends in service.resources.values() for event in ends}
    for step in graph.steps:
        for event in step.says:
            if event.end and event not in shown and not step.tells_end:
                mend = f"name its status in `service.shows(…)` of {step.service}"
                yield Flaw("hidden-end", step.queue, f"{event.name} ends {event.saga}, and no resource shows it", mend)


RULES: tuple[Rule, ...] = (
    unsaid,
    unheard,
    unsure,
    left_standing,
    refusing_compensations,
    pivots,
    unanswered,
    calls,
    reversals,
    cycles,
    two_voices,
    foreign_voices,
    hidden_ends,
)


def _queue(step: Step) -> str:
    return step.queue
