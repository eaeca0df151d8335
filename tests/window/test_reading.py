"""Whatever is in a message, something bounded is kept of it, and nothing is raised."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.broker.unreadable import UNREADABLE
from tests.window import sagas
from tests.window.archive import as_arrived, as_seen
from window.message import Place
from window.reading import MAX_TEXT, UNKNOWN, Arrived, clean, seen, stub, with_user

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REQUESTED, *_ = sagas.checkout()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["ce-id", "ce-type", "ce-time", "ce-source", "ce-correlationid", "ce-causationid", "x-attempt"])
HEADERS = st.dictionaries(NAMES | st.sampled_from(["x-death", "x-last-error", "traceparent"]) | st.text(), VALUES)


def _arrived(**changed: Any) -> Arrived:
    return as_arrived(REQUESTED)._replace(**changed)


def _with_headers(**changed: Any) -> Arrived:
    headers = dict(as_arrived(REQUESTED).headers) | {f"ce-{name}": value for name, value in changed.items()}
    return _arrived(headers={name: value for name, value in headers.items() if value is not None})


@given(exchange=st.text(), routing_key=st.text(), headers=HEADERS, body=st.binary(), message_id=st.text())
def test_nothing_is_raised(
    exchange: str, routing_key: str, headers: dict[str, Any], body: bytes, message_id: str
) -> None:
    """Rubbish is kept as rubbish, in texts that PostgreSQL takes."""
    found = seen(Arrived(exchange, routing_key, headers, body, message_id), NOW)

    message = found.message
    texts = [
        message.event,
        message.service,
        message.step or "",
        message.error or "",
        message.body,
        *(message.headers or {}),
    ]
    assert all("\0" not in text and text.encode() is not None for text in texts)
    assert json.dumps(message.headers).encode()


@pytest.mark.parametrize("message", sagas.checkout(fails_at="seat.reserve"), ids=lambda one: one.event)
def test_an_event_is_kept_as_it_was(message: Any) -> None:
    """Its envelope, and its body with the user beside."""
    found = as_seen(message)

    kept = found.message
    assert (kept.event, kept.version, kept.event_id) == (message.event, message.version, message.event_id)
    assert (kept.saga_id, kept.cause, kept.service) == (message.saga_id, message.cause, message.service)
    assert (kept.place, kept.occurred_at) == (Place.SAID, message.occurred_at)
    assert found.user_id == "7"
    assert "user_id" not in json.loads(kept.body)
    assert json.loads(with_user(kept.body, found.user_id)) == json.loads(message.body)


def test_where_a_message_goes_tells_what_has_become_of_it() -> None:
    """The exchange and the routing key tell the step, and for how long it rests."""
    resting = as_seen(sagas.rests(REQUESTED, "point.spend", attempt=2, error="busy")).message
    parked = as_seen(sagas.parked(REQUESTED, "point.spend")).message
    back = as_seen(sagas.back(REQUESTED, "point.spend")).message

    assert (resting.place, resting.step, resting.delay) == (Place.RESTING, "point.spend", "5s")
    assert (resting.attempt, resting.error, resting.service) == (2, "busy", "payment")
    assert (parked.place, parked.step, parked.delay) == (Place.PARKED, "point.spend", None)
    assert (back.place, back.step) == (Place.BACK, "point.spend")


@pytest.mark.parametrize(
    ("arrived", "why"),
    [
        (_with_headers(id="7"), "badly formed"),
        (_with_headers(id=None), "ce-id is missing"),
        (_with_headers(type="x"), "ce-type"),
        (_with_headers(type=7), ""),
        (_with_headers(time="2026-01-01T00:00:00"), "no zone"),
        (_with_headers(time="0001-01-01T00:00:00+14:00"), ""),
        (_with_headers(correlationid=None), "ce-correlationid is missing"),
        (_arrived(headers={UNREADABLE: "no UTF-8"}), "no UTF-8"),
        (_arrived(body=b"x" * 70_000), "70000 bytes"),
    ],
)
def test_what_is_no_event_has_no_saga(arrived: Arrived, why: str) -> None:
    """It is kept as an event of no name, with the reason."""
    message = seen(arrived, NOW).message

    assert (message.event, message.saga_id) == (UNKNOWN, None)
    assert why in (message.error or "")
    assert len(message.body) <= 65_536


def test_each_message_has_a_key_of_its_own() -> None:
    """A delivery that is repeated has the same one; another copy, another place and another round have others."""
    name = str(uuid4())
    said, resting = as_arrived(REQUESTED, name), as_arrived(sagas.rests(REQUESTED, "point.spend"), name)
    again = resting._replace(headers={**resting.headers, "x-death": [{"count": 1}]})
    without = said._replace(message_id="")

    assert seen(said, NOW).key == seen(said, datetime.now(UTC)).key
    assert seen(without, NOW).key == seen(without, NOW).key
    keys = {seen(one, NOW).key for one in (said, as_arrived(REQUESTED), resting, again, without)}
    assert len(keys) == 5


@pytest.mark.parametrize("body", [b'{"user_id": "7"', b'{"user_id": 7}', b'{"a": {"user_id": "7"}}', b'["user_id"]'])
def test_a_body_whose_user_cannot_be_taken_out_is_not_kept(body: bytes) -> None:
    """Only how to tell it from others: whoever is erased would stay in it."""
    found = seen(_arrived(body=body), NOW)

    assert found.user_id is None
    assert found.message.body.startswith(f"{len(body)} bytes with the SHA-256 ")


def test_texts_are_bounded() -> None:
    """Whatever a header says."""
    found = seen(_arrived(headers={"x-last-error": "x" * 10_000, **{f"h{n}": "v" for n in range(1000)}}), NOW).message

    assert len(found.error or "") == MAX_TEXT
    assert len(found.headers or {}) == 40
    assert clean("a\0b\ud800") == "a␀b?"


def test_a_stub_tells_that_there_was_something() -> None:
    """The same message has the same one."""
    assert stub(as_arrived(REQUESTED, "7"), NOW, "no").key == stub(as_arrived(REQUESTED, "7"), NOW, "no").key
