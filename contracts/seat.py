"""What seat_svc says."""

from pydantic import BaseModel, ConfigDict

from contracts.event import Call, Checkout, Hold, Points, Reason, Refund, Refusal, SeatId, Timed


class PricedSeat(BaseModel):
    """A seat and what it costs, as seat_svc knows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seat_id: SeatId
    price: Points


class Held(Hold, Timed):
    """The seats are occupied in the name of the payment."""

    seats: tuple[PricedSeat, ...]


class HoldRejected(Hold, Refusal):
    """None of the seats was occupied."""


class Released(Hold):
    """Nothing is occupied in the name of the payment any more."""

    reason: Reason


class Reserved(Checkout):
    """The seats are sold: the point of no return. Said again when somebody asks."""

    amount: Points
    seat_ids: tuple[SeatId, ...]


class Rejected(Checkout, Refusal):
    """The seats could not be sold to this payment."""


class Revoked(Call):
    """The payment cannot keep its seats, held or sold, because of `reason`. Said again until it has none any more."""

    reason: Reason


class Vacated(Refund):
    """What was sold to the payment is nobody's any more: the point of no return of a refund."""

    seat_ids: tuple[SeatId, ...]
    reason: Reason


class Kept(Refund, Refusal):
    """The seats stay sold."""
