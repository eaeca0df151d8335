"""Facts: what one saga has moved, by its own messages alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.choreography.step import Kind
from window import bodies
from window.choreography import Choreography
from window.meanings import AMOUNT, HOLDER, MEANINGS, SEATS, Meaning
from window.message import Message
from window.story import Story, Way


@dataclass(frozen=True, slots=True)
class Facts:
    """One saga, as conservation looks at it."""

    saga_id: UUID
    saga: str
    is_whole: bool
    """Whether it was seen from its start on, with all causes"""
    begun_at: datetime
    due_at: datetime | None
    """When it should have ended; None when nothing says it"""
    ended_at: datetime | None
    spent: int
    refunded: int
    paid: int
    completed: int
    """How often it completed, or gave back"""
    delivered: int
    """How often; once also where the delivery was refused for good"""
    holder: UUID | None
    """In whose name seats were sold or released, or what was paid for them was given back"""
    seats: tuple[int, ...]
    """Which were sold"""
    sold_at: datetime | None
    released_at: datetime | None
    repaid: int = 0
    given_back: int = 0
    """What was paid, and is not any more"""


def facts_of(story: Story, choreography: Choreography) -> Facts:
    """The facts of a saga. What may be said again is counted once, and what may not is counted each time."""
    by_meaning: dict[Meaning, list[Message]] = {meaning: [] for meaning in Meaning}
    for happening in story.happenings:
        meaning = MEANINGS.get(happening.message.event)
        if meaning is not None:
            by_meaning[meaning].append(happening.message)
    sells, releases = by_meaning[Meaning.SELLS], by_meaning[Meaning.RELEASES]
    gives_back = by_meaning[Meaning.GIVES_BACK]
    return Facts(
        saga_id=story.saga_id,
        saga=story.saga,
        is_whole=_is_whole(story, choreography),
        begun_at=story.begun_at,
        due_at=_due(story),
        ended_at=story.ended_at,
        spent=sum(map(_amount, by_meaning[Meaning.SPENDS])),
        # A refund is confirmed as often as somebody asks: only another amount is another refund.
        refunded=sum(set(map(_amount, by_meaning[Meaning.REFUNDS]))),
        paid=0 if by_meaning[Meaning.UNPAYS] else sum(map(_amount, by_meaning[Meaning.PAYS])),
        completed=len(by_meaning[Meaning.COMPLETES]) + len(by_meaning[Meaning.GIVES_BACK]),
        delivered=len(by_meaning[Meaning.DELIVERS]) or min(1, len(by_meaning[Meaning.GIVES_UP])),
        holder=next((holder for one in (*sells, *releases, *gives_back) if (holder := _holder(one))), None),
        seats=_seats(sells),
        sold_at=min((one.occurred_at for one in sells), default=None),
        released_at=max((one.occurred_at for one in releases), default=None),
        repaid=sum(set(map(_amount, by_meaning[Meaning.REPAYS]))),
        given_back=sum(map(_amount, gives_back)),
    )


def _is_whole(story: Story, choreography: Choreography) -> bool:
    steps = (choreography.steps.get(happening.step or "") for happening in story.happenings)
    has_start = any(step is not None and step.kind is Kind.START for step in steps)
    return has_start and all(odd.kind != "unseen-cause" for odd in story.oddities)


def _due(story: Story) -> datetime | None:
    """The deadline; or, for what is undone after an end, when that began."""
    if story.way is not Way.BACK:
        return story.deadline
    ends = [place for place, happening in enumerate(story.happenings) if happening.is_end]
    after = story.happenings[ends[0] + 1 :] if ends else ()
    return next((one.message.occurred_at for one in after if one.way is Way.BACK), story.deadline)


def _amount(message: Message) -> int:
    return bodies.amount(bodies.fields(message.body), AMOUNT)


def _holder(message: Message) -> UUID | None:
    return bodies.identity(bodies.fields(message.body), HOLDER)


def _seats(sells: Sequence[Message]) -> tuple[int, ...]:
    return tuple(sorted({seat for one in sells for seat in bodies.numbers(bodies.fields(one.body), SEATS)}))
