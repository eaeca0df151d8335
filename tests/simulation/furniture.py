"""What there is in a world before anything happens: wallets, and seats of two evenings."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlmodel import SQLModel

from chassis.choreography.declaration import Service
from point_svc.models import Wallet
from point_svc.steps import service as point
from seat_svc.models import Concert, ConcertDate, Seat
from seat_svc.steps import service as seat
from tests.simulation.scenario import EVENING_IN, Scenario

MIDNIGHT = datetime(2027, 1, 1, tzinfo=UTC)
EVENINGS = (1, 2)


def furniture(scenario: Scenario) -> Iterator[tuple[Service, Sequence[SQLModel]]]:
    """The rows, with the service that has them, in an order in which they can be inserted."""
    for user_id, points in scenario.points.items():
        wallet = Wallet(user_id=user_id, balance=0)
        yield point, [wallet.charge(points), wallet]
    yield seat, [Concert(concert_id=1, title="")]
    begins = MIDNIGHT + EVENING_IN
    yield seat, [ConcertDate(date_id=evening, concert_id=1, starts_at=begins) for evening in EVENINGS]
    yield (
        seat,
        [
            Seat(seat_id=key, date_id=EVENINGS[key in scenario.second_evening], label="", price=price)
            for key, price in scenario.prices.items()
        ],
    )
