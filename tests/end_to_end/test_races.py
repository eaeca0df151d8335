"""Many who want the same at once."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System


@pytest.mark.parametrize("count", [2, 10])
async def test_one_seat_goes_to_one_fan(system: System, catalogue: Catalogue, count: int) -> None:
    """Of fans who want one seat at once, one gets it and each of the others a clear refusal."""
    (seat_id,) = await catalogue.free()
    fans = [Fan(system) for _ in range(count)]

    answers = await asyncio.gather(*(fan.reserve([seat_id]) for fan in fans))

    states = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert Counter((state["status"], state["reason"]) for state in states) == {
        ("temp", None): 1,
        ("rejected", "seat-taken"): count - 1,
    }
    winner = next(UUID(state["payment_id"]) for state in states if state["status"] == "temp")
    assert await system.databases.value("seat", "SELECT holder FROM seat WHERE seat_id = $1", seat_id) == winner


async def test_overlapping_wishes_are_granted_whole_or_not(system: System, catalogue: Catalogue) -> None:
    """Of fans whose wishes overlap, nobody gets a part: each seat is held by a fan who has all that they wanted."""
    seat_ids = await catalogue.free(6)
    wishes = [(seat_ids * 2)[start : start + 3] for start in range(6)]
    wishes += [tuple(reversed(wish)) for wish in wishes]

    answers = await asyncio.gather(*(Fan(system).reserve(wish) for wish in wishes))

    states = [answer.json() for answer in answers]
    granted = {UUID(state["payment_id"]): state for state in states if state["status"] == "temp"}
    rows = await system.databases.rows(
        "seat", "SELECT seat_id, holder FROM seat WHERE seat_id = ANY($1::int[]) AND holder IS NOT NULL", seat_ids
    )
    held = Counter(row["holder"] for row in rows)
    assert held == dict.fromkeys(granted, 3)
    assert 1 <= len(granted) <= 2
    assert {state["reason"] for state in states if state["status"] != "temp"} == {"seat-taken"}


async def test_payment_is_checked_out_once(system: System, fan: Fan, hold: Hold) -> None:
    """Of two checkouts of one payment at once, one is accepted and the other is a conflict."""
    await fan.charge(2 * hold.total)

    answers = await asyncio.gather(fan.order(hold.payment_id), fan.order(hold.payment_id))

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    accepted = next(answer for answer in answers if answer.status_code == 202)
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["type"] in ("urn:problem:payment-processing", "urn:problem:payment-paid")
    assert (await fan.end_of(accepted.json()["checkout_id"]))["status"] == "completed"
    now = await standing(system, fan, hold)
    assert now.balance == hold.total
    assert [attempt.status for attempt in now.checkouts] == ["COMPLETED"]


async def test_one_wallet_pays_as_often_as_it_can(system: System, fan: Fan, catalogue: Catalogue) -> None:
    """Of 50 checkouts at once on a wallet that can pay 20, exactly 20 complete, and not a point is left or lost."""
    seat_ids = await catalogue.new_date(50)
    holds = await asyncio.gather(*(fan.hold(seat_id) for seat_id in seat_ids))
    await fan.charge(20 * CHEAP)

    answers = await asyncio.gather(*(fan.order(hold.payment_id, wait=30) for hold in holds))

    assert Counter((answer.json()["status"], answer.json()["reason"]) for answer in answers) == {
        ("completed", None): 20,
        ("failed", "insufficient-points"): 30,
    }
    assert await fan.balance() == 0
    history = await system.databases.rows(
        "point",
        "SELECT type, amount, balance_after FROM point_history WHERE user_id = $1 ORDER BY entry_id",
        fan.user_id,
    )
    assert Counter(entry["type"] for entry in history) == {"CHARGE": 1, "USE": 20}
    assert [entry["balance_after"] for entry in history] == [n * CHEAP for n in range(20, -1, -1)]
    states = await system.databases.rows(
        "seat", "SELECT status FROM seat WHERE seat_id = ANY($1::int[])", list(seat_ids)
    )
    assert Counter(row["status"] for row in states) == {"RESERVED": 20, "OCCUPIED": 30}


async def test_charges_at_once_add_up(fan: Fan) -> None:
    """Charges of one wallet at the same time are all in the balance, the one that opens it included."""
    balances = await asyncio.gather(*(fan.charge(1) for _ in range(20)))

    assert sorted(balances) == list(range(1, 21))
    assert await fan.balance() == 20


async def test_wallet_is_exact_while_everybody_moves_it(
    system: System, fan: Fan, catalogue: Catalogue, operator: Operator
) -> None:
    """Charges, spending and refunds of one wallet at the same time are all in its balance."""
    seat_ids = await catalogue.new_date(24)
    holds = await asyncio.gather(*(fan.hold(seat_id) for seat_id in seat_ids))
    withdrawn = seat_ids[::2]
    await asyncio.gather(*(operator.withdraw(seat_id) for seat_id in withdrawn))
    await fan.charge(24 * CHEAP)

    async def charge_again_and_again() -> None:
        for _ in range(40):
            await fan.charge(1)

    charging = asyncio.gather(*(charge_again_and_again() for _ in range(3)))
    answers = await asyncio.gather(*(fan.order(hold.payment_id, wait=30) for hold in holds))
    await charging

    assert Counter((answer.json()["status"], answer.json()["reason"]) for answer in answers) == {
        ("completed", None): 12,
        ("failed", "seat-withdrawn"): 12,
    }
    assert await fan.balance() == 12 * CHEAP + 120
    history = await system.databases.rows(
        "point", "SELECT type, amount, balance_after FROM point_history WHERE user_id = $1", fan.user_id
    )
    assert Counter(entry["type"] for entry in history) == {"CHARGE": 121, "USE": 24, "REFUND": 12}
    await asyncio.gather(*(operator.put_back(seat_id) for seat_id in withdrawn))
