"""The base of every event, and what all events of one saga carry."""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

UserId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._@:-]+$")]
"""Who asks: the `sub` of the bearer token."""

SeatId = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""A seat of the catalogue, as seat_svc numbers it."""

Points = Annotated[int, Field(ge=1, le=10**12)]
"""An amount or a price, in whole points."""

Reason = Annotated[str, Field(max_length=64, pattern=r"^[a-z]+(-[a-z]+)*$")]
"""Why something was refused or undone: a kebab-case word that programs may compare."""


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


class Event(BaseModel):
    """Something that happened; immutable, complete by value, refused when malformed.

    A concrete event is named after its module and class (`point.Spent` is `point.spent`) and published by the
    service of that module, unless the class names another with `service=`. `end=True` declares that no step
    needs to hear it, because a saga may end there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: ClassVar[str]
    service: ClassVar[str]
    saga: ClassVar[str]
    version: ClassVar[int] = 1
    end: ClassVar[bool] = False

    def __init_subclass__(cls, *, service: str | None = None, end: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        module = cls.__module__.rpartition(".")[2]
        cls.name = f"{module}.{_kebab(cls.__name__)}"
        cls.service = service or module
        cls.end = end

    @property
    def saga_id(self) -> UUID:
        """The id that every event of one saga shares."""
        raise NotImplementedError

    @classmethod
    def after(cls, cause: "Event", **values: Any) -> Self:
        """The event that follows `cause`: what both have in common is taken over, the rest is in `values`.

        Raises pydantic.ValidationError when something is missing or malformed.
        """
        known = type(cause).model_fields
        shared = {field: getattr(cause, field) for field in cls.model_fields if field in known}
        return cls(**(shared | values))


class Hold(Event):
    """An event of the saga that holds seats for a user; the saga is the payment that will pay for them."""

    saga: ClassVar[str] = "hold"

    payment_id: UUID
    user_id: UserId

    @property
    def saga_id(self) -> UUID:
        """The payment: a hold makes exactly one."""
        return self.payment_id


class Checkout(Event):
    """An event of the saga that pays for held seats; a payment may see several checkouts, one at a time."""

    saga: ClassVar[str] = "checkout"

    checkout_id: UUID
    payment_id: UUID
    user_id: UserId

    @property
    def saga_id(self) -> UUID:
        """The checkout."""
        return self.checkout_id


class Timed(Event):
    """A request that nobody may act on after its deadline. Mixed into the events on the way to the pivot."""

    deadline: AwareDatetime

    def is_late(self, now: datetime) -> bool:
        """Whether the deadline has passed at `now`."""
        return now >= self.deadline


class Refusal(Event):
    """A step declined, so every step before it has to be undone. Mixed into the events that say so."""

    reason: Reason
