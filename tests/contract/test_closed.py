"""The choreography is closed, and every way to break it is noticed."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.choreography.declaration import Service
from chassis.choreography.graph import Choreography
from chassis.choreography.loading import load, packages
from chassis.choreography.proof import Flaw, check
from chassis.choreography.step import Kind, Step
from contracts import checkout, payment, point, reservation, seat
from contracts.event import Checkout, Event
from tests.choreography import BEGUN, REVERSES, UNDOES

ROOT = Path(__file__).parents[2]
Change = Callable[[Step], Step | None]


class Invented(Checkout, service="point"):
    """An event that no step of the real system says or hears."""


def broken(changes: Mapping[str, Change]) -> list[Flaw]:
    """The flaws of a copy of the real choreography in which some steps are changed, or taken out."""
    return check(Choreography(tuple(_copy(service, changes) for service in load(ROOT).services)))


def _copy(service: Service, changes: Mapping[str, Change]) -> Service:
    copy = Service(service.name)
    copy.resources = service.resources
    copy.steps = [changed for step in service.steps if (changed := _changed(step, changes))]
    return copy


def _changed(step: Step, changes: Mapping[str, Change]) -> Step | None:
    """The step after its change; a step that it undoes, stands for or takes back is the changed one, too."""
    changed = changes[step.queue](step) if step.queue in changes else step
    if changed is None:
        return None

    def other(one: Step | None) -> Step | None:
        return one and _changed(one, changes)

    return replace(
        changed,
        undoes=other(changed.undoes),
        answers_for=other(changed.answers_for),
        reverses=other(changed.reverses),
    )


def says(*events: type[Event]) -> Change:
    """A step that may say these events as well."""
    return lambda step: replace(step, says=(*step.says, *events))


def hears(*events: type[Event]) -> Change:
    """A step that hears these events instead."""
    return lambda step: replace(step, hears=events)


def becomes(kind: Kind) -> Change:
    """A step of another kind."""
    return lambda step: replace(step, kind=kind)


def takes_back(other: Step | None) -> Change:
    """A step that takes back another one of a saga, or none."""
    return lambda step: replace(step, reverses=other)


def gone(_: Step) -> None:
    """No step at all."""


def found(flaws: list[Flaw], rule: str, *words: str) -> bool:
    """Whether a flaw of this rule names all these words."""
    return any(flaw.rule == rule and all(word in str(flaw) for word in words) for flaw in flaws)


def test_the_choreography_is_closed() -> None:
    """The real declarations have no flaw."""
    assert check(load(ROOT)) == []


def test_an_event_that_nobody_says_is_named_with_the_step_that_hears_it() -> None:
    """A step that hears what nobody says would wait for ever."""
    flaws = broken({"reservation.confirm": hears(Invented)})

    assert found(flaws, "unsaid", "reservation.confirm", Invented.name)


def test_an_event_that_nobody_hears_is_named_unless_it_is_an_end() -> None:
    """An event that falls on deaf ears would stop its saga."""
    flaws = broken({"reservation.confirm": hears(Invented)})

    assert found(flaws, "unheard", "point.spend", "point.spent", "end=True")
    assert not found(flaws, "unheard", "payment.sent")


def test_an_end_that_is_heard_must_not_be_lost() -> None:
    """The broker may drop an end that nobody is told of, and whoever hears it would wait for ever."""
    flaws = broken({"payment.announce": hears(reservation.Opened)})

    assert found(flaws, "unsure", "payment.announce", "reservation.opened", "told=True")
    assert found(flaws, "unheard", "reservation.closed")


UNDONE = {back: out for back, out in UNDOES.items() if back not in BEGUN}


@pytest.mark.parametrize(("compensation", "standing"), UNDONE.items())
def test_a_missing_compensation_leaves_its_step_standing(compensation: str, standing: str) -> None:
    """Without its compensation a step is named as the one that stays committed."""
    assert found(broken({compensation: gone}), "left-standing", standing)


def test_every_compensation_of_the_system_was_taken_out_once() -> None:
    """The test above covers all compensations that hear an event."""
    assert set(UNDONE) == {step.queue for step in load(ROOT).steps if step.kind is Kind.UNDO}


@pytest.mark.parametrize(("reversal", "standing"), REVERSES.items())
def test_a_refund_that_leaves_a_step_out_is_noticed(reversal: str, standing: str) -> None:
    """A refund takes back each step that a checkout has to undo, and its pivot: the one that stays is named."""
    assert found(broken({reversal: takes_back(None)}), "reversal", standing)


def test_a_step_that_is_taken_back_twice_is_noticed() -> None:
    """A second step that takes back the same would do it twice."""
    spend = next(step for step in load(ROOT).steps if step.queue == "point.spend")
    flaws = broken({"reservation.cancel": takes_back(spend)})

    assert found(flaws, "reversal", "point.spend", "2 times")


def test_a_step_that_leaves_nothing_behind_cannot_be_taken_back() -> None:
    """Only what may be undone, and the pivot, has done something that stays."""
    complete = next(step for step in load(ROOT).steps if step.queue == "payment.complete")
    flaws = broken({"payment.settle": takes_back(complete)})

    assert found(flaws, "reversal", "payment.complete")


def test_a_call_that_a_plain_step_hears_is_noticed() -> None:
    """What is called out belongs to no saga, so no step of one may follow it."""
    assert found(broken({"payment.revoke": becomes(Kind.STEP)}), "call", "payment.revoke", "seat.revoked")


def test_a_start_that_hears_an_event_of_a_saga_is_noticed() -> None:
    """A saga does not begin another one: only what is called out does."""
    assert found(broken({"payment.revoke": hears(seat.Reserved)}), "call", "payment.revoke", "seat.reserved")


def test_a_call_that_nobody_hears_is_noticed() -> None:
    """Somebody has to act on it."""
    flaws = broken({"payment.revoke": gone, "reservation.revoke": gone})

    assert found(flaws, "unheard", "seat.revoke", "seat.revoked")


def test_a_compensation_that_hears_too_early_a_refusal_undoes_too_much() -> None:
    """A compensation of a step that cannot have committed yet is named."""
    flaws = broken({"reservation.revert": hears(payment.Rejected, payment.Reverted, point.Rejected)})

    assert found(flaws, "undone-too-much", "reservation.confirm", "point.spend")


def test_compensations_out_of_order_are_noticed() -> None:
    """The way back mirrors the way out, so undoing an earlier step first is a flaw."""
    flaws = broken(
        {
            "reservation.revert": hears(point.Refunded),
            "point.refund": hears(payment.Rejected, payment.Reverted),
            "payment.close": hears(reservation.Reverted),
        }
    )

    assert found(flaws, "undone-out-of-order", "payment.rejected", "reservation.confirm")


def test_a_compensation_cannot_refuse() -> None:
    """Nothing would undo the refusal of a compensation."""
    assert found(broken({"point.refund": says(point.Rejected)}), "refusing-compensation", "point.refund")


def test_an_effect_before_the_pivot_is_named() -> None:
    """I/O cannot be undone, so it has no place before the pivot."""
    assert found(broken({"reservation.confirm": becomes(Kind.EFFECT)}), "effect-before-pivot", "reservation.confirm")


def test_a_refusal_after_the_pivot_is_named() -> None:
    """After the pivot a saga only goes forward."""
    flaws = broken({"payment.complete": says(payment.Rejected)})

    assert found(flaws, "refusal-after-pivot", "payment.complete", "seat.reserve")


def test_a_compensation_of_the_pivot_is_named() -> None:
    """What can be undone is no pivot."""
    reserve = next(step for step in load(ROOT).steps if step.queue == "seat.reserve")
    flaws = broken({"seat.release": lambda step: replace(step, undoes=reserve)})

    assert found(flaws, "undone-pivot", "seat.release", "seat.reserve")


def test_a_way_back_that_begins_without_a_refusal_undoes_as_much() -> None:
    """Whatever only compensations hear turns the saga round, whether it is called a refusal or not."""
    flaws = broken({"payment.cancel": gone, "seat.release": hears(payment.PublishRejected, reservation.Expired)})

    assert found(flaws, "left-standing", "payment.publish", "reservation.expired of reservation.open")


def test_an_inquiry_that_nobody_can_answer_is_named() -> None:
    """The clock asks who can decide: a step that answers for the pivot."""
    deaf = broken({"seat.decide": lambda step: replace(step, answers_for=None)})

    assert found(deaf, "unanswered", "payment.chase", "checkout.overdue")


def test_an_answer_that_differs_from_the_pivot_is_named() -> None:
    """What answers for the pivot leads where the pivot leads."""
    flaws = broken({"seat.decide": lambda step: replace(step, says=step.says[:1])})

    assert found(flaws, "unanswered", "seat.decide", "seat.reserve")


def test_a_cycle_forward_is_named() -> None:
    """A step that follows from itself would go round for ever."""
    flaws = broken({"point.spend": hears(checkout.Requested, reservation.Confirmed)})

    assert found(flaws, "cycle", "point.spend")


def test_two_services_that_claim_one_event_are_named() -> None:
    """An event has one owner."""
    assert found(broken({"seat.hold": says(point.Spent)}), "two-voices", "point.spent", "point and seat")


def test_a_service_that_says_an_event_of_another_is_named() -> None:
    """A service may write to its own exchange only."""
    assert found(broken({"seat.hold": says(payment.Published)}), "foreign-voice", "seat.hold", "payment.published")


def test_an_end_that_no_resource_shows_is_named() -> None:
    """Whoever asks must be able to see how a saga ended."""
    graph = load(ROOT)
    hidden = Service("payment")
    hidden.steps = next(service.steps for service in graph.services if service.name == "payment")
    services = tuple(hidden if service.name == "payment" else service for service in graph.services)

    assert found(check(Choreography(services)), "hidden-end", "checkout.failed")


def test_a_misspelt_event_is_named_with_its_step(tmp_path: Path) -> None:
    """A step that names an event which does not exist is reported like any other flaw, with what was meant."""
    for package in ("contracts", "chassis", *packages(ROOT)):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    steps = tmp_path / "reservation_svc/steps.py"
    steps.write_text(steps.read_text().replace("spent: point.Spent, reservations", "spent: point.Spend, reservations"))

    done = subprocess.run(  # the command is ours
        [sys.executable, "-m", "chassis", "check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("unreadable: reservation.confirm: module 'contracts.point' has no attribute 'Spend'")
    assert "write Spent" in done.stderr
