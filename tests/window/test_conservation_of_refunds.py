"""What a refund moves is judged by events alone."""

from dataclasses import replace
from datetime import timedelta

from tests.window.judging import broken, facts, judged, reworded
from tests.window.sagas import BEGUN, checkout, named, refund


def test_a_refund_gives_back_what_it_repays() -> None:
    """Nothing else moved, and its seats are nobody's."""
    messages = refund(seats=(3,), amount=40)
    found = facts(messages)
    assert (found.repaid, found.given_back, found.spent, found.paid) == (40, 40, 0, 0)
    assert (found.completed, found.delivered, found.holder) == (1, 1, named("payment of one"))
    assert (found.seats, found.released_at) == ((), messages[1].occurred_at)
    assert found.is_whole


def test_a_refund_that_was_called_for_is_whole() -> None:
    """What called for it belongs to the hold."""
    assert facts(refund(revoked="called-off")).is_whole


def test_a_refused_refund_moves_nothing() -> None:
    """The sale stands."""
    found = facts(refund(kept="too-late"))
    assert (found.repaid, found.given_back, found.released_at) == (0, 0, None)


def test_a_refund_that_repays_another_amount_is_found() -> None:
    """Something was made."""
    wrong = reworded(refund(), "refund.completed", "300", "299")
    findings = judged(checkout(), wrong)
    assert broken(findings) == ["points"]
    assert findings["points"].sagas == (named("back"),)


def test_a_payment_that_is_given_back_twice_is_found() -> None:
    """Whichever refund came second."""
    findings = judged(checkout(), refund(), refund(name="once more", begun_at=BEGUN + timedelta(minutes=2)))
    assert broken(findings) == ["points"]
    assert findings["points"].sagas == (named("once more"),)


def test_a_refund_of_which_nobody_was_told_is_found() -> None:
    """It failed, though the points are back."""
    end = replace(refund(kept="too-late")[-1], cause=None, occurred_at=BEGUN + timedelta(minutes=2))
    assert "deliveries" in broken(judged([*refund()[:-1], end]))


def test_a_seat_that_is_sold_again_before_it_was_vacated_is_found() -> None:
    """Its first buyer still had it."""
    sold = checkout(), checkout(name="two", begun_at=BEGUN + timedelta(minutes=2))
    assert judged(*sold, refund())["seats"].holds
    assert not judged(*sold, refund(begun_at=BEGUN + timedelta(minutes=3)))["seats"].holds
