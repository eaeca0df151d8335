"""Fakes: a window that knows what a test has told it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.web.bearer import Claims, unauthorized
from tests.window.sagas import BEGUN
from window.choreography import load
from window.looks import Filter, Finding, Gap, Minute, PutAside, StepNumbers, Summary
from window.message import Message, Place
from window.story import Story
from window.telling import tell

CHOREOGRAPHY = load()


class FakeBearers:
    """Believes the tokens `operator` and `fan`."""

    async def claims(self, token: str) -> Claims:
        """Who bears it."""
        names = {"operator": "operator", "fan": ""}
        if token.partition(".")[0] not in names:
            raise unauthorized("The bearer token is not valid.", "Bearer")
        return Claims(sub="ops", scope=names[token.partition(".")[0]])


@dataclass
class FakeLooks:
    """Holds messages and numbers in memory."""

    messages: list[Message] = field(default_factory=list)
    now: datetime = BEGUN + timedelta(seconds=14)
    numbers: dict[str, StepNumbers] = field(default_factory=dict)
    minutes: list[Minute] = field(default_factory=list)
    missing: list[Gap] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    asked: list[tuple[Filter, int | None]] = field(default_factory=list)
    moves: int = 0

    async def story(self, saga_id: UUID) -> Story | None:
        """The story of its messages."""
        found = [one for one in self.messages if one.saga_id == saga_id]
        return tell(found, CHOREOGRAPHY, self.now) if found else None

    async def message(self, saga_id: UUID, event_id: UUID) -> Sequence[Message]:
        """What was seen of an event."""
        return [one for one in self.messages if one.saga_id == saga_id and one.event_id == event_id]

    async def sagas(self, wanted: Filter, after: int | None, limit: int) -> Sequence[Summary]:
        """The newest first; a text has to be the beginning of an id."""
        self.asked.append((wanted, after))
        found = [
            one
            for one in self._summaries()
            if (after is None or one.key < after) and str(one.saga_id).startswith(wanted.text)
        ]
        return [one for one in found if wanted.saga in ("", one.saga)][:limit]

    async def slowest(self, limit: int) -> Sequence[Summary]:
        """Those that have not ended."""
        return [one for one in reversed(self._summaries()) if one.ended_at is None][:limit]

    async def resolve(self, text: str) -> Sequence[UUID]:
        """Sagas with that id."""
        return [one.saga_id for one in self._summaries() if str(one.saga_id) == text]

    async def steps(self) -> Mapping[str, StepNumbers]:
        """The numbers it was given."""
        return self.numbers

    async def hour(self) -> Sequence[Minute]:
        """The minutes it was given."""
        return self.minutes

    async def put_aside(self, after: int | None, limit: int) -> Sequence[PutAside]:
        """What rests or is parked, the newest first."""
        aside = [one for one in self.messages if one.place in (Place.RESTING, Place.PARKED)]
        aside.sort(key=lambda one: -one.number)
        found = [one for one in aside if after is None or one.number < after]
        soon = self.now + timedelta(seconds=12)
        return [PutAside(one, soon if one.place is Place.RESTING else None) for one in found][:limit]

    async def discarded(self, step: str, event_id: UUID) -> None:
        """Such messages are there no more."""
        self.messages = [one for one in self.messages if (one.step, one.event_id) != (step, event_id)]

    async def gaps(self) -> Sequence[Gap]:
        """The gaps it was given."""
        return self.missing

    async def audit(self) -> Sequence[Finding]:
        """The findings it was given."""
        return self.findings

    async def moved(self, since: int) -> int:
        """One more each time."""
        self.moves += 1
        return self.moves

    def _summaries(self) -> list[Summary]:
        ids = dict.fromkeys(one.saga_id for one in self.messages if one.saga_id)
        stories = [tell([m for m in self.messages if m.saga_id == one], CHOREOGRAPHY, self.now) for one in ids]
        return [_summary(story, key) for key, story in enumerate(stories, 1)][::-1]


def _summary(story: Story, key: int) -> Summary:
    attempts = [a for one in story.happenings for a in one.attempts]
    attempts += [a for one in story.waits for a in one.attempts]
    return Summary(
        saga_id=story.saga_id,
        saga=story.saga,
        way=story.way,
        outcome=story.outcome,
        reason=story.reason,
        begun_at=story.begun_at,
        last_at=story.last_at,
        ended_at=story.ended_at,
        last_event=story.happenings[-1].message.event,
        events=len(story.happenings),
        retries=len([one for one in attempts if one.delay]),
        parked=len([one for one in story.waits if one.is_parked]),
        is_late=story.is_late,
        oddities=len(story.oddities),
        key=key,
    )


def hour(now: datetime | None = None) -> list[Minute]:
    """Sixty minutes with a break in the middle."""
    last = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
    return [
        Minute(
            at=last - timedelta(minutes=59 - one),
            begun=240 + one % 7 * 9,
            completed=0 if 30 <= one < 34 else 220 + one % 5 * 8,
            failed=70 if 30 <= one < 36 else 4 + one % 3,
            milliseconds=None if 31 <= one < 33 else 180 + one % 9 * 12 + (900 if 33 <= one < 36 else 0),
        )
        for one in range(60)
    ]
