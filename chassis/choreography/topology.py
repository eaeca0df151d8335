"""What the broker must hold for a service, derived from its steps.

A topic exchange per service carries its events, a quorum queue per step collects the ones it hears. Beside them
stand the queues of the delayed retries and the parked messages (see `chassis.broker.retry`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chassis.choreography.declaration import Service

RETRY_DELAYS = {"1s": 1_000, "5s": 5_000, "30s": 30_000, "2m": 120_000}
"""How long a message rests before it is tried again, in milliseconds, growing from attempt to attempt."""

PARKED = "parked"
RESAY = "resay"
PULSE = "pulse"

ASKS = "amq.topic"
"""Over it a service is asked to say something again, its processes tell each other the news, and it has its pulse.

It is there in every broker, and nobody can delete it. To a topic exchange nobody can bind more than is granted.
"""

DELIVERY_LIMIT = 50
"""A message that was handed out this often and not acknowledged is parked by the broker.

A step parks what kills its process long before (`chassis.run.suspicion`). This is for what it cannot see, and leaves
room: RabbitMQ before 4.0 counts lost connections too, for every message that had been handed out.
"""

MAX_LENGTH = 1_000_000
"""How many messages the queue of a step may hold, before the broker refuses more and they wait in their outboxes."""

MAX_LENGTH_BYTES = 1 << 30
"""How much the bodies in one queue of a service may take up, with the same end"""

SPREAD = {"queue-leader-locator": "balanced"}
"""Where the leader of a new queue is: on the node that has the fewest, not where its service is connected"""

NEWS_LIMITS = {"max-length": 10_000, "max-length-bytes": 4 << 20, "expires": 60_000}
"""Of a queue of news, whose oldest messages go: it may do without them, and goes when nobody takes them for a minute"""

LOOKING_LIMIT = 1_000_000
"""Looking at a parked message counts as a delivery; RabbitMQ 4 would limit those to 20 if nobody said otherwise."""


@dataclass(frozen=True)
class Exchange:
    """A durable topic exchange."""

    name: str


@dataclass(frozen=True)
class Queue:
    """A durable quorum queue."""

    name: str
    arguments: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, order=True)
class Binding:
    """Messages of `exchange` whose routing key matches go to `queue`."""

    exchange: str
    routing_key: str
    queue: str


@dataclass(frozen=True)
class Topology:
    """All that one service declares. Only bindings reach across to the exchanges of others."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def topology(service: Service) -> Topology:
    """Exchanges, queues and bindings of a service."""
    names = retry_names(service.name)
    return Topology(
        exchanges=(Exchange(service.name), Exchange(names.waiting), Exchange(names.redeliver)),
        queues=(
            *(_working_queue(service.name, step.queue) for step in service.listening),
            _working_queue(service.name, resay_queue(service.name)),
            *(_retry_queue(service.name, delay, ms) for delay, ms in RETRY_DELAYS.items()),
            Queue(pulse_queue(service.name), {"x-queue-type": "quorum", "x-max-length": 0}),
            _parked_queue(service.name),
        ),
        bindings=tuple(_bindings(service)),
    )


def news_key(service: str) -> str:
    """Under what the processes of a service tell each other what has moved; their own queues begin with it."""
    return f"{service}.news"


def policies(services: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What may change while queues hold messages, by the name of the policy, in the words of RabbitMQ's API.

    The arguments of a queue cannot be changed, so they hold only what its messages depend on.
    """
    room = {"max-length": MAX_LENGTH, "max-length-bytes": MAX_LENGTH_BYTES, **SPREAD}
    found = {}
    for service in services:
        own = re.escape(service)
        found[f"{service}.steps"] = _policy(
            rf"^{own}\.(?!({PARKED}|{PULSE})$)[^.]+$", {"delivery-limit": DELIVERY_LIMIT} | room
        )
        # Looking at a message that is put aside is no attempt.
        found[f"{service}.aside"] = _policy(rf"^{own}\.({PARKED}|{PULSE}|retry\..+)$", room)
        found[f"{service}.news"] = _policy(rf"^{re.escape(news_key(service))}\.", NEWS_LIMITS)
    return found


def _policy(pattern: str, limits: Mapping[str, Any]) -> dict[str, Any]:
    return {"pattern": pattern, "apply-to": "queues", "priority": 0, "definition": dict(limits)}


@dataclass(frozen=True)
class RetryNames:
    """The two exchanges that a message passes on its way to another attempt."""

    waiting: str
    redeliver: str


def retry_names(service: str) -> RetryNames:
    """The retry exchanges of a service."""
    return RetryNames(waiting=f"{service}.retry", redeliver=f"{service}.redeliver")


def resay_queue(service: str) -> str:
    """The queue of what a service is asked to say again, and the routing key that leads there."""
    return f"{service}.{RESAY}"


def pulse_queue(service: str) -> str:
    """The queue that keeps nothing: what it has taken, a majority of its members has stored. Its routing key, too."""
    return f"{service}.{PULSE}"


def aside_queues(service: str) -> tuple[str, ...]:
    """The queues of what rests or is parked, which nobody consumes."""
    return (*(f"{service}.retry.{delay}" for delay in RETRY_DELAYS), f"{service}.{PARKED}")


def keeping_queues(service: Service) -> list[str]:
    """The queues that hold something that would be missed."""
    return [queue.name for queue in topology(service).queues if queue.name != pulse_queue(service.name)]


def _working_queue(service: str, name: str) -> Queue:
    arguments = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": retry_names(service).waiting,
        "x-dead-letter-routing-key": f"{PARKED}.{name}",
    }
    return Queue(name, arguments | _AT_LEAST_ONCE)


def _retry_queue(service: str, delay: str, milliseconds: int) -> Queue:
    arguments = {
        "x-queue-type": "quorum",
        "x-message-ttl": milliseconds,
        "x-dead-letter-exchange": retry_names(service).redeliver,
    }
    return Queue(f"{service}.retry.{delay}", arguments | _AT_LEAST_ONCE)


def _parked_queue(service: str) -> Queue:
    """Rejecting a parked message sends it back where it came from: its routing key still names its queue."""
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": LOOKING_LIMIT,
        "x-dead-letter-exchange": retry_names(service).redeliver,
    }
    return Queue(f"{service}.{PARKED}", arguments | _AT_LEAST_ONCE)


# Dead-lettering is safe only when the broker waits for the target's confirm, which it does for quorum queues
# that refuse publishes instead of dropping messages (RabbitMQ documentation, "Quorum Queues", dead-lettering).
_AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def _bindings(service: Service) -> Iterator[Binding]:
    names = retry_names(service.name)
    for step in service.listening:
        for event in step.hears:
            yield Binding(event.service, event.name, step.queue)
        yield Binding(names.redeliver, f"*.{step.queue}", step.queue)
    asks = resay_queue(service.name)
    yield Binding(ASKS, asks, asks)
    yield Binding(names.redeliver, f"*.{asks}", asks)
    pulse = pulse_queue(service.name)
    yield Binding(ASKS, pulse, pulse)
    for delay in RETRY_DELAYS:
        yield Binding(names.waiting, f"{delay}.#", f"{service.name}.retry.{delay}")
    yield Binding(names.waiting, f"{PARKED}.#", f"{service.name}.{PARKED}")
