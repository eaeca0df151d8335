"""One fan and every order of everything.

Each case is explored to its end: every order in which messages can be delivered, alone or in batches, crossed with
every way to add up to `max_trouble` troubles of the listed kinds, at any point, to any message. Wherever a run
comes to rest the invariants are asked, and once more after faults have stopped and all holds have ended.

The bounds: one or two holds of one or two seats by one or two fans, one or two checkouts of each, one or two refunds,
one or two troubles in all; those of two troubles look at the hold, at the checkout of an open hold and at the refund of
a completed checkout, each by itself. What needs more than that, only chance finds (`test_many_sagas`).
`make test` leaves the largest cases to `make chaos`.
"""

from dataclasses import replace

import pytest

from tests.simulation.scenario import TAKING_BACK, TECHNICAL, WORLDLY, Scenario, Trouble, Wish
from tests.simulation.scheduler import Trace, explore, report

ANY = (*TECHNICAL, *WORLDLY)
LOST = (Trouble.DISCARD, Trouble.OVERDUE)
RICH, POOR, FAIR, DEAR = {"ann": 100}, {"ann": 10}, {1: 60}, {1: 500}
MAX_WORLDS = 20_000
pytestmark = pytest.mark.timeout(300)  # thousands of worlds, beside other tests


def one(points: dict[str, int], prices: dict[int, int], checkouts: int, *trouble: Trouble, most: int) -> Scenario:
    """Ann wants all seats, and tries to pay for them so often."""
    return Scenario(points, prices, (Wish("ann-1", tuple(prices), checkouts),), trouble, most)


HELD = (
    "ann-1 asks for seat 1",
    "deliver reservation.requested of ann-1 to seat.hold",
    "deliver seat.held of ann-1 to payment.publish",
    "deliver payment.published of ann-1 to reservation.open",
)
BOUGHT = (
    *HELD,
    "ann-1 checks out",
    "deliver checkout.requested of ann-1/1 to point.spend",
    "deliver point.spent of ann-1/1 to reservation.confirm",
    "deliver reservation.confirmed of ann-1/1 to payment.pay",
    "deliver payment.paid of ann-1/1 to seat.reserve",
    "deliver seat.reserved of ann-1/1 to payment.complete",
)
TOLD = (*BOUGHT, "deliver checkout.completed of ann-1/1 to payment.send")
CHANGING = (*WORLDLY, *TAKING_BACK)
GIVING_UP = Wish("ann-1", (1,), checkouts=0, gives_up=True)
HESITANT = Wish("ann-1", (1,), gives_up=True)
SORRY = Wish("ann-1", (1,), refunds=1)


def of(wish: Wish, *trouble: Trouble, most: int) -> Scenario:
    """Ann, who has points enough, wants this and then no more."""
    return Scenario(RICH, FAIR, (wish,), trouble, most)


