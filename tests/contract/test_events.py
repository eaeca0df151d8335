"""Every event survives its way through JSON unchanged, and whatever is not quite it is refused."""

import importlib
import json
import pkgutil
import re
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import contracts
from chassis.choreography.envelope import parse, type_of
from chassis.choreography.loading import load
from chassis.documents.examples import enveloped, example
from chassis.errors import MalformedMessageError
from contracts.event import Call, Checkout, Event, Hold, Refund
from contracts.refund import Asker
from contracts.seat import PricedSeat

EventType = type[Event]
ROOT = Path(__file__).parents[2]


def discovered() -> list[EventType]:
    """Every concrete event of the published language."""
    names = [module.name for module in pkgutil.iter_modules(contracts.__path__) if module.name != "event"]
    modules = [importlib.import_module(f"contracts.{name}") for name in names]
    values = [(value, module.__name__) for module in modules for value in vars(module).values()]
    found = [value for value, module in values if isinstance(value, type) and value.__module__ == module]
    return sorted((event for event in found if issubclass(event, Event)), key=type_of)


EVENTS = discovered()
every_event = pytest.mark.parametrize("event", EVENTS, ids=type_of)
every_field = pytest.mark.parametrize(
    ("event", "field"), [(event, field) for event in EVENTS for field in event.model_fields]
)

POINTS = st.integers(1, 10**12)
SEAT_IDS = st.integers(1, 2**31 - 1)
INSTANTS = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(-timedelta(minutes=150))])
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "payment_id": st.uuids(),
    "checkout_id": st.uuids(),
    "refund_id": st.uuids(),
    "asked_by": st.sampled_from(Asker),
    "user_id": st.from_regex(r"[A-Za-z0-9._@:-]{1,64}", fullmatch=True),
    "amount": POINTS,
    "total_price": POINTS,
    "seat_ids": st.lists(SEAT_IDS, max_size=10).map(tuple),
    "seats": st.lists(st.builds(PricedSeat, seat_id=SEAT_IDS, price=POINTS), max_size=10).map(tuple),
    "reason": st.from_regex(r"[a-z]{1,9}(-[a-z]{1,9}){0,5}", fullmatch=True),
    "deadline": INSTANTS,
    "completed_at": INSTANTS,
    "expires_at": INSTANTS,
}
"""What each field of the language may hold, by its name: a name means the same in every event."""

WRONG: dict[str, list[Any]] = {
    "payment_id": ["", "1", "not-a-uuid"],
    "checkout_id": ["", "1", "not-a-uuid"],
    "refund_id": ["", "1", "not-a-uuid"],
    "asked_by": ["", "BUYER", "somebody", 1],
    "user_id": ["", "x" * 65, "an n", "ann\n", "안나"],
    "amount": [0, -1, 10**12 + 1, 1.5, "1", True],
    "total_price": [0, -1, 10**12 + 1, 1.5, "1", True],
    "seat_ids": [[0], [-1], [2**31], ["1"], [1.5], [None], 1, "1"],
    "seats": [[{"seat_id": 1}], [{"seat_id": 1, "price": 0}], [{"seat_id": 0, "price": 1}], [1], 1],
    "reason": ["", "Too few", "two  words", "-", "a-", "a_b", "x" * 65],
    "deadline": ["2027-01-01T00:00:00", "2027-01-01", "tomorrow", ""],
    "completed_at": ["2027-01-01T00:00:00", "2027-01-01", "tomorrow", ""],
    "expires_at": ["2027-01-01T00:00:00", "2027-01-01", "tomorrow", ""],
}
"""What is not quite it: naive times, amounts below one, empty users, text for numbers."""
NEVER: list[Any] = [None, {}, {"a": 1}, [[]]]
"""What no field may hold."""


def any_event(event: EventType) -> st.SearchStrategy[Event]:
    """Any instance of an event."""
    return st.builds(event, **{field: FIELDS[field] for field in event.model_fields})


def body(event: EventType) -> dict[str, Any]:
    """The body of a good message."""
    good: dict[str, Any] = json.loads(example(event).written())
    return good


