"""Points, seats, ends and deliveries are judged by events alone."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.window.judging import LATER, broken, facts, judged, reworded, without
from tests.window.sagas import BEGUN, PATIENCE, REFUSING, chased, checkout, hold, named, refund
from tests.window.telling import CHOREOGRAPHY
from window.auditing import FACTS
from window.choreography import PUBLISHED
from window.conservation import MAX_NAMED, judge
from window.meanings import AMOUNT, HOLDER, MEANINGS, SEATS, Meaning


@pytest.mark.parametrize("event", MEANINGS)
def test_every_event_with_a_meaning_is_published(event: str) -> None:
    """The table names nothing that nobody says."""
    assert event in CHOREOGRAPHY.events


FIELDS = {
    **dict.fromkeys((Meaning.SPENDS, Meaning.REFUNDS, Meaning.PAYS, Meaning.REPAYS, Meaning.GIVES_BACK), AMOUNT),
    Meaning.SELLS: SEATS,
}


@pytest.mark.parametrize(("event", "meaning"), MEANINGS.items())
def test_every_field_with_a_meaning_is_published(event: str, meaning: Meaning) -> None:
    """The newest schema of each event has the fields that are read of it."""
    newest: Path = max((PUBLISHED / "events").glob(f"{event}.v*.schema.json"))
    assert {FIELDS.get(meaning, HOLDER), HOLDER} <= set(json.loads(newest.read_text())["required"])


@pytest.mark.parametrize("meaning", Meaning)
def test_every_meaning_has_an_event(meaning: Meaning) -> None:
    """What is judged is said by somebody."""
    assert meaning in MEANINGS.values()


def test_a_completed_checkout_has_paid_what_it_spent() -> None:
    """All that moved is in its facts."""
    found = facts(checkout(seats=(3, 1), amount=40))
    assert (found.spent, found.refunded, found.paid) == (40, 0, 40)
    assert (found.completed, found.delivered, found.seats, found.holder) == (1, 1, (1, 3), named("payment of one"))
    assert found.is_whole


def test_a_refused_checkout_has_back_what_it_spent() -> None:
    """What was paid in between was taken back."""
    found = facts(checkout(fails_at="seat.reserve", amount=40))
    assert (found.spent, found.refunded, found.paid, found.seats) == (40, 40, 0, ())


def test_a_repeated_refund_is_one_refund() -> None:
    """A refund is confirmed to everybody who asks."""
    messages = checkout(fails_at="seat.reserve", amount=40)
    again = replace(messages[7], event_id=named("again"), cause=None)
    assert facts([*messages, again]).refunded == 40


def test_a_lapsed_hold_is_due_from_its_lapse_on() -> None:
    """The deadline of its beginning is long past."""
    messages = hold(lapses=True)
    assert facts(messages[:5]).due_at == messages[4].occurred_at
    assert facts(messages[:3]).due_at == BEGUN + PATIENCE


SOUND = [
    checkout(),
    *(checkout(name=f"refused at {step}", fails_at=step, seats=(9,)) for step in REFUSING),
    checkout(name="not delivered", fails_at="payment.send", seats=(10,)),
    chased(name="chased"),
    hold(),
    hold(name="lapsed", lapses=True),
    hold(name="refused", fails_at="seat.hold"),
    hold(name="given up", given_up="given-up"),
    hold(name="called off", given_up="called-off"),
    checkout(name="sorry", seats=(20,)),
    refund(name="sorry's", of="sorry", seats=(20,)),
    checkout(name="next", seats=(20,), begun_at=BEGUN + timedelta(minutes=2)),
    refund(name="too late", of="next", kept="too-late", begun_at=BEGUN + timedelta(minutes=3)),
]


def test_sound_sagas_keep_every_rule() -> None:
    """Whatever way they went."""
    findings = judged(*SOUND)
    assert broken(findings) == []
    assert list(findings) == ["points", "seats", "ends", "deliveries"]
    assert findings["points"].text.startswith(
        "2,100 spent = 900 refunded + 1,200 paid; of it 300 repaid = 300 given back"
    )


def test_nothing_at_all_keeps_every_rule() -> None:
    """An empty archive alarms nobody."""
    assert broken(judged()) == []


def test_a_lost_refund_is_found() -> None:
    """The points of a failed checkout did not come back."""
    lost = without(checkout(fails_at="reservation.confirm"), "point.refunded")
    findings = judged(lost, checkout(name="other", seats=(5,)))
    assert broken(findings) == ["points"]
    assert findings["points"].sagas == (named("one"),)
    assert findings["points"].text.startswith("1 of 2 do not keep their points: 600 spent against 0 refunded")


def test_a_refund_of_another_amount_is_found() -> None:
    """Something was made."""
    wrong = reworded(checkout(fails_at="reservation.confirm"), "point.refunded", "300", "301")
    assert broken(judged(wrong)) == ["points"]


def test_points_spent_twice_are_found() -> None:
    """Two events that spend are two payments of the user."""
    messages = checkout()
    assert broken(judged([*messages, replace(messages[1], event_id=named("twice"))])) == ["points"]


def test_two_sagas_that_make_up_for_each_other_are_both_found() -> None:
    """Sums that agree hide nothing."""
    more = reworded(checkout(name="more", seats=(5,)), "point.spent", "300", "301")
    less = reworded(checkout(name="less", seats=(6,)), "point.spent", "300", "299")
    assert set(judged(more, less)["points"].sagas) == {named("more"), named("less")}


def test_points_under_way_are_not_judged() -> None:
    """What is spent and not yet paid is not lost."""
    assert broken(judged(checkout()[:3], now=BEGUN + timedelta(seconds=40))) == []


def test_a_saga_is_judged_only_some_time_after_its_deadline() -> None:
    """One that is younger may still end by itself."""
    stuck = checkout()[:5]
    assert judged(stuck, now=BEGUN + PATIENCE + timedelta(seconds=59))["ends"].holds
    found = judged(stuck, now=BEGUN + PATIENCE + timedelta(seconds=61))["ends"]
    assert (found.holds, found.sagas) == (False, (named("one"),))
    assert found.text == "1 of 1 that should have ended have not"


def test_a_saga_without_a_deadline_is_judged_after_an_hour() -> None:
    """Nothing waits for ever."""
    message = replace(checkout()[0], body="{}")
    assert judged([message], now=BEGUN + timedelta(minutes=59))["ends"].holds
    assert not judged([message], now=BEGUN + timedelta(minutes=61))["ends"].holds


def test_a_saga_seen_in_part_is_not_judged_for_what_was_not_seen() -> None:
    """A window that came late alarms nobody."""
    findings = judged(checkout(fails_at="seat.reserve")[5:], chased()[1:])
    assert broken(findings) == []
    assert "2 seen in part only" in findings["ends"].text


def test_a_seat_sold_to_two_is_found() -> None:
    """Both are named."""
    findings = judged(checkout(seats=(1, 2)), checkout(seats=(2, 3), name="two", begun_at=BEGUN + timedelta(minutes=1)))
    assert broken(findings) == ["seats"]
    assert findings["seats"].sagas == (named("one"), named("two"))
    assert findings["seats"].text == "1 of 3 seats were sold twice"


def test_a_seat_sold_twice_to_the_same_payment_is_one_sale() -> None:
    """A later checkout of the payment may be told again that the seats are sold."""
    again = checkout(name="again", payment_name="payment of one", begun_at=BEGUN + timedelta(minutes=1))
    assert judged(checkout(), again)["seats"].holds


@pytest.mark.parametrize(("at", "holds"), [(-60, False), (60, True), (180, False)])
def test_a_released_seat_may_be_sold_again(at: int, holds: bool) -> None:
    """Only a release between the two sales makes it free."""
    one = checkout(payment_name="hold")
    other = checkout(name="two", begun_at=BEGUN + timedelta(minutes=2))
    free = replace(facts(hold(name="hold", lapses=True)), released_at=BEGUN + timedelta(seconds=at))
    for order in ([facts(one), facts(other), free], [free, facts(other), facts(one)]):
        assert judge(order, LATER)[1].holds is holds


def test_seats_are_judged_of_sagas_seen_in_part_too() -> None:
    """Whoever was sold a seat has it."""
    assert not judged(checkout()[4:], checkout(name="two")[4:])["seats"].holds


def test_a_completed_checkout_without_a_delivery_is_found() -> None:
    """It failed, though it had completed."""
    end = replace(checkout(fails_at="seat.reserve")[-1], cause=None, occurred_at=BEGUN + timedelta(seconds=1))
    assert "deliveries" in broken(judged([*checkout()[:-1], end]))


def test_two_deliveries_are_found() -> None:
    """The platform was told twice."""
    messages = checkout()
    findings = judged([*messages, replace(messages[-1], event_id=named("twice"))])
    assert broken(findings) == ["deliveries"]


def test_a_delivery_that_went_through_in_the_end_is_one() -> None:
    """What was refused before counts only where nothing was delivered."""
    refused = checkout(fails_at="payment.send")
    sent = replace(checkout()[-1], cause=None, occurred_at=BEGUN + timedelta(seconds=1))
    assert facts([*refused, sent]).delivered == 1


def test_only_the_first_ten_are_named() -> None:
    """The rest is a number."""
    lost = [without(checkout(name=str(one), fails_at="reservation.confirm"), "point.refunded") for one in range(25)]
    found = judged(*lost)["points"]
    assert len(found.sagas) == MAX_NAMED
    assert found.text.startswith("25 of 25")


def test_facts_of_the_release_before_are_read() -> None:
    """It knew of no refunds."""
    kept = json.loads(FACTS.dump_json(facts(checkout())))
    del kept["repaid"], kept["given_back"]
    assert FACTS.validate_json(json.dumps(kept)) == facts(checkout())
