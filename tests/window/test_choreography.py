"""The published files are read into what leads to what."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.choreography.step import Kind
from window.choreography import PUBLISHED, Leg, UnreadableChoreographyError, load

CHOREOGRAPHY = load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what is published."""
    for name in ("choreography.json", "topology.json"):
        shutil.copy(PUBLISHED / name, tmp_path)
    return tmp_path


def edit(folder: Path, path: tuple[str | int, ...], value: object) -> None:
    """Write another value into the published choreography."""
    file = folder / "choreography.json"
    data: Any = json.loads(file.read_text())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(data))


def test_every_published_step_is_read() -> None:
    """No step of any leg is left out, and none is read twice."""
    data = json.loads((PUBLISHED / "choreography.json").read_text())
    published = [step["step"] for legs in data["sagas"].values() for leg in legs.values() for step in leg]
    assert sorted(CHOREOGRAPHY.steps) == sorted(published)


def test_a_step_knows_what_was_published_of_it() -> None:
    """All fields of a step come from the file."""
    step = CHOREOGRAPHY.steps["seat.reserve"]
    assert (step.saga, step.leg, step.kind, step.service) == ("checkout", Leg.OUT, Kind.PIVOT, "seat")
    assert (step.hears, step.says, step.refusals) == (
        ("payment.paid",),
        ("seat.reserved", "seat.rejected"),
        ("seat.rejected",),
    )


def test_a_step_is_linked_with_what_it_undoes() -> None:
    """Both ends of an undoing name each other."""
    assert CHOREOGRAPHY.steps["point.refund"].undoes == "point.spend"
    assert CHOREOGRAPHY.steps["point.spend"].undone_by == ("point.refund",)


def test_services_come_in_the_order_of_the_way_out() -> None:
    """The lanes of a saga stand as it goes through them."""
    assert CHOREOGRAPHY.sagas["checkout"].services == ("payment", "point", "reservation", "seat")
    assert CHOREOGRAPHY.sagas["hold"].services == ("reservation", "seat", "payment")


def test_delays_come_from_the_topology() -> None:
    """How long a message rests is what the queue of the delay says."""
    assert CHOREOGRAPHY.delays["5s"] == timedelta(seconds=5)
    assert CHOREOGRAPHY.delays["2m"] == timedelta(minutes=2)


def test_the_cause_tells_which_step_said_an_event() -> None:
    """Where two steps say the same, what they heard makes the difference."""
    assert _name("seat.reserved", "payment.paid") == "seat.reserve"
    assert _name("seat.reserved", "checkout.overdue") == "seat.decide"
    assert _name("reservation.expired", None) == "reservation.expire"
    assert _name("reservation.expired", "payment.published") == "reservation.open"


def test_an_event_that_two_steps_say_has_no_step_when_neither_hears_its_cause() -> None:
    """The window does not guess."""
    assert _name("seat.reserved", "point.spent") is None


def test_an_unseen_cause_is_no_reason_to_take_the_clock_for_the_sayer() -> None:
    """Something was heard, even if nobody saw what."""
    found = CHOREOGRAPHY.sayer("reservation.expired", None, is_cause_known=False)
    assert found is not None
    assert found.name == "reservation.open"


def test_an_event_that_only_undoes_follow_is_a_refusal() -> None:
    """A hold that is over when it would be opened turns back, though its event is no declared refusal."""
    assert CHOREOGRAPHY.is_refusal("reservation.expired", CHOREOGRAPHY.steps["reservation.open"])
    assert not CHOREOGRAPHY.is_refusal("reservation.expired", CHOREOGRAPHY.steps["reservation.expire"])


def test_what_an_event_may_lead_to_goes_to_every_end() -> None:
    """From the pivot both ways are open."""
    found = CHOREOGRAPHY.following("payment.paid")
    assert {"payment.sent", "checkout.failed", "point.refunded"} <= found
    assert "point.spent" not in found


def test_an_open_hold_may_still_lapse() -> None:
    """The end that the clock undoes is the only one after which there is another."""
    assert set(CHOREOGRAPHY.lapsed) == {"reservation.opened"}
    assert "reservation.closed" in CHOREOGRAPHY.lapsed["reservation.opened"]


def test_unknown_names_lead_nowhere() -> None:
    """What no choreography has, nobody hears, says or follows."""
    assert CHOREOGRAPHY.hearing("no.event") == ()
    assert CHOREOGRAPHY.saying("no.event") == ()
    assert CHOREOGRAPHY.following("no.event") == frozenset()
    assert CHOREOGRAPHY.saga_of("no.event") is None


@pytest.mark.parametrize("name", ["choreography.json", "topology.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    """Whoever starts the window without its files reads which."""
    (folder / name).unlink()
    with pytest.raises(UnreadableChoreographyError, match=name):
        load(folder)


def test_a_broken_file_is_named(folder: Path) -> None:
    """A file that is no JSON is said to be none."""
    (folder / "choreography.json").write_text("{")
    with pytest.raises(UnreadableChoreographyError, match=r"choreography\.json is no JSON"):
        load(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sagas",), None),
        (("sagas", "hold"), {}),
        (("sagas", "hold", "out", 0, "kind"), "dance"),
        (("sagas", "hold", "out", 0, "says"), "reservation.requested"),
        (("sagas", "hold", "out", 0, "step"), 7),
        (("resources",), 3),
    ],
)
def test_a_file_of_another_form_is_refused(folder: Path, path: tuple[str | int, ...], value: object) -> None:
    """What is no choreography is not half understood."""
    edit(folder, path, value)
    with pytest.raises(UnreadableChoreographyError, match="no choreography"):
        load(folder)


def _name(event: str, cause: str | None) -> str | None:
    found = CHOREOGRAPHY.sayer(event, cause)
    return found.name if found else None