def refused(event: EventType, values: object) -> bool:
    """Whether a body is no such event, neither by itself nor in a message."""
    text = json.dumps(values)
    with pytest.raises(ValidationError):
        event.model_validate_json(text)
    with pytest.raises(MalformedMessageError):
        parse([event], enveloped(event).headers(), text.encode())
    return True


def test_every_event_of_the_services_was_found() -> None:
    """The tests below miss none that a step hears or says."""
    assert {type_of(event) for event in load(ROOT).events} == {type_of(event) for event in EVENTS}


@every_event
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_an_event_survives_its_way_through_json(event: EventType, data: st.DataObject) -> None:
    """Whatever it holds, it is read as it was written, with its version and its saga."""
    # given
    written = data.draw(any_event(event))
    # when
    read = parse([event], enveloped(event).headers(), written.written().encode()).event
    # then
    assert event.says < event.version or read == written
    assert read.saga_id == written.saga_id
    assert hash(read) == hash(written)


@every_event
def test_an_event_does_not_change(event: EventType) -> None:
    """What has happened has happened."""
    # given
    happened = example(event)
    # when, then
    for field in event.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(happened, field, getattr(happened, field))


@every_field
def test_an_event_without_one_of_its_fields_is_refused(event: EventType, field: str) -> None:
    """An event is complete by value: nothing has a default."""
    # given
    values = body(event)
    # when
    del values[field]
    # then
    assert refused(event, values)


@every_field
def test_an_event_with_a_wrong_value_is_refused(event: EventType, field: str) -> None:
    """Types are strict, amounts and ids have bounds, times have a zone, users are not empty."""
    for wrong in (*WRONG[field], *NEVER):
        assert refused(event, body(event) | {field: wrong}), wrong


@every_event
def test_an_event_with_more_than_its_fields_is_refused(event: EventType) -> None:
    """What a receiver does not know it does not ignore."""
    assert refused(event, body(event) | {"more": 1})


@every_event
def test_an_event_is_told_from_all_others(event: EventType) -> None:
    """A step that hears everything else does not hear this one."""
    # given
    others = [other for other in EVENTS if other is not event]
    message = enveloped(event)
    # when, then
    with pytest.raises(MalformedMessageError, match="is not heard here"):
        parse(others, message.headers(), message.event.written().encode())


@every_event
def test_an_event_is_named_after_its_module_and_class(event: EventType) -> None:
    """`seat.HoldRejected` is `seat.hold-rejected`, and said by seat_svc unless about a whole checkout or refund."""
    # given
    module = event.__module__.removeprefix("contracts.")
    words = re.findall("[A-Z][a-z]*", event.__name__)
    # when, then
    assert event.name == f"{module}.{'-'.join(words).lower()}"
    assert type_of(event) == f"{event.name}.v{event.version}"
    assert event.service == ("payment" if module in ("checkout", "refund") else module)


@every_event
def test_an_event_belongs_to_one_saga(event: EventType) -> None:
    """A hold is the saga of its payment, and so is a call; a checkout and a refund are their own."""
    # given
    happened = example(event)
    # when, then
    assert isinstance(happened, Hold | Call | Checkout | Refund)
    if isinstance(happened, Refund):
        assert (happened.saga, happened.saga_id) == ("refund", happened.refund_id)
    elif isinstance(happened, Checkout):
        assert (happened.saga, happened.saga_id) == ("checkout", happened.checkout_id)
    else:
        assert (happened.saga, happened.saga_id) == ("hold", happened.payment_id)


@settings(deadline=None, max_examples=200)
@given(
    text=st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps),
    headers=st.dictionaries(
        st.sampled_from(["ce-id", "ce-type", "ce-time", "ce-causationid", "traceparent"]),
        st.none()
        | st.integers()
        | st.text()
        | st.binary()
        | st.dates()
        | st.sampled_from([type_of(e) for e in EVENTS]),
    ),
)
def test_nonsense_is_malformed(text: bytes | str, headers: dict[str, Any]) -> None:
    """Whatever comes, reading it raises nothing but MalformedMessageError, so that it can be parked."""
    # given
    encoded = text.encode() if isinstance(text, str) else text
    # when, then
    with pytest.raises(MalformedMessageError):
        parse(EVENTS, enveloped(EVENTS[0]).headers() | headers, encoded)
