"""A story is shown as text, as JSON and as a Mermaid diagram, and nothing in it is obeyed."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.window.sagas import BEGUN, checkout, hold, parked, refund, rests
from tests.window.telling import CHOREOGRAPHY, SOON, told
from window.looks import StepNumbers
from window.rendering import as_json, as_mermaid, as_text

FAILED = checkout(fails_at="seat.reserve")
HOSTILE = "\x1b]0;owned\x07\r\n<script>alert(1)</script>;#--> \u202eend\u2066 "


def test_text_is_one_line_for_each_happening() -> None:
    """Event, step and what it undoes stand in columns."""
    lines = as_text(told(FAILED), SOON).splitlines()
    assert lines[0].endswith(" ended: failed (seat-withdrawn) after 0.160 s")
    assert lines[1] == "begun 2026-03-01T20:00:00.000+00:00, deadline 2026-03-01T20:00:30.000+00:00"
    assert lines[3] == "+0.000 s  ▸ checkout.requested     payment.request"
    assert lines[7] == "+0.080 s  ◂ seat.rejected          seat.reserve         refuses: seat-withdrawn"
    assert lines[-1].endswith("payment.close        end: seat-withdrawn, undoes checkout.requested")


def test_text_says_what_a_refund_takes_back() -> None:
    """By the step that did it, in another saga."""
    lines = as_text(told(refund()), SOON).splitlines()
    vacated = next(line for line in lines if "seat.vacated" in line)
    assert vacated.endswith("takes back seat.reserve")
    kept = next(line for line in as_text(told(refund(kept="too-late")), SOON).splitlines() if "seat.kept" in line)
    assert kept.endswith("refuses: too-late")


def test_columns_are_aligned() -> None:
    """Every step begins in the same column."""
    lines = as_text(told(FAILED), SOON).splitlines()[3:]
    steps = [one.step or "" for one in told(FAILED).happenings]
    assert len({line.index(f"  {step}") for line, step in zip(lines, steps, strict=True)}) == 1


def test_text_shows_attempts_before_what_came_of_them() -> None:
    """Where it happened."""
    lines = as_text(told([*FAILED, rests(FAILED[2], "payment.pay")]), SOON).splitlines()
    at = next(number for number, line in enumerate(lines) if "✗" in line)
    assert lines[at].strip() == "✗ payment.pay failed (1): LockNotAvailableError: busy; again after 5s"
    assert "payment.paid" in lines[at + 1]


def test_text_ends_with_what_it_waits_for() -> None:
    """With the numbers of the step and the delays of the choreography."""
    numbers = {"payment.pay": StepNumbers(0, 312, 0, 1, 0, None)}
    story = told([*FAILED[:3], rests(FAILED[2], "payment.pay")])
    last = as_text(story, SOON, numbers, CHOREOGRAPHY.delays).splitlines()[-1]
    assert last.startswith("waits: payment.pay has not answered reservation.confirmed for 2 s")
    assert "comes back in 2 s" in last
    assert last.endswith("holds 312 messages and has no consumer")


def test_text_names_oddities_copies_and_lateness() -> None:
    """Nothing of a story is left out."""
    story = told([FAILED[0], FAILED[0], replace(FAILED[1], service="seat")], BEGUN + timedelta(hours=1))
    text = as_text(story, SOON)
    assert "said 2 times" in text
    assert ", late" in text.splitlines()[0]
    assert "odd: point.spent was said by seat, and only point may say it (wrong-service)" in text


def test_json_has_the_whole_story() -> None:
    """Programs read the same as people."""
    story = told(FAILED)
    shown = json.loads(json.dumps(as_json(story, SOON)))
    assert (shown["saga"], shown["way"], shown["outcome"]) == ("checkout", "ended", "failed")
    assert [one["event"] for one in shown["happenings"]] == [one.event for one in FAILED]
    assert shown["happenings"][5]["undoes"] == 3
    assert json.loads(shown["happenings"][1]["body"])["amount"] == 300
    assert shown["ended_at"] == "2026-03-01T20:00:00.160+00:00"


def test_json_says_what_it_waits_for_and_why() -> None:
    """In words and in values."""
    shown = as_json(told([*FAILED[:3], parked(FAILED[2], "payment.pay")]), SOON)["waits"][0]
    assert shown["is_parked"]
    assert shown["attempts"][0]["error"] == "LockNotAvailableError: busy"
    assert shown["text"].endswith("is parked: needs a person")


def test_a_diagram_goes_from_who_said_it_to_who_went_on() -> None:
    """Backwards with a dashed arrow, and an end goes to nobody."""
    assert as_mermaid(told(FAILED)).splitlines() == [
        "sequenceDiagram",
        "    participant p0 as payment",
        "    participant p1 as point",
        "    participant p2 as reservation",
        "    participant p3 as seat",
        "    p0->>p1: checkout.requested",
        "    p1->>p2: point.spent",
        "    p2->>p0: reservation.confirmed",
        "    p0->>p3: payment.paid",
        "    p3-->>p0: seat.rejected",
        "    p0-->>p2: payment.reverted",
        "    p2-->>p1: reservation.reverted",
        "    p1-->>p0: point.refunded",
        "    Note over p0: checkout.failed",
    ]


def test_a_diagram_shows_who_has_not_answered() -> None:
    """What is waited for has a lane and an open arrow."""
    assert as_mermaid(told(FAILED[:4])).splitlines()[-1] == "    p0-)p3: payment.paid (not answered by seat.reserve)"


@pytest.mark.parametrize("field", ["event", "service", "body", "error"])
def test_a_message_says_nothing_to_a_terminal_or_to_mermaid(field: str) -> None:
    """Whatever field it is in, every line stays one line of the same form."""
    heard = FAILED[2]
    changes: dict[str, Any] = {} if field == "error" else {field: HOSTILE}
    last = replace(heard, **changes)
    story = told([*FAILED[:2], last, rests(last, "payment.pay", error=HOSTILE)])
    text, diagram = as_text(story, SOON), as_mermaid(story)
    assert all(line.isprintable() for line in (*text.split("\n"), *diagram.split("\n")))
    assert "<" not in diagram
    lines = diagram.splitlines()[1:]
    form = re.compile(r"    (participant p\d as|p\d(->>|-->>|--?\))p\d:|Note over p\d:) [^;#<>]*(#\w+;[^;#<>]*)*")
    assert all(form.fullmatch(line) for line in lines)
    assert not any(re.search(r"\bend\b", line) for line in lines)


def test_a_reason_says_nothing_to_a_terminal() -> None:
    """A body is anybody's."""
    body = json.dumps({"reason": HOSTILE})
    text = as_text(told([*FAILED[:4], replace(FAILED[4], body=body)]), SOON)
    assert "\\x1b]0;owned" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_long_name_is_cut() -> None:
    """No column is wider than a terminal."""
    text = as_text(told([replace(FAILED[0], event="x" * 5000)]), SOON)
    assert max(map(len, text.splitlines())) < 300


def test_a_lapsed_hold_is_drawn_from_the_clock_on() -> None:
    """What nothing caused begins where it was said."""
    assert "    p0-->>p2: reservation.expired" in as_mermaid(told(hold(lapses=True)))
