"""Ways to make a step of the checkout refuse: what is changed behind its back, and what it says then."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.choreography import way_back, way_out
from tests.end_to_end.fan import Hold
from tests.end_to_end.system import System

HEARS = way_out()
"""The steps on the way to the pivot, and what each of them hears."""


def saga(step: str) -> list[str]:
    """All that is said in a checkout that this step refuses."""
    steps = list(HEARS)
    return [HEARS[one] for one in steps[: steps.index(step) + 1]] + way_back(step)


@dataclass(frozen=True)
class Refusal:
    """A change of the rows of a step, as the SET clause of an UPDATE, and the one that takes it back."""

    step: str
    reason: str
    spoil: str
    mend: str

    def __str__(self) -> str:
        return f"{self.step}-{self.reason}"

    @contextlib.asynccontextmanager
    async def spoiling(self, system: System, hold: Hold) -> AsyncIterator[None]:
        """The rows of a hold are changed while the context lasts."""
        await self._change(system, hold, self.spoil)
        try:
            yield
        finally:
            await self._change(system, hold, self.mend.format(payment_id=hold.payment_id))

    async def _change(self, system: System, hold: Hold, values: str) -> None:
        table, where, key = {
            "reservation": ("reservation", "payment_id = $1", hold.payment_id),
            "payment": ("payment", "payment_id = $1", hold.payment_id),
            "seat": ("seat", "abs(seat_id) = ANY($1::int[])", list(hold.seat_ids)),
        }[self.service]
        await system.databases.change(self.service, f"UPDATE {table} SET {values} WHERE {where}", key)  # noqa: S608

    @property
    def service(self) -> str:
        """The service of the step."""
        return self.step.partition(".")[0]


FOREIGN, OWN = "user_id = 'x' || user_id", "user_id = substr(user_id, 2)"
STRANGE_ID = "'01890000-0000-7000-8000-000000000000'"

REFUSALS = [
    Refusal("reservation.confirm", "wrong-amount", "price = price + 1", "price = price - 1"),
    Refusal("reservation.confirm", "foreign-reservation", FOREIGN, OWN),
    Refusal(
        "reservation.confirm",
        "already-confirmed",
        f"status = 'CONFIRMED', checkout_id = {STRANGE_ID}",
        "status = 'TEMP', checkout_id = NULL",
    ),
    Refusal("reservation.confirm", "not-held", "status = 'CANCELLED'", "status = 'TEMP'"),
    Refusal("payment.pay", "wrong-amount", "total_price = total_price - 1", "total_price = total_price + 1"),
    Refusal("payment.pay", "wrong-seats", "seats = seats || ' 0'", "seats = replace(seats, ' 0', '')"),
    Refusal("payment.pay", "unknown-payment", FOREIGN, OWN),
    Refusal(
        "payment.pay",
        "payment-not-locked",
        f"checkout_id = {STRANGE_ID}",
        "status = 'PUBLISHED', checkout_id = NULL",
    ),
    Refusal("seat.reserve", "wrong-amount", "price = price + 1", "price = price - 1"),
    Refusal("seat.reserve", "seat-lost", f"holder = {STRANGE_ID}", "holder = '{payment_id}'"),
    Refusal("seat.reserve", "unknown-seat", "seat_id = -seat_id", "seat_id = -seat_id"),
]
