"""Several fans who fight for one wallet and a few seats; chance decides what happens next.

`SIMULATION_SEEDS` in the environment says how many runs there are.
"""

import os
from dataclasses import replace

import pytest

from contracts import checkout, payment, point
from payment_svc.models import Checkout
from reservation_svc.models import Reservation
from tests.simulation.outside import STEPS
from tests.simulation.scenario import TECHNICAL, WORLDLY, Safeguard, Scenario, Trouble, Wish
from tests.simulation.scheduler import Run, replay, report, wander

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "200"))
ENOUGH = 100

# Ann has one wallet for four holds and can pay for two of them; seats 1, 2 and 3 are wanted by several fans; seat 4
# is over the limit of a payment, and seat 9 does not exist.
FIGHT = Scenario(
    points={"ann": 150, "bob": 90, "cid": 1000},
    prices={1: 60, 2: 70, 3: 80, 4: 500, 5: 50},
    wishes=(
        Wish("ann-1", (1,), checkouts=2),
        Wish("ann-2", (2,), checkouts=2),
        Wish("ann-3", (3,)),
        Wish("ann-4", (5,), checkouts=2),
        Wish("bob-1", (1, 2)),
        Wish("bob-2", (2,), checkouts=2),
        Wish("cid-1", (1, 4)),
        Wish("cid-2", (3, 9)),
        Wish("cid-3", (3,), checkouts=2),
    ),
    trouble=(*TECHNICAL, *WORLDLY, Trouble.REPLAY),
    max_trouble=15,
)

# Nothing in this world refuses a delivery for good, and no message gets lost, so that no clock has to ask.
NEVER_SAID = {payment.SendFailed.name, checkout.Overdue.name, point.Unspent.name}
REASONS = {
    "deadline-passed",
    "hold-expired",
    "insufficient-points",
    "not-held",
    "seat-taken",
    "seat-withdrawn",
    "total-over-limit",
    "unknown-seat",
}


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """One run for each seed."""
    return [wander(FIGHT, seed) for seed in range(SEEDS)]


def test_every_seed_ends_well(runs: list[Run]) -> None:
    """Whatever chance makes of many sagas at once, all invariants hold in the end."""
    bad = [(seed, run) for seed, run in enumerate(runs) if run.violations]
    assert not bad, report(FIGHT, bad[0][1], f"seed {bad[0][0]}, one of {len(bad)},")


@pytest.mark.skipif(SEEDS < ENOUGH, reason="too few seeds to see everything")
def test_the_seeds_see_everything(runs: list[Run]) -> None:
    """Every event is said in some run, and things are refused for every reason that the world has."""
    # given
    heard = {event.name for step in STEPS.values() for event in (*step.hears, *step.says)}
    # when
    said = {envelope.event.name for run in runs for envelope in run.world.envelopes.values()}
    reasons = {row.reason for run in runs for row in run.world.rows(Checkout)}
    reasons |= {row.reason for run in runs for row in run.world.rows(Reservation)}
    # then
    assert said == heard - NEVER_SAID
    assert reasons >= REASONS


def test_a_seed_means_the_same_run_each_time() -> None:
    """A seed can be looked at again, and so can the names of what happened."""
    # given
    first = wander(FIGHT, seed=7)
    # when
    again, replayed = wander(FIGHT, seed=7), replay(FIGHT, first.trace)
    # then
    assert again.trace == first.trace == replayed.trace
    assert again.world.fingerprint() == first.world.fingerprint() == replayed.world.fingerprint()


@pytest.mark.parametrize("safeguard", [Safeguard.INBOX, Safeguard.OUTBOX, Safeguard.ATOMIC_COMMIT])
def test_chance_finds_what_is_missing(safeguard: Safeguard) -> None:
    """Without one of the patterns of the frame, some seed ends badly.

    Without the inbox it takes some dozens: the steps guard themselves against most of what comes twice.
    """
    # given
    unguarded = replace(FIGHT, without=frozenset({safeguard}))
    # when
    ends = (wander(unguarded, seed) for seed in range(ENOUGH))
    # then
    assert any(run.violations for run in ends)
