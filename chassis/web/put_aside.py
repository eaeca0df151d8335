"""Put aside: messages that are parked or rest as operators see them, and what operators may ask for."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.broker.parked import Parked
from chassis.broker.retry import FIRST_FAILED, LAST_ERROR, attempts_in
from chassis.run.desk import MAX_ID, id_of

MAX_IDS = 200
"""As many as a body has room for, and as can be put back while a client waits"""

MAX_EVENTS = 50
"""More than any service says"""

EventName = Annotated[str, Field(min_length=1, max_length=64)]
MessageId = Annotated[str, Field(min_length=1, max_length=MAX_ID)]


class Aside(BaseModel):
    """A message that is put aside: `where` is parked, or how long it rests; `queue` is where it came from."""

    id: str
    where: str
    queue: str
    event: str | None
    saga_id: str | None
    attempt: int
    first_failed_at: str | None
    last_error: str | None
    parked_at: datetime | None
    """Known only of what the broker itself has parked"""

    @classmethod
    def of(cls, one: Parked) -> Self:
        """The message as it is shown."""
        return cls.model_validate(one.story() | _shown(one))


class Listed(BaseModel):
    """Messages that are put aside; `cut` says that there are more."""

    messages: list[Aside]
    cut: bool


class Told(Aside):
    """The same with all its headers and its body."""

    headers: dict[str, Any]
    body: str


class Redrive(BaseModel):
    """Which messages to put back, and how many in a second."""

    ids: list[MessageId] = Field(min_length=1, max_length=MAX_IDS, examples=[["put-aside"]])
    rate: float = Field(default=50, ge=1, le=1_000, examples=[50])


class Redriven(BaseModel):
    """What was put back, what is not there, and what is left because the time was over: ask for that again."""

    redriven: list[str]
    missing: list[str]
    left: list[str]


class Discard(BaseModel):
    """Why nobody needs a message."""

    reason: str = Field(min_length=1, max_length=500, examples=["made for a test"])


class Discarded(BaseModel):
    """How many messages with this id are gone for good."""

    id: str
    discarded: int


class Resay(BaseModel):
    """Which events are to be said again, all if none is named, and how far back; as far as is remembered, if null."""

    events: Annotated[list[EventName], Field(min_length=1, max_length=MAX_EVENTS)] | None = Field(
        default=None, examples=[None]
    )
    hours: float | None = Field(default=None, gt=0, allow_inf_nan=False, examples=[1])


class Resaid(BaseModel):
    """What is said again, from how many hours ago on."""

    events: list[str]
    hours: float


class Done(BaseModel):
    """What an operator did: to a message, which `subject` tells without its user, or to what was said."""

    operation_id: UUID
    at: datetime
    who: str
    action: str
    message_id: str | None
    reason: str | None
    subject: dict[str, Any]


class History(BaseModel):
    """What operators did, the latest first; `before` leads on, and is null at the end."""

    operations: list[Done]
    before: UUID | None


def _shown(one: Parked) -> dict[str, Any]:
    headers = one.message.headers
    return {
        "id": id_of(one),
        "where": one.where,
        "attempt": attempts_in(headers),
        "first_failed_at": _text(headers.get(FIRST_FAILED)),
        "last_error": _text(headers.get(LAST_ERROR)),
        "parked_at": _parked_at(one),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _parked_at(one: Parked) -> datetime | None:
    """When the broker has moved it from the queue of its step, if it was the broker."""
    deaths = one.message.headers.get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(latest, dict) or latest.get("queue") != one.queue:
        return None
    at = latest.get("time")
    return at if isinstance(at, datetime) else None
