"""The scheduler does what a person who reads its reports relies on."""

from dataclasses import replace

from contracts import checkout
from payment_svc.models import Checkout, CheckoutStatus
from tests.simulation.scenario import Safeguard, Scenario, Trouble, Wish
from tests.simulation.scheduler import Trace, replay, report, shrink, wander

ANN = Scenario({"ann": 100}, {1: 60}, (Wish("ann-1", (1,)),), tuple(Trouble), max_trouble=20)


def test_shrinking_leaves_what_matters() -> None:
    """What can be left out is left out, in whatever place it stands."""
    # given
    trace: Trace = tuple("abcdefghij")

    def fails(shorter: Trace) -> bool:
        return {"c", "h"} <= set(shorter)

    # when, then
    assert shrink(trace, fails) == ("c", "h")


def test_what_cannot_happen_does_not() -> None:
    """A name whose happening is missing its cause is passed over, so any part of a trace is a trace."""
    # when
    run = replay(ANN, ["ann-1 checks out", "ann-1 asks for seat 1"])
    # then
    assert run.trace == ("ann-1 asks for seat 1",)
    assert not run.violations


def test_a_report_is_a_test_to_keep() -> None:
    """The names in a report, replayed, end in the violation that it states."""
    # given
    unguarded = replace(ANN, without=frozenset({Safeguard.OUTBOX}))
    bad = next(run for run in (wander(unguarded, seed) for seed in range(100)) if run.violations)
    # when
    text = report(unguarded, bad, "a seed")
    kept = [line.strip(' ",') for line in text.splitlines() if line.startswith("    ")]
    # then
    violations = replay(unguarded, kept).violations
    assert violations
    assert all(violation in text for violation in violations)


def test_a_checkout_may_overtake_its_hold() -> None:
    """A payment can be paid before its hold is open; the checkout is refused then, and a later one is not."""
    # given
    scenario = replace(ANN, wishes=(Wish("ann-1", (1,), checkouts=2),))
    # when
    run = replay(
        scenario,
        [
            "ann-1 asks for seat 1",
            "deliver reservation.requested of ann-1 to seat.hold",
            "deliver seat.held of ann-1 to payment.publish",
            "ann-1 checks out",
            "deliver checkout.requested of ann-1/1 to point.spend",
            "deliver point.spent of ann-1/1 to reservation.confirm",
            "deliver reservation.rejected of ann-1/1 to point.refund",
            "deliver point.refunded of ann-1/1 to payment.close",
            "deliver payment.published of ann-1 to reservation.open",
            "ann-1 checks out",
        ],
    )
    # then
    assert not run.violations
    ends = {run.world.names[row.checkout_id]: (row.status, row.reason) for row in run.world.rows(Checkout)}
    assert ends == {"ann-1/1": (CheckoutStatus.FAILED, "not-held"), "ann-1/2": (CheckoutStatus.COMPLETED, None)}
    assert sum(isinstance(one.event, checkout.Requested) for one in run.world.envelopes.values()) == len(ends)
