"""Several fans who fight for one wallet and a few seats; chance decides what happens next.

`SIMULATION_SEEDS` in the environment says how many runs there are; `make chaos` asks for five times as many as
`make test`, some 100,000 sagas. All processors take part.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context

import pytest

from contracts import payment
from payment_svc.models import Checkout, Refund
from reservation_svc.models import Reservation
from tests.simulation.conftest import LOOKING, be_quiet_and_nice
from tests.simulation.outside import STEPS
from tests.simulation.scenario import SIDE_BY_SIDE, TAKING_BACK, TECHNICAL, WORLDLY, Safeguard, Scenario, Trouble, Wish
from tests.simulation.scheduler import replay, report, wander

USUAL_SEEDS, USUAL_SAGAS = 1_500, 20_000
SEEDS = int(os.environ.get("SIMULATION_SEEDS", USUAL_SEEDS))
ENOUGH, SOME = 100, 25
AT_ONCE = 50
PATIENCE = 1800
"""Seconds: whoever else runs has the processors first"""

# Ann has one wallet for four holds and can pay for two of them; seats 1, 2 and 3 are wanted by several fans; seat 4
# is over the limit of a payment, seat 9 does not exist, and seat 6 is of another evening.
FIGHT = Scenario(
    points={"ann": 150, "bob": 90, "cid": 1000},
    prices={1: 60, 2: 70, 3: 80, 4: 500, 5: 50, 6: 40},
    wishes=(
        Wish("ann-1", (1,), checkouts=2, refunds=1),
        Wish("ann-2", (2,), checkouts=2, gives_up=True),
        Wish("ann-3", (3,)),
        Wish("ann-4", (5,), checkouts=2),
        Wish("bob-1", (1, 2), gives_up=True, refunds=1, operator_refunds=1),
        Wish("bob-2", (2,), checkouts=2, operator_refunds=2),
        Wish("cid-1", (1, 4)),
        Wish("cid-2", (3, 9)),
        Wish("cid-3", (3,), checkouts=2, gives_up=True, refunds=2),
        Wish("cid-4", (5, 6)),
        Wish("cid-5", (6,), refunds=1),
    ),
    trouble=(*TECHNICAL, *WORLDLY, *TAKING_BACK, Trouble.REPLAY),
    max_trouble=15,
    second_evening=frozenset({6}),
)

# Nothing in these worlds refuses a delivery for good.
REFUSED = (payment.SendFailed, payment.RefundSendFailed, payment.FailureSendFailed, payment.ClosureSendFailed)
NEVER_SAID = {event.name for event in REFUSED}
REASONS = {
    "called-off",
    "deadline-passed",
    "evening-begun",
    "given-up",
    "hold-expired",
    "insufficient-points",
    "not-held",
    "seat-taken",
    "seat-withdrawn",
    "several-evenings",
    "too-late",
    "total-over-limit",
    "unknown-seat",
}


# The same with replicas that are in the middle of something, and may be killed there.
CROWDED_FIGHT = replace(FIGHT, trouble=(*FIGHT.trouble, *SIDE_BY_SIDE), overlap=3)
# The same, and messages get lost, so that clocks have to ask.
LOSSY_FIGHT = replace(FIGHT, trouble=(*FIGHT.trouble, Trouble.DISCARD, Trouble.OVERDUE))
# The same, and clocks differ by almost as much as is tolerated.
SKEWED_FIGHT = replace(LOSSY_FIGHT, skew={"point": timedelta(seconds=2), "reservation": timedelta(seconds=-2.5)})
FIGHTS = (FIGHT, CROWDED_FIGHT, LOSSY_FIGHT, SKEWED_FIGHT)
ASTRAY = timedelta(minutes=5)


@dataclass(frozen=True)
class Seen:
    """What came of one seed."""

    seed: int
    violations: tuple[str, ...]
    sagas: int
    said: frozenset[str]
    reasons: frozenset[str | None]


def scenario_of(seed: int) -> Scenario:
    """The seeds are shared out among the worlds."""
    return FIGHTS[seed % len(FIGHTS)]


def look(seed: int) -> Seen:
    """Let a seed decide, and see what is worth knowing of it."""
    run = wander(scenario_of(seed), seed)
    events = [envelope.event for envelope in run.world.envelopes.values()]
    resources = run.world.rows(Checkout), run.world.rows(Reservation), run.world.rows(Refund)
    reasons = {row.reason for rows in resources for row in rows}
    sagas = len({event.saga_id for event in events})
    return Seen(seed, run.violations, sagas, frozenset(event.name for event in events), frozenset(reasons))


def begin() -> tuple[ProcessPoolExecutor, Iterable[Seen]]:
    """Have all processors look at the seeds, while other tests wait for something; those always go first."""
    with pytest.MonkeyPatch.context() as patch:
        # To measure which lines are run would take longer than to run them.
        for variable in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
            patch.delenv(variable, raising=False)
        processes = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), be_quiet_and_nice)
        return processes, processes.map(look, range(SEEDS), chunksize=AT_ONCE)


@pytest.fixture(scope="module")
def every_seed(pytestconfig: pytest.Config) -> list[Seen]:
    """What came of each seed."""
    if LOOKING not in pytestconfig.stash:
        pytestconfig.stash[LOOKING] = begin()
    _, looks = pytestconfig.stash[LOOKING]
    return list(looks)


@pytest.mark.timeout(PATIENCE)
def test_every_seed_ends_well(every_seed: list[Seen]) -> None:
    """Whatever chance makes of many sagas at once, all invariants hold in the end."""
    bad = [one.seed for one in every_seed if one.violations]
    assert not bad, report(
        scenario_of(bad[0]), wander(scenario_of(bad[0]), bad[0]), f"seed {bad[0]}, one of {len(bad)},"
    )
    assert sum(one.sagas for one in every_seed) >= USUAL_SAGAS * SEEDS / USUAL_SEEDS


@pytest.mark.skipif(SEEDS < ENOUGH, reason="too few seeds to see everything")
@pytest.mark.timeout(PATIENCE)
def test_the_seeds_see_everything(every_seed: list[Seen]) -> None:
    """Every event is said in some run, and things are refused for every reason that the world has."""
    heard = {event.name for step in STEPS.values() for event in (*step.hears, *step.says)}

    assert {name for one in every_seed for name in one.said} == heard - NEVER_SAID
    assert {reason for one in every_seed for reason in one.reasons} >= REASONS


def test_a_seed_means_the_same_run_each_time() -> None:
    """A seed can be looked at again, and so can the names of what happened."""
    # given
    first = wander(FIGHT, seed=7)
    # when
    again, replayed = wander(FIGHT, seed=7), replay(FIGHT, first.trace)
    # then
    assert again.trace == first.trace == replayed.trace
    assert again.world.fingerprint() == first.world.fingerprint() == replayed.world.fingerprint()


@pytest.mark.parametrize("service", ["point", "reservation", "payment", "seat"])
@pytest.mark.parametrize("astray", [ASTRAY, -ASTRAY], ids=["ahead", "behind"])
def test_clock_that_is_far_astray_breaks_nothing(service: str, astray: timedelta) -> None:
    """Whatever it has refused or let through too late, all invariants hold in the end."""
    lost = replace(LOSSY_FIGHT, skew={service: astray})
    bad = [run.violations for run in (wander(lost, seed) for seed in range(SOME)) if run.violations]
    assert not bad, bad[0]


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
