"""Conservation: judges by events alone whether anything was lost or made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from window.facts import Facts, facts_of
from window.looks import Finding

__all__ = ["Audit", "Facts", "facts_of", "judge"]

MAX_NAMED = 10
JUDGED_AFTER = timedelta(minutes=1)
"""How long after its deadline a saga is judged: the clocks ask 10 s after it, and what they ask has to be answered"""
FORGOTTEN_AFTER = timedelta(hours=1)
"""How long after its beginning a saga is judged that has no deadline"""
TOLERANCE = timedelta(seconds=5)
"""How far clocks may be apart"""


@dataclass(slots=True)
class _Rule:
    """What was counted for a rule, and who breaks it."""

    judged: int = 0
    broken: int = 0
    sagas: list[UUID] = field(default_factory=list)

    def judge(self, saga_id: UUID, *, holds: bool) -> None:
        """Count a saga; the first few that break the rule are named."""
        self.judged += 1
        if not holds:
            self.broken += 1
            if len(self.sagas) < MAX_NAMED and saga_id not in self.sagas:
                self.sagas.append(saga_id)

    def finding(self, name: str, holds: str, breaks: str) -> Finding:
        """What to say about it."""
        text = f"{self.broken:,} of {self.judged:,} {breaks}" if self.broken else f"{holds} ({self.judged:,} judged)"
        return Finding(name, not self.broken, text, tuple(self.sagas))


@dataclass(frozen=True, slots=True)
class _Sale:
    at: datetime
    holder: UUID
    saga_id: UUID


@dataclass(slots=True)
class Audit:
    """Judges sagas one after the other; it keeps sums, and of each saga at most what it sold, released or gave back.

    A saga that was not seen whole, because the window came late or has forgotten its beginning, is judged for its
    seats only.
    """

    now: datetime
    _points: _Rule = field(default_factory=_Rule)
    _ends: _Rule = field(default_factory=_Rule)
    _deliveries: _Rule = field(default_factory=_Rule)
    _partial: int = 0
    _spent: int = 0
    _refunded: int = 0
    _paid: int = 0
    _repaid: int = 0
    _given_back: int = 0
    _refunds: dict[UUID, UUID] = field(default_factory=dict)
    """Which payment was given back by which refund"""
    _sales: dict[int, list[_Sale]] = field(default_factory=dict)
    _released: dict[UUID, list[datetime]] = field(default_factory=dict)

    def add(self, facts: Facts) -> None:
        """Judge one more saga."""
        self._note_seats(facts)
        if not facts.is_whole:
            self._partial += 1
            return
        if facts.ended_at is not None:
            self._judge_points(facts)
        if facts.ended_at is not None or self._should_have_ended(facts):
            self._ends.judge(facts.saga_id, holds=facts.ended_at is not None)
        if facts.ended_at is not None and (facts.completed or facts.delivered):
            is_one = facts.completed == facts.delivered == 1
            self._deliveries.judge(facts.saga_id, holds=is_one)

    def findings(self) -> Sequence[Finding]:
        """What holds and what does not, rule by rule."""
        sums = f"{self._spent:,} spent = {self._refunded:,} refunded + {self._paid:,} paid"
        if self._repaid or self._given_back:
            sums += f"; of it {self._repaid:,} repaid = {self._given_back:,} given back"
        partial = f"; {self._partial:,} seen in part only" if self._partial else ""
        unequal = f"do not keep their points: {sums.replace('=', 'against')}"
        late = "that should have ended have not"
        return (
            self._points.finding("points", sums, unequal),
            self._seats().finding("seats", "each seat was sold to one at a time", "seats were sold twice"),
            self._ends.finding("ends", f"every saga that should have ended has ended{partial}", f"{late}{partial}"),
            self._deliveries.finding(
                "deliveries", "one delivery for each that completed", "were not completed and delivered once each"
            ),
        )

    def _judge_points(self, facts: Facts) -> None:
        if facts.repaid or facts.given_back:
            self._judge_refund(facts)
        if not (facts.spent or facts.refunded or facts.paid):
            return
        self._spent += facts.spent
        self._refunded += facts.refunded
        self._paid += facts.paid
        self._points.judge(facts.saga_id, holds=facts.spent == facts.refunded + facts.paid)

    def _judge_refund(self, facts: Facts) -> None:
        """What is repaid is given back, and of a payment once."""
        self._repaid += facts.repaid
        self._given_back += facts.given_back
        holder = facts.holder or facts.saga_id
        is_first = self._refunds.setdefault(holder, facts.saga_id) == facts.saga_id
        self._points.judge(facts.saga_id, holds=facts.repaid == facts.given_back and is_first)

    def _should_have_ended(self, facts: Facts) -> bool:
        if facts.due_at is not None:
            return self.now - facts.due_at > JUDGED_AFTER
        return self.now - facts.begun_at > FORGOTTEN_AFTER

    def _note_seats(self, facts: Facts) -> None:
        holder = facts.holder or facts.saga_id
        if facts.released_at is not None:
            self._released.setdefault(holder, []).append(facts.released_at)
        if facts.sold_at is not None:
            for seat in facts.seats:
                self._sales.setdefault(seat, []).append(_Sale(facts.sold_at, holder, facts.saga_id))

    def _seats(self) -> _Rule:
        rule = _Rule()
        for sales in self._sales.values():
            clashes = list(self._clashes(sales))
            rule.judge(clashes[0] if clashes else sales[0].saga_id, holds=not clashes)
            for saga_id in clashes:
                if len(rule.sagas) < MAX_NAMED and saga_id not in rule.sagas:
                    rule.sagas.append(saga_id)
        return rule

    def _clashes(self, sales: Sequence[_Sale]) -> Iterator[UUID]:
        """The sagas that share a seat: it was sold to another who had not released it."""
        in_time = sorted(sales, key=lambda one: (one.at, one.saga_id))
        for earlier, later in pairwise(in_time):
            if earlier.holder != later.holder and not self._is_free(earlier, later.at):
                yield from (earlier.saga_id, later.saga_id)

    def _is_free(self, sale: _Sale, at: datetime) -> bool:
        # Only differences: a moment at the end of time cannot be moved.
        return any(
            released - at <= TOLERANCE and sale.at - released <= TOLERANCE
            for released in self._released.get(sale.holder, ())
        )


def judge(sagas: Iterable[Facts], now: datetime) -> Sequence[Finding]:
    """The rules of conservation over these sagas."""
    audit = Audit(now)
    for facts in sagas:
        audit.add(facts)
    return audit.findings()
