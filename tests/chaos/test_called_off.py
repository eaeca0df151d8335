"""Evenings are called off to their end, whoever dies meanwhile, and whoever buys for another one does not notice."""

import pytest

from tests.chaos import evenings, purchases
from tests.chaos.drill import Drill
from tests.chaos.payers import Payers

SEATS = 10_000
RATE = 50.0
"""Checkouts a second for other evenings"""
BESIDE = 9_000
WITHIN = 600.0

pytestmark = pytest.mark.chaos


async def test_called_off_evening_is_refunded_by_whoever_comes_after_a_death(drill: Drill) -> None:
    """What is left to tell stands in the rows, and the next process of seat_svc goes on with it."""
    await drill.run("evening called off, kill -9 of who tells", evenings.called_off_and_killed)


@pytest.mark.timeout(1800)
async def test_ten_thousand_sold_seats_are_refunded_once(drill: Drill) -> None:
    """While fifty checkouts a second go on for other evenings, and each service is killed."""
    site = drill.site
    evening = await evenings.sold_out(site, SEATS)
    beside = await purchases.held(site, await site.catalogue.new_date(BESIDE))

    await drill.run(
        f"evening of {SEATS:,} sold seats called off, kill -9 of each service",
        evenings.called_off(evening, WITHIN, drill.ledger.notes.append),
        load=Payers(site, RATE, beside),
    )
