"""The base of every event, and what all events of one saga carry."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

UserId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._@:-]+$", examples=["7"])]
"""Who asks: the `sub` of the bearer token."""

SeatId = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""A seat of the catalogue, as seat_svc numbers it."""

Points = Annotated[int, Field(ge=1, le=10**12)]
"""An amount or a price, in whole points."""

Reason = Annotated[str, Field(max_length=64, pattern=r"^[a-z]+(-[a-z]+)*$", examples=["insufficient-points"])]
"""Why something was refused or undone: a kebab-case word that programs may compare."""


TOLERANCE = timedelta(seconds=5)
"""How far the clocks of two services may be apart without anything being judged wrongly."""

OVERDUE_AFTER = 2 * TOLERANCE
"""How long after a deadline a clock may ask: the one who asks may be ahead, and the one who is asked behind."""

_OBJECT = TypeAdapter(dict[str, Any])

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes the body of one version out of the body of the version before."""

Downcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes the body of one version out of the body of the version after."""


def is_past(deadline: datetime, now: datetime) -> bool:
    """Whether a deadline has passed at `now`."""
    return now >= deadline


def overdue_at(deadline: datetime) -> datetime:
    """From when on every service finds that the deadline has passed."""
    return deadline + OVERDUE_AFTER


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


class Event(BaseModel):
    """Something that happened; immutable, complete by value, refused when malformed.

    A concrete event is named after its module and class (`point.Spent` is `point.spent`) and published by the
    service of that module, unless the class names another with `service=`. `version=` counts the changes of its
    schema; each older version has an upcaster. `says=` is the version that is published as long as not everybody reads
    the newest; each version above it has a downcaster. `end=True` declares that no step needs to hear it, because a
    saga may end there; with `told=True` one has to all the same, which tells somebody outside how it ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: ClassVar[str]
    service: ClassVar[str]
    saga: ClassVar[str]
    version: ClassVar[int]
    says: ClassVar[int]
    end: ClassVar[bool]
    mandatory: ClassVar[bool]
    """Whether a message that says it must reach a queue"""
    upcasters: ClassVar[dict[int, Upcaster]]
    downcasters: ClassVar[dict[int, Downcaster]]

    def __init_subclass__(
        cls,
        *,
        service: str | None = None,
        version: int = 1,
        says: int | None = None,
        end: bool = False,
        told: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        module = cls.__module__.rpartition(".")[2]
        cls.name = f"{module}.{_kebab(cls.__name__)}"
        cls.service = service or module
        cls.version = version
        cls.says = version if says is None else says
        cls.end = end
        cls.mandatory = told or not end
        cls.upcasters = {}
        cls.downcasters = {}

    @classmethod
    def read(cls, version: int, body: bytes | str) -> Self:
        """The event in a message body of any version that was ever published, lifted to the current one.

        Raises ValueError: a pydantic.ValidationError for a malformed body, or for a version that has no upcaster.
        """
        if version == cls.version:
            return cls.model_validate_json(body)
        if version not in cls.upcasters:
            known = ", ".join(map(str, [*sorted(cls.upcasters), cls.version]))
            raise ValueError(f"{cls.name} is known in version {known}, this is version {version}")
        values = _OBJECT.validate_json(body)
        for old in range(version, cls.version):
            values = cls.upcasters[old](values)
        return cls.model_validate_json(json.dumps(values))

    def written(self) -> str:
        """The body of the message that says this, in the version that is published."""
        body = self.model_dump_json()
        if self.says == self.version:
            return body
        values = _OBJECT.validate_json(body)
        for newer in range(self.version, self.says, -1):
            values = self.downcasters[newer](values)
        return json.dumps(values)

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


class Refund(Event):
    """An event of the saga that takes back a completed checkout; a payment may see several refunds, one at a time."""

    saga: ClassVar[str] = "refund"

    refund_id: UUID
    checkout_id: UUID
    payment_id: UUID
    user_id: UserId

    @property
    def saga_id(self) -> UUID:
        """The refund."""
        return self.refund_id


class Call(Event):
    """What a service calls out about the seats of a payment, whatever goes on for it: it does not know whose they are.

    It is kept with the hold of the payment.
    """

    saga: ClassVar[str] = "hold"

    payment_id: UUID

    @property
    def saga_id(self) -> UUID:
        """The payment, as of its hold."""
        return self.payment_id


class Timed(Event):
    """A request that nobody may act on after its deadline. Mixed into the events on the way to the pivot."""

    deadline: AwareDatetime

    def is_late(self, now: datetime) -> bool:
        """Whether the deadline has passed at `now`."""
        return is_past(self.deadline, now)


class Refusal(Event):
    """A step declined, so every step before it has to be undone. Mixed into the events that say so."""

    reason: Reason


def upcaster(event: type[Event], *, version: int) -> Callable[[Upcaster], Upcaster]:
    """Declare how a body of this version of `event` becomes one of the next."""

    def declare(lift: Upcaster) -> Upcaster:
        event.upcasters[version] = lift
        return lift

    return declare


def downcaster(event: type[Event], *, version: int) -> Callable[[Downcaster], Downcaster]:
    """Declare how a body of this version of `event` becomes one of the version before."""

    def declare(lower: Downcaster) -> Downcaster:
        event.downcasters[version] = lower
        return lower

    return declare
