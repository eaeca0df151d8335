"""Random messages: valid events, spoiled one part at a time, and garbage, for the queues of all steps and all asks."""

import random
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiormq import spec

from chassis.choreography.loading import load
from chassis.choreography.topology import ASKS, RETRY_DELAYS, resay_queue
from contracts.event import Event
from stack.directory import ROOT
from stack.services import SERVICES
from tests.attacks import heads, spoiling
from tests.attacks.spoiling import Draft

ADMIN = "admin"
MARK = "fuzz:"
SPOILERS = spoiling.EVERY | heads.EVERY
REMEMBERED = 2_000
"""How many earlier messages may be sent again"""
SIZES = ((0.985, 0, 2_000), (0.0135, 2_000, 200_000), (0.0015, 1 << 20, 5 << 20))
"""How often a body of garbage has how many bytes"""


@dataclass(frozen=True)
class Target:
    """A queue, and an event that reaches it; none where it is a queue of asks."""

    queue: str
    event: type[Event] | None

    @property
    def sender(self) -> str:
        """The service whose events reach the queue; for asks, the one that is asked."""
        return self.event.service if self.event else self.queue.partition(".")[0]


@dataclass(frozen=True)
class Shot:
    """One message, who sends it, and over which exchange."""

    user: str
    exchange: str
    routing_key: str
    properties: spec.Basic.Properties
    body: bytes
    kind: str
    more_keys: tuple[str, ...] = field(default=())
    """Further routing keys, in CC and BCC"""

    @property
    def mark(self) -> str | None:
        """The number that this message alone has, unless that part of it was spoiled."""
        found = self.properties.correlation_id
        return found if found and found.startswith(MARK) else None

    @property
    def event_id(self) -> UUID | None:
        """The id under which a step would note that it has handled this."""
        found = (self.properties.headers or {}).get("ce-id")
        try:
            return UUID(found) if isinstance(found, str) else None
        except ValueError:
            return None

    @property
    def may_vanish(self) -> bool:
        """Whether the broker may drop it: an expired message that says it has been in a cycle of dead-lettering."""
        return self.properties.expiration is not None and "x-death" in (self.properties.headers or {})


def targets() -> list[Target]:
    """All queues that are fed, and what feeds them."""
    services = load(ROOT).services
    steps = [Target(step.queue, event) for one in services for step in one.listening for event in step.hears]
    return [*steps, *(Target(resay_queue(service), None) for service in SERVICES)]


def routes(found: Collection[Target]) -> dict[tuple[str, str], set[str]]:
    """The queues that an exchange and a routing key lead to."""
    reached: dict[tuple[str, str], set[str]] = {}
    for one in found:
        reached.setdefault(("", one.queue), set()).add(one.queue)
        way = (one.event.service, one.event.name) if one.event else (ASKS, one.queue)
        reached.setdefault(way, set()).add(one.queue)
        for delay in (*RETRY_DELAYS, "x"):
            reached.setdefault((f"{one.queue.partition('.')[0]}.redeliver", f"{delay}.{one.queue}"), set()).add(
                one.queue
            )
    return reached


