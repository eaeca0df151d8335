"""What point_svc does in a checkout."""

from datetime import datetime, timedelta

import pytest

from chassis import ContradictedError
from contracts import checkout, point, reservation
from point_svc.models import EntryType, PointHistory, Tombstone, Wallet
from point_svc.steps import refund, repay, spend
from tests.unit.examples import CHECKOUT_ID, DEADLINE, NOW, TOTAL, an


def a_wallet(balance: int) -> Wallet:
    """Ann's wallet."""
    return Wallet(user_id="ann", balance=balance)


def history(*kinds: EntryType, amount: int = TOTAL) -> list[PointHistory]:
    """What the checkout has moved so far."""
    return [
        PointHistory(user_id="ann", type=kind, amount=amount, balance_after=0, checkout_id=CHECKOUT_ID)
        for kind in kinds
    ]


@pytest.mark.parametrize("left", [0, 20])
def test_spend_takes_the_price_out_of_the_wallet(left: int) -> None:
    """Whoever has enough, to the last point, has spent it, and the history says so."""
    # given
    wallet = a_wallet(TOTAL + left)
    # when
    outcome = spend(an(checkout.Requested), [], wallet, None, NOW)
    # then
    assert isinstance(outcome, tuple)
    event, entry = outcome
    assert event == an(point.Spent)
    assert wallet.balance == left
    assert (entry.type, entry.amount, entry.balance_after) == (EntryType.USE, TOTAL, left)
    assert (entry.user_id, entry.checkout_id) == ("ann", CHECKOUT_ID)


@pytest.mark.parametrize("wallet", [None, a_wallet(0), a_wallet(TOTAL - 1)])
def test_spend_refuses_without_enough_points(wallet: Wallet | None) -> None:
    """One point too few is too few, and so is a wallet that was never opened."""
    # given
    before = wallet.balance if wallet else None
    # when
    outcome = spend(an(checkout.Requested), [], wallet, None, NOW)
    # then
    assert outcome == an(point.Rejected, reason="insufficient-points")
    assert (wallet.balance if wallet else None) == before


@pytest.mark.parametrize("now", [DEADLINE, DEADLINE + timedelta(days=1)])
def test_spend_refuses_after_the_deadline(now: datetime) -> None:
    """The deadline itself is too late."""
    # given
    wallet = a_wallet(TOTAL)
    # when
    outcome = spend(an(checkout.Requested), [], wallet, None, now)
    # then
    assert outcome == an(point.Rejected, reason="deadline-passed")
    assert wallet.balance == TOTAL


def test_spend_is_in_time_just_before_the_deadline() -> None:
    """A microsecond before the deadline is early enough."""
    # when
    outcome = spend(an(checkout.Requested), [], a_wallet(TOTAL), None, DEADLINE - timedelta(microseconds=1))
    # then
    assert isinstance(outcome, tuple)


@pytest.mark.parametrize("moved", [history(EntryType.USE), history(EntryType.USE, EntryType.REFUND)])
def test_spend_happens_once(moved: list[PointHistory]) -> None:
    """A checkout that has spent, or has even been refunded, does not spend again."""
    # given
    wallet = a_wallet(TOTAL)
    # when
    outcome = spend(an(checkout.Requested), moved, wallet, None, NOW)
    # then
    assert outcome is None
    assert wallet.balance == TOTAL


@pytest.mark.parametrize("lost", [an(reservation.Rejected), an(reservation.Reverted)], ids=lambda event: event.name)
def test_refund_puts_back_what_was_spent(lost: reservation.Rejected | reservation.Reverted) -> None:
    """The amount comes from the ledger, the reason from what was lost."""
    # given
    wallet = a_wallet(5)
    # when
    event, (entry,) = refund(lost, history(EntryType.USE, amount=99), [wallet], None)
    # then
    assert event == an(point.Refunded, amount=99, reason="some-reason")
    assert wallet.balance == 5 + 99
    assert isinstance(entry, PointHistory)
    assert (entry.type, entry.amount, entry.balance_after) == (EntryType.REFUND, 99, 104)
    assert entry.checkout_id == CHECKOUT_ID


def test_refund_happens_once_and_is_said_each_time() -> None:
    """What is back is back; whoever asks again hears it again, so that the way back goes on."""
    # given
    wallet = a_wallet(5)
    # when
    outcome = refund(an(reservation.Reverted), history(EntryType.USE, EntryType.REFUND), [wallet], None)
    # then
    assert outcome == (an(point.Refunded), [])
    assert wallet.balance == 5


