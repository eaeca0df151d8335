"""Evenings are called off to their end, whoever dies meanwhile, and whoever buys for another one does not notice."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from tests.chaos import evenings, purchases
from tests.chaos.drill import Drill
from tests.chaos.payers import Payers
from tests.chaos.purchases import Purchase
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan

SEATS = 10_000
RATE = 50.0
"""Checkouts a second for other evenings"""
BESIDE = 9_000
WITHIN = 600.0

TABLES = {
    "point": {"wallet": "user_id", "point_history": "user_id"},
    "reservation": {"reservation": "payment_id"},
    "payment": {"payment": "payment_id", "checkout": "payment_id", "delivery": "payment_id"},
    "seat": {"seat": "holder"},
}
"""Where a purchase is found, and by what"""
OWN = ("user_id", "seat_id", "seats", "label")
"""What is different in each purchase"""

pytestmark = pytest.mark.chaos


async def test_purchase_that_is_written_is_like_one_that_was_made(site: Site) -> None:
    """In everything but ids and times, in the databases and at the platform."""
    one, other = await site.catalogue.new_date(2)
    fan = Fan(site.system)
    hold = await fan.hold(one)
    await fan.charge(hold.total)
    checkout_id = await fan.begin(hold)
    await fan.end_of(checkout_id)
    delivered = await site.platform.delivered(checkout_id)

    (written,) = await purchases.sold(site, [other])

    made = Purchase(fan, (one,), hold.payment_id, checkout_id)
    wanted = await eventually(lambda: _looks(site, made), lambda seen: seen["delivery"])
    assert await _looks(site, written) == wanted
    told = await site.platform.delivered(written.checkout_id or UUID(int=0))
    assert _keys(told) == _keys(delivered)


async def _looks(site: Site, purchase: Purchase) -> dict[str, list[dict[str, Any]]]:
    """The rows of a purchase, with the kind of a value where that is its own."""
    found = {}
    for service, tables in TABLES.items():
        for table, column in tables.items():
            key = purchase.fan.user_id if column == "user_id" else purchase.payment_id
            query = f"SELECT * FROM {table} WHERE {column} = $1"  # noqa: S608  # names from the code
            rows = await site.system.databases.rows(service, query, key)
            found[table] = sorted(({name: _kind(name, row[name]) for name in row} for row in rows), key=str)
    return found


def _kind(name: str, value: object) -> object:
    return type(value).__name__ if name in OWN or isinstance(value, datetime | UUID) else value


def _keys(delivery: dict[str, Any]) -> tuple[str, list[str]]:
    body = json.loads(delivery["body"])
    return body["type"], sorted(body["data"])


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