class Messages:
    """Makes one message after the other; the same seed makes the same ones."""

    def __init__(self, chance: random.Random, leave_out: Collection[str] = ()) -> None:
        self._chance = chance
        self.targets = targets()
        self._by_queue: dict[str, list[Target]] = {}
        for target in self.targets:
            self._by_queue.setdefault(target.queue, []).append(target)
        self._queues = sorted(self._by_queue)
        self._earlier: list[Shot] = []
        self._spoilers = {name: spoil for name, spoil in SPOILERS.items() if name not in leave_out}
        self._made = 0

    @property
    def queues(self) -> list[str]:
        """The queues at which the messages are aimed."""
        return self._queues

    def next(self) -> Shot:
        """The next message."""
        self._made += 1
        if self._earlier and self._chance.random() < 0.06:
            return self._again(self._chance.choice(self._earlier))
        target = self._chance.choice(self._by_queue[self._chance.choice(self._queues)])
        draft = Draft(self._headers(target), spoiling.valid_body(self._chance, target.event), {})
        draft.properties |= self._properties(target)
        names = self._spoil(draft)
        shot = self._addressed(target, draft, "+".join(names) or "valid")
        if len(shot.body) < 2_000:
            self._earlier = [*self._earlier[-REMEMBERED:], shot] if self._made % 7 == 0 else self._earlier
        return shot

    def _again(self, shot: Shot) -> Shot:
        """The same once more, under a number of its own."""
        properties = {name: getattr(shot.properties, name) for name in shot.properties.__slots__}
        properties |= {"correlation_id": self._mark(), "message_id": self._id().hex}
        again = spec.Basic.Properties(**{name: value for name, value in properties.items() if value not in (None, "")})
        return Shot(shot.user, shot.exchange, shot.routing_key, again, shot.body, "again", shot.more_keys)

    def _mark(self) -> str:
        return f"{MARK}{self._made}"

    def _id(self) -> UUID:
        return uuid.UUID(int=self._chance.getrandbits(128), version=4)

    def _headers(self, target: Target) -> dict[str, Any]:
        if target.event is None:
            return {}
        saga_id = str(self._id())
        return {
            "ce-specversion": "1.0",
            "ce-id": str(self._id()),
            "ce-source": f"/{target.event.service}",
            "ce-type": f"{target.event.name}.v{target.event.version}",
            "ce-time": spoiling.now(),
            "ce-subject": saga_id,
            "ce-correlationid": saga_id,
            "ce-causationid": str(self._id()),
            "traceparent": f"00-{self._chance.getrandbits(128):032x}-{self._chance.getrandbits(64):016x}-01",
        }

    def _properties(self, target: Target) -> dict[str, Any]:
        return {
            "content_type": "application/json",
            "correlation_id": self._mark(),
            "message_id": self._id().hex,
            "message_type": target.event.name if target.event else "resay",
            "app_id": target.sender,
            "user_id": target.sender,
            "delivery_mode": 2,
        }

    def _spoil(self, draft: Draft) -> list[str]:
        """Spoil some parts of a message; what was done to it."""
        roll = self._chance.random()
        if roll < 0.08:
            return []
        if roll < 0.2:
            draft.body = spoiling.garbage(self._chance, self._size())
            return ["garbage"]
        names = self._chance.sample(sorted(self._spoilers), self._chance.choice((1, 1, 1, 2, 3, 5)))
        for name in names:
            self._spoilers[name](self._chance, draft)
        return names

    def _size(self) -> int:
        roll = self._chance.random()
        for share, least, most in SIZES:
            if roll < share:
                return self._chance.randrange(least, most)
            roll -= share
        return 0

    def _addressed(self, target: Target, draft: Draft, kind: str) -> Shot:
        user, exchange, key = self._way(target)
        if user != ADMIN and draft.properties.get("user_id") not in (None, user) and self._chance.random() < 0.97:
            draft.properties["user_id"] = user  # the broker refuses any other
        keys = tuple(draft.headers[name][0] for name in ("CC", "BCC") if _is_keys(draft.headers.get(name)))
        if exchange == "" and any(one.endswith(".parked") for one in keys):
            # Only an administrator can; where such a one expires, the broker keeps it, since it leads nowhere.
            draft.properties.pop("expiration", None)
        given = {name: value for name, value in draft.properties.items() if value is not None}
        properties = spec.Basic.Properties(headers=draft.headers, **given)
        return Shot(user, exchange, key, properties, draft.body, kind, keys)

    def _way(self, target: Target) -> tuple[str, str, str]:
        """Who sends it, over which exchange, with which routing key."""
        roll = self._chance.random()
        somebody = self._chance.choice(SERVICES)
        if roll < 0.01:
            return somebody, "", target.queue  # no service may
        if target.event is None:
            return (somebody, ASKS, target.queue) if roll < 0.6 else (ADMIN, ASKS, target.queue)
        if roll < 0.02:
            return somebody, target.event.service, target.event.name  # only one of them may
        if roll < 0.03:
            return somebody, ASKS, target.queue  # leads nowhere
        if roll < 0.6:
            return target.sender, target.event.service, target.event.name
        if roll < 0.7:
            owner = target.queue.partition(".")[0]
            delay = self._chance.choice((*RETRY_DELAYS, "x"))
            return self._chance.choice((owner, ADMIN)), f"{owner}.redeliver", f"{delay}.{target.queue}"
        return (ADMIN, target.event.service, target.event.name) if roll < 0.8 else (ADMIN, "", target.queue)


def _is_keys(value: object) -> bool:
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)
