"""What the user of a service may do at the broker, derived from its steps, and how much of it.

It configures what it declares and nothing else. It says its own events and no others. It hears the events that its
steps hear: who may read an exchange may bind a queue to it with `#`, so the routing keys are limited as well (RabbitMQ
documentation, "Topic Authorisation").
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chassis.choreography.declaration import Service
from chassis.choreography.topology import ASKS, RESAY, news_key, pulse_queue, resay_queue, topology
from contracts.event import Event

USER_LIMITS = {"max-connections": 64, "max-channels": 1024}
"""A process has two connections, one more while an operator looks at what is put aside, and a channel for each step;
those that a cut network left stay for a moment"""
VHOST_LIMITS = {"max-connections": 1024, "max-queues": 512}
MAX_MESSAGE_BYTES = 256 << 10
"""The broker refuses a larger message; an event has a thousand"""
MAX_CHANNELS = 64
"""How many channels one connection may have"""
NOTHING = "^$"


@dataclass(frozen=True)
class Permissions:
    """What a service's broker user may configure, write and read, as RabbitMQ's regular expressions."""

    configure: str
    write: str
    read: str


@dataclass(frozen=True)
class TopicPermissions:
    """With which routing keys a service may publish to a topic exchange, and bind a queue to it."""

    exchange: str
    write: str
    read: str


def permissions(service: Service) -> Permissions:
    """A service writes to what is its own, reads from the exchanges whose events it hears, and may ask.

    Each of its processes has a queue of news with a name of its own.
    """
    declares = topology(service)
    names = [*(one.name for one in declares.exchanges), *(one.name for one in declares.queues)]
    exact = "|".join(map(re.escape, names))
    news = rf"{re.escape(news_key(service.name))}\.[0-9a-f-]{{36}}"
    own, asks = re.escape(service.name), re.escape(ASKS)
    heard = "".join(f"|{re.escape(exchange)}" for exchange in sorted(_heard(service)))
    return Permissions(
        configure=rf"^({exact}|{news})$", write=rf"^({own}(\..*)?|{asks})$", read=rf"^({own}\..*|{asks}{heard})$"
    )


def topic_permissions(service: Service) -> list[TopicPermissions]:
    """The routing keys of a service on each exchange that it has to do with: any service may be asked."""
    own = "|".join(re.escape(key(service.name)) for key in (news_key, pulse_queue))
    asks = TopicPermissions(
        ASKS, write=rf"^([^.]+\.{RESAY}|{own})$", read=rf"^({re.escape(resay_queue(service.name))}|{own})$"
    )
    says, heard = _names(event for step in service.steps for event in step.says), _heard(service)
    return [
        asks,
        *(
            TopicPermissions(
                exchange,
                write=says if exchange == service.name else NOTHING,
                read=_names(heard.get(exchange, ())),
            )
            for exchange in sorted({service.name, *heard})
        ),
    ]


def _heard(service: Service) -> dict[str, list[type[Event]]]:
    """The events that the steps of a service hear, by their exchange."""
    heard: dict[str, list[type[Event]]] = {}
    for step in service.listening:
        for event in step.hears:
            heard.setdefault(event.service, []).append(event)
    return heard


def _names(events: Iterable[type[Event]]) -> str:
    """The pattern of the routing keys of some events."""
    names = sorted({re.escape(event.name) for event in events})
    return f"^({'|'.join(names)})$" if names else NOTHING
