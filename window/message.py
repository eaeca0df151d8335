"""Message: what the window has seen of one message on its way through the broker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Place(StrEnum):
    """Where a message was seen."""

    SAID = "said"
    """On the exchange of the service that said it"""
    RESTING = "resting"
    """On its way to a queue in which it waits for another attempt"""
    PARKED = "parked"
    """On its way to the queue of what needs a person"""
    BACK = "back"
    """On its way back to the step that it had failed at"""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, as it was seen; what is no event of ours has no saga."""

    number: int
    """Its place in the archive, which grows; 0 as long as it is not stored"""
    place: Place
    event_id: UUID
    saga_id: UUID | None
    event: str
    """The name, such as `point.spent`"""
    version: int
    service: str
    """Who has said it"""
    cause: UUID | None
    occurred_at: datetime
    seen_at: datetime
    step: str | None = None
    """The step that failed, unless it was just said"""
    attempt: int = 0
    """How often that step has failed with it"""
    delay: str | None = None
    """The name of the delay that it rests for"""
    error: str | None = None
    traceparent: str = ""
    headers: Mapping[str, str] | None = None
    body: str = "{}"
    """JSON, or whatever was in it"""
