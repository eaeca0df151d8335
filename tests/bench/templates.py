"""Templates: one saga of each kind that an archive of the window is full of, with all its messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from chassis.choreography.topology import PARKED
from tests.window import sagas
from window.message import Message, Place
from window.reading import Arrived, Seen, seen

PERIOD = 1_000
SEAT = 777_777_771
"""Stands for a seat of the copy"""
USER = "template"
AGO = timedelta(minutes=2)


@dataclass(frozen=True)
class Template:
    """A saga to be copied."""

    kind: str
    share: int
    """How many of a thousand are copies of it"""
    messages: Sequence[Message]

    @property
    def saga_id(self) -> UUID:
        """Its id."""
        return next(one.saga_id for one in self.messages if one.saga_id)

    @property
    def payment_id(self) -> UUID:
        """The id of its payment."""
        return self.saga_id if self.is_hold else sagas.named(f"payment of {self.kind}")

    @property
    def is_hold(self) -> bool:
        """Whether seats are held, and not bought."""
        return self.kind.startswith("hold")


def templates(now: datetime) -> Sequence[Template]:
    """All kinds; those that are under way have begun just now."""
    ago = now - AGO

    def checkout(kind: str, fails_at: str | None = None, begun_at: datetime = ago) -> list[Message]:
        return sagas.checkout([SEAT], name=kind, user=USER, begun_at=begun_at, fails_at=fails_at)

    def hold(kind: str, fails_at: str | None = None, *, lapses: bool = False) -> list[Message]:
        return sagas.hold([SEAT], name=kind, user=USER, begun_at=ago, fails_at=fails_at, lapses=lapses)

    out = checkout("out", begun_at=now)[:3]
    resting, parked = checkout("resting", begun_at=now)[:4], checkout("parked")[:4]
    odd = checkout("odd")
    found = [
        ("completed", 619, checkout("completed")),
        ("withdrawn", 50, checkout("withdrawn", "seat.reserve")),
        ("poor", 40, checkout("poor", "point.spend")),
        ("hold", 250, hold("hold")),
        ("back", 1, checkout("back", "seat.reserve", now)[:7]),
        ("hold refused", 15, hold("hold refused", "seat.hold")),
        ("hold lapsed", 20, hold("hold lapsed", lapses=True)),
        ("out", 1, out),
        ("late", 1, checkout("late")[:5]),
        ("odd", 1, [*odd, replace(odd[2], number=99, event_id=uuid4(), cause=odd[-1].event_id)]),
        ("parked", 1, [*parked, sagas.parked(parked[-1], "seat.reserve")]),
        ("resting", 1, [*resting, sagas.rests(resting[-1], "seat.reserve")]),
    ]
    return [Template(kind, share, messages) for kind, share, messages in found]


def heard(message: Message) -> Seen:
    """A message as the window has heard it, with all headers."""
    owner = (message.step or message.service).partition(".")[0]
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(message.event_id),
        "ce-source": f"/{message.service}",
        "ce-type": f"{message.event}.v{message.version}",
        "ce-time": message.occurred_at.isoformat(),
        "ce-correlationid": str(message.saga_id),
        "traceparent": f"00-{message.event_id.hex}-{message.event_id.hex[:16]}-01",
        **({"ce-causationid": str(message.cause)} if message.cause else {}),
        **({"x-attempt": message.attempt, "x-last-error": message.error} if message.attempt else {}),
    }
    ways = {
        Place.SAID: (message.service, message.event),
        Place.RESTING: (f"{owner}.retry", f"{message.delay}.{message.step}"),
        Place.PARKED: (f"{owner}.retry", f"{PARKED}.{message.step}"),
    }
    return seen(Arrived(*ways[message.place], headers, message.body.encode(), str(uuid4()), owner), message.seen_at)