CASES: dict[str, tuple[Scenario, Trace]] = {
    "a hold": (one(RICH, FAIR, 0, *ANY, most=2), ()),
    "a hold over the limit of a payment": (one(RICH, DEAR, 0, *ANY, most=2), ()),
    "a checkout": (one(RICH, FAIR, 1, *ANY, most=2), HELD),
    "a checkout with too few points": (one(POOR, FAIR, 1, *ANY, most=2), HELD),
    "two checkouts in a changing world": (one(RICH, FAIR, 2, *WORLDLY, most=2), HELD),
    "a hold whose old messages come back": (one(RICH, FAIR, 0, *WORLDLY, Trouble.REPLAY, most=2), ()),
    "two checkouts whose old messages come back": (
        one(RICH, FAIR, 2, Trouble.WITHDRAW, Trouble.DEADLINE, Trouble.REPLAY, most=2),
        HELD,
    ),
    "a hold and two checkouts": (one(RICH, FAIR, 2, *ANY, most=1), ()),
    "a hold of two seats and its checkout": (one({"ann": 200}, {1: 60, 2: 70}, 1, *ANY, most=1), ()),
    "two fans who want one seat": (
        Scenario(
            RICH | {"bob": 100},
            FAIR,
            (Wish("ann-1", (1,)), Wish("bob-1", (1,))),
            (Trouble.WITHDRAW, Trouble.HOLDS_END, Trouble.OUTDATED_LOOK),
            1,
        ),
        (),
    ),
    "a hold whose messages get lost": (one(RICH, FAIR, 0, *LOST, Trouble.DUPLICATE, most=2), ()),
    "a hold over the limit of a payment whose messages get lost": (one(RICH, DEAR, 0, *LOST, most=2), ()),
    "a checkout whose messages get lost": (one(RICH, FAIR, 1, *LOST, Trouble.WITHDRAW, most=2), HELD),
    "a checkout with too few points whose messages get lost": (one(POOR, FAIR, 1, *LOST, most=2), HELD),
    "a checkout whose old messages come back when it was given up": (
        one(RICH, FAIR, 1, Trouble.OVERDUE, Trouble.REPLAY, Trouble.WITHDRAW, most=2),
        HELD,
    ),
    "two checkouts whose messages get lost": (one(RICH, FAIR, 2, *LOST, most=1), HELD),
    "a hold that is given back": (of(GIVING_UP, *TECHNICAL, *CHANGING, most=1), ()),
    "a hold that is given back whose old messages come back": (
        of(GIVING_UP, Trouble.CALL_OFF, Trouble.REPLAY, most=1),
        (),
    ),
    "a hold that is given back, or paid": (of(HESITANT, *TECHNICAL, *CHANGING, most=1), HELD),
    "a hold that is given back whose messages get lost": (of(GIVING_UP, *LOST, most=2), ()),
    "a checkout in a changing world": (of(Wish("ann-1", (1,)), *CHANGING, most=1), HELD),
    "a checkout of an evening that is called off": (
        of(Wish("ann-1", (1,)), Trouble.CALL_OFF, Trouble.DEADLINE, most=2),
        HELD,
    ),
    "a checkout of an evening that is called off, and trouble": (
        of(Wish("ann-1", (1,)), *TECHNICAL, Trouble.CALL_OFF, most=2),
        BOUGHT[:6],
    ),
    "a refund": (of(SORRY, *TECHNICAL, most=2), BOUGHT),
    "two refunds in a changing world": (of(replace(SORRY, operator_refunds=1), *CHANGING, most=1), BOUGHT),
    "a refund that is too late": (of(SORRY, *TAKING_BACK, Trouble.HOLDS_END, most=2), TOLD),
    "a refund whose messages get lost": (of(SORRY, *LOST, Trouble.CALL_OFF, most=2), TOLD),
    "a refund whose old messages come back": (of(SORRY, Trouble.EVENING, Trouble.REPLAY, most=2), TOLD),
    "a checkout that is called off and its messages get lost": (
        of(Wish("ann-1", (1,)), Trouble.DISCARD, Trouble.CALL_OFF, most=2),
        BOUGHT[:6],
    ),
    "a seat that is sold again": (
        Scenario(RICH | {"bob": 100}, FAIR, (SORRY, Wish("bob-1", (1,))), (Trouble.REVOKE, Trouble.REPLAY), 1),
        TOLD,
    ),
    "two seats of which one is withdrawn": (
        Scenario({"ann": 200}, {1: 60, 2: 70}, (Wish("ann-1", (1, 2)),), (Trouble.REVOKE,), 1),
        (),
    ),
    "two checkouts that share one wallet": (
        Scenario(RICH, {1: 60, 2: 70}, (Wish("ann-1", (1,)), Wish("ann-2", (2,))), (Trouble.DUPLICATE,), 1),
        (),
    ),
}


LARGEST = {
    "two fans who want one seat",
    "two checkouts in a changing world",
    "a hold and two checkouts",
    "a hold that is given back whose messages get lost",
    "a checkout whose old messages come back when it was given up",
    "a checkout of an evening that is called off, and trouble",
    "two checkouts that share one wallet",
}
"""More than half of all the time; only `make chaos` runs these"""


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.chaos] * (case in LARGEST)) for case in CASES])
def test_every_run_ends_well(case: str) -> None:
    """Whatever order and whatever trouble, within the bounds, all invariants hold in the end."""
    # given
    scenario, begun = CASES[case]
    # when
    exploration = explore(scenario, MAX_WORLDS, begun)
    # then
    assert exploration.found is None, report(scenario, exploration.found, case)
