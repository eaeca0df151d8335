"""Nothing waits without a clock: what was parked and thrown away is noticed, and everything comes back or goes on."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from payment_svc.models import Checkout, CheckoutStatus
from point_svc.models import Wallet
from reservation_svc.models import Reservation, Status
from tests.simulation.scenario import Safeguard, Scenario, Trouble, Wish
from tests.simulation.scheduler import Run, replay, wander
from tests.simulation.test_many_sagas import ENOUGH, FIGHT
from tests.simulation.test_one_saga import HELD

ANN = Scenario({"ann": 100}, {1: 60}, (Wish("ann-1", (1,)),), (Trouble.DISCARD, Trouble.OVERDUE), max_trouble=9)
LOSING = replace(FIGHT, trouble=(*FIGHT.trouble, Trouble.DISCARD, Trouble.OVERDUE))

OUT = (
    "ann-1 checks out",
    "deliver checkout.requested of ann-1/1 to point.spend",
    "deliver point.spent of ann-1/1 to reservation.confirm",
    "deliver reservation.confirmed of ann-1/1 to payment.pay",
    "deliver payment.paid of ann-1/1 to seat.reserve",
    "deliver seat.reserved of ann-1/1 to payment.complete",
)
LOSSES = range(1, len(OUT))


def losing(place: int) -> Run:
    """Ann's hold and her checkout, in which the message is lost that would be heard there."""
    lost = OUT[place].replace("deliver", Trouble.DISCARD)
    return replay(ANN, [*HELD, *OUT[:place], lost])


def ends(run: Run) -> Sequence[tuple[CheckoutStatus, str | None]]:
    """How the checkouts ended."""
    return [(row.status, row.reason) for row in run.world.rows(Checkout)]


@pytest.mark.parametrize("place", LOSSES)
def test_checkout_whose_message_is_lost_ends(place: int) -> None:
    """Before the sale it fails, and everything is back; after the sale it completes."""
    # when
    run = losing(place)
    # then
    is_sold = "seat.reserved" in OUT[place]
    assert not run.violations
    expected = (CheckoutStatus.COMPLETED, None) if is_sold else (CheckoutStatus.FAILED, "deadline-passed")
    assert ends(run) == [expected]
    assert run.world.rows(Wallet)[0].balance == (40 if is_sold else 100)


@pytest.mark.parametrize("place", LOSSES)
def test_checkout_whose_message_is_lost_would_wait_for_ever(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its clock it stays pending, whatever else may happen."""
    # given
    monkeypatch.setitem(globals(), "ANN", replace(ANN, without=frozenset({Safeguard.CLOCK})))
    # when
    run = losing(place)
    # then
    assert any(violation.startswith("I4") for violation in run.violations)


@pytest.mark.parametrize("place", range(1, len(HELD)))
def test_hold_whose_message_is_lost_is_given_back(place: int) -> None:
    """The seats are free again, and the fan is told."""
    # when
    run = replay(ANN, [*HELD[:place], HELD[place].replace("deliver", Trouble.DISCARD)])
    # then
    assert not run.violations
    assert [(row.status, row.reason) for row in run.world.rows(Reservation)] == [(Status.EXPIRED, "deadline-passed")]


def test_what_is_put_back_too_late_changes_nothing() -> None:
    """Every message of the way out, delivered after the clock has asked and everything is undone, does nothing."""
    for place in LOSSES[:-1]:
        undone = [*HELD, *OUT[:place], str(Trouble.OVERDUE), "ann-1/1 is asked about"]
        undone += ["deliver checkout.overdue of ann-1/1 to seat.decide"]
        undone += ["deliver seat.rejected of ann-1/1 to payment.revert"]
        undone += ["deliver payment.reverted of ann-1/1 to reservation.revert"]
        undone += ["deliver reservation.reverted of ann-1/1 to point.refund"]
        # when
        run = replay(ANN, [*undone, OUT[place]])
        # then
        assert run.trace[-1] == OUT[place]
        assert not run.violations
        assert ends(run) == [(CheckoutStatus.FAILED, "deadline-passed")]


def test_every_seed_ends_well_though_messages_are_lost() -> None:
    """Whatever chance takes away from many sagas at once, all invariants hold in the end, and clocks have asked."""
    # when
    runs = [wander(LOSING, seed) for seed in range(ENOUGH)]
    # then
    assert [(seed, run.violations) for seed, run in enumerate(runs) if run.violations] == []
    said = {envelope.event.name for run in runs for envelope in run.world.envelopes.values()}
    assert said >= {"checkout.overdue", "point.unspent"}