def test_refund_of_what_was_never_spent_sees_to_it_that_it_never_is() -> None:
    """Where nothing is spent there is nothing to put back, and a spend that comes after it does nothing."""
    # when
    event, (tombstone,) = refund(an(reservation.Reverted), [], [], None)
    # then
    assert event == an(point.Unspent)
    assert isinstance(tombstone, Tombstone)
    assert tombstone.checkout_id == CHECKOUT_ID
    rich = a_wallet(TOTAL)
    assert spend(an(checkout.Requested), [], rich, tombstone, NOW) is None
    assert rich.balance == TOTAL


def test_refund_without_the_wallet_raises() -> None:
    """Points that were spent have to go somewhere: until the wallet is back, it is tried again."""
    with pytest.raises(LookupError, match="no wallet of whoever"):
        refund(an(reservation.Reverted), history(EntryType.USE), [], None)


def test_refund_goes_to_whoever_has_spent() -> None:
    """Whoever says another name is not believed, and nobody gets anything."""
    # given
    wallet = a_wallet(5)
    # when
    with pytest.raises(ContradictedError, match="another user_id"):
        refund(an(reservation.Reverted, user_id="eve"), history(EntryType.USE), [wallet], None)
    # then
    assert wallet.balance == 5


def test_refund_of_nothing_is_said_each_time() -> None:
    """One tombstone is enough."""
    known = Tombstone(checkout_id=CHECKOUT_ID)
    assert refund(an(reservation.Reverted), [], [], known) == (an(point.Unspent), [])


def test_refund_restores_what_was_before_spend() -> None:
    """Spend and refund together leave the balance as it was."""
    # given
    wallet = a_wallet(500)
    spent = spend(an(checkout.Requested), [], wallet, None, NOW)
    assert isinstance(spent, tuple)
    # when
    refund(an(reservation.Rejected), [spent[1]], [wallet], None)
    # then
    assert wallet.balance == 500


def test_repay_puts_back_what_the_checkout_had_spent() -> None:
    """Long after the checkout, and into the wallet that it came from."""
    # given
    wallet = a_wallet(5)
    # when
    event, (entry,) = repay(an(reservation.Cancelled), history(EntryType.USE), [wallet])
    # then
    assert event == an(point.Repaid)
    assert wallet.balance == 5 + TOTAL
    assert (entry.type, entry.amount, entry.balance_after) == (EntryType.REFUND, TOTAL, 5 + TOTAL)
    assert (entry.user_id, entry.checkout_id) == ("ann", CHECKOUT_ID)


def test_repay_happens_once_and_is_said_each_time() -> None:
    """The ledger knows that it is back; whoever asks again hears it again, so that the refund goes on."""
    # given
    wallet = a_wallet(5)
    # when
    outcome = repay(an(reservation.Cancelled), history(EntryType.USE, EntryType.REFUND), [wallet])
    # then
    assert outcome == (an(point.Repaid), [])
    assert wallet.balance == 5


@pytest.mark.parametrize(
    ("cancelled", "moved"),
    [
        (an(reservation.Cancelled), []),
        (an(reservation.Cancelled), history(EntryType.REFUND)),
        (an(reservation.Cancelled, amount=TOTAL + 1), history(EntryType.USE)),
        (an(reservation.Cancelled, user_id="eve"), history(EntryType.USE)),
    ],
)
def test_repay_does_not_believe_what_contradicts_the_ledger(
    cancelled: reservation.Cancelled, moved: list[PointHistory]
) -> None:
    """Only what was spent comes back, all of it, and to whoever has spent it."""
    # given
    wallet = a_wallet(5)
    # when
    with pytest.raises(ContradictedError):
        repay(cancelled, moved, [wallet])
    # then
    assert wallet.balance == 5


def test_repay_without_the_wallet_raises() -> None:
    """Points have to go somewhere: until the wallet is back, it is tried again."""
    with pytest.raises(LookupError, match="no wallet of whoever"):
        repay(an(reservation.Cancelled), history(EntryType.USE), [])


def test_a_charge_is_written_down() -> None:
    """Charging points is the one movement that no checkout owns."""
    # given
    wallet = a_wallet(5)
    # when
    entry = wallet.charge(10)
    # then
    assert wallet.balance == 15
    assert (entry.type, entry.amount, entry.balance_after, entry.checkout_id) == (EntryType.CHARGE, 10, 15, None)
