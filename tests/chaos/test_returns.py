"""Tickets and holds are given back to the end, whoever dies meanwhile."""

import pytest

from tests.chaos import brokers, servers
from tests.chaos.crashes import killed_in_turn
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS
from tests.chaos.shoppers import REFUNDS

pytestmark = pytest.mark.chaos

HOLDS = ("change mind", "buy", "change mind", "forget")
WITHDRAWN = ("withdrawn", "buy")

_TOO_LATE = "SELECT count(*) FROM refund WHERE status = 'FAILED' AND reason = 'too-late'"
_GIVEN_BACK = "SELECT count(*) FROM reservation WHERE status = 'CANCELLED' AND reason = 'given-up'"


@pytest.mark.parametrize("service", ["payment", "seat", "reservation", "point"])
async def test_refunds_survive_the_death_of_a_service(drill: Drill, service: str) -> None:
    """What was asked for is given back once, or refused; nothing is left in between."""
    before = await _count(drill, "payment", _TOO_LATE)

    await drill.run(f"refunds: kill -9 of {service}_svc", killed_in_turn(service, service), ways=REFUNDS)

    assert drill.ledger.rows[-1].refunded, "nobody was refunded"
    assert await _count(drill, "payment", _TOO_LATE) > before, "nobody was too late"


async def test_refunds_survive_the_death_of_the_broker(drill: Drill) -> None:
    """Every service gets over it in the same process."""
    await drill.run("refunds: broker kill -9", brokers.killed, ways=REFUNDS, spares=PROGRAMS)

    assert drill.ledger.rows[-1].refunded, "nobody was refunded"


async def test_refunds_survive_the_death_of_the_database(drill: Drill) -> None:
    """Every service gets over it in the same process."""
    await drill.run("refunds: database kill -9", servers.killed, ways=REFUNDS, spares=PROGRAMS)

    assert drill.ledger.rows[-1].refunded, "nobody was refunded"


async def test_holds_are_given_back_whoever_dies(drill: Drill) -> None:
    """Nobody has seats of a hold that was given back, and its payment cannot be paid."""
    before = await _count(drill, "reservation", _GIVEN_BACK)
    fault = killed_in_turn("seat", "reservation", "seat", "reservation")

    await drill.run("holds given back: kill -9 of seat_svc and reservation_svc", fault, ways=HOLDS)

    assert await _count(drill, "reservation", _GIVEN_BACK) > before, "nobody gave a hold back"


async def test_withdrawn_seats_are_refunded_whoever_dies(drill: Drill) -> None:
    """Whoever had bought a seat that is withdrawn has the points back."""
    fault = killed_in_turn("seat", "payment", "seat", "payment")

    await drill.run("sold seats withdrawn: kill -9 of seat_svc and payment_svc", fault, ways=WITHDRAWN)

    assert drill.ledger.rows[-1].refunded, "nobody was refunded"


async def _count(drill: Drill, service: str, query: str) -> int:
    return int(await drill.site.system.databases.value(service, query))
