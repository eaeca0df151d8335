"""Endings: counts how sagas end and how long they take, at the service that shows them to the world."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import RFC_4122, UUID

from chassis.choreography.declaration import Service
from chassis.ids import made_at
from chassis.store.outbox import Outgoing
from chassis.telemetry import metrics

TIMED_VERSION = 7
"""The version of ids that know when they were made"""


class Endings:
    """Hears what a service commits, and counts the ends that it has declared with `shows`."""

    def __init__(self, sagas: Mapping[str, str]) -> None:
        self._sagas = sagas
        """The saga that an event may end, by the name of the event"""
        for end, saga in sagas.items():
            metrics.outcomes.labels(saga, end)  # so that a rate is 0 before the first one, and not unknown

    @classmethod
    def of(cls, service: Service) -> "Endings":
        """Those that a service shows."""
        return cls({event.name: event.saga for ends in service.resources.values() for event in ends})

    def hear(self, said: Sequence[Outgoing]) -> None:
        """Note what a transaction of this process has said."""
        for message in said:
            saga = self._sagas.get(message.routing_key)
            if saga is None:
                continue
            metrics.outcomes.labels(saga, message.routing_key).inc()
            if (lasted := _lasted(message)) is not None:
                metrics.saga_seconds.labels(saga, message.routing_key).observe(lasted.total_seconds())


def _lasted(end: Outgoing) -> timedelta | None:
    """How long a saga has taken, which its id knows; one that somebody else has named does not."""
    return end.occurred_at - made_at(end.saga_id) if _knows_its_beginning(end.saga_id) else None


def _knows_its_beginning(saga_id: UUID) -> bool:
    return saga_id.variant == RFC_4122 and saga_id.version == TIMED_VERSION
