"""An event keeps its identity and its history in the headers of its message."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chassis.choreography.envelope import MAX_BODY, Envelope, parse, type_of
from chassis.errors import MalformedMessageError, NewerVersionError
from chassis.store.outbox import Outgoing
from contracts import checkout, payment, point
from contracts.event import Checkout, downcaster, upcaster
from tests.unit.examples import CHECKOUT_ID, NOW, an

EVENT_ID, CAUSE_ID = UUID(int=100), UUID(int=99)
TRACEPARENT = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
HEARS = (point.Spent, point.Rejected)


def an_envelope(cause: UUID | None = CAUSE_ID) -> Envelope:
    """Points were spent, because of something."""
    return Envelope(an(point.Spent), EVENT_ID, cause, NOW, TRACEPARENT)


def body() -> bytes:
    """The body of the message."""
    return an(point.Spent).model_dump_json().encode()


def test_headers_are_cloud_events() -> None:
    """Who said what, when, about which saga, because of what (CloudEvents 1.0, binary mode)."""
    assert an_envelope().headers() == {
        "ce-specversion": "1.0",
        "ce-id": str(EVENT_ID),
        "ce-source": "/point",
        "ce-type": "point.spent.v1",
        "ce-time": "2027-01-01T12:00:00+00:00",
        "ce-subject": str(CHECKOUT_ID),
        "ce-correlationid": str(CHECKOUT_ID),
        "ce-causationid": str(CAUSE_ID),
        "traceparent": TRACEPARENT,
    }


def test_the_first_event_of_a_saga_has_no_cause() -> None:
    """Then there is no such header."""
    assert "ce-causationid" not in an_envelope(cause=None).headers()


@pytest.mark.parametrize("cause", [CAUSE_ID, None])
def test_a_message_is_read_as_it_was_written(cause: UUID | None) -> None:
    """Headers and body together are the whole envelope."""
    # given
    written = an_envelope(cause)
    # when
    read = parse(HEARS, written.headers(), body())
    # then
    assert read == written


def test_a_message_without_a_trace_is_read() -> None:
    """Whoever publishes by hand need not know about traces."""
    # given
    headers = an_envelope().headers()
    del headers["traceparent"]
    # when, then
    assert parse(HEARS, headers, body()).traceparent == ""


@pytest.mark.parametrize(
    "odd",
    ["x" * 130_877, TRACEPARENT + "\x00", "\x00", TRACEPARENT.upper(), f"{TRACEPARENT}\n", "", 7, None, ["a"]],
    ids=lambda odd: repr(odd)[:30],
)
def test_what_is_no_trace_is_not_handed_on(odd: Any) -> None:
    """It would go into each message after it: too long for a frame, or nothing that a database can read as JSON."""
    headers: dict[str, Any] = an_envelope().headers()
    assert parse(HEARS, headers | {"traceparent": odd}, body()).traceparent == ""


@pytest.mark.parametrize("name", ["ce-id", "ce-type", "ce-time"])
def test_a_missing_header_is_named(name: str) -> None:
    """A person who looks at a parked message reads what is wrong with it."""
    # given
    headers = an_envelope().headers()
    del headers[name]
    # when, then
    with pytest.raises(MalformedMessageError, match=f"{name} is missing"):
        parse(HEARS, headers, body())


class Grown(Checkout, service="payment", version=3, says=1):
    """An event that not everybody reads in its newest version yet."""

    amount: int
    total_price: int


class Small(Checkout, service="payment"):
    """What the others know of it."""


@upcaster(Grown, version=1)
def add_amount(body: dict[str, Any]) -> dict[str, Any]:
    """Version 2 has more."""
    return body | {"amount": 2}


@upcaster(Grown, version=2)
def add_total_price(body: dict[str, Any]) -> dict[str, Any]:
    """Version 3 has still more."""
    return body | {"total_price": 3}


@downcaster(Grown, version=3)
def drop_total_price(body: dict[str, Any]) -> dict[str, Any]:
    """Version 2 has less."""
    return {name: value for name, value in body.items() if name != "total_price"}


@downcaster(Grown, version=2)
def drop_amount(body: dict[str, Any]) -> dict[str, Any]:
    """Version 1 has still less."""
    return {name: value for name, value in body.items() if name != "amount"}


def test_an_event_is_said_in_the_version_that_everybody_reads() -> None:
    """Old code reads what new code says, and new code reads it too."""
    # given
    grown = an(Grown)
    envelope = replace(an_envelope(), event=grown)
    # when
    body, headers = grown.written(), envelope.headers()
    # then
    assert headers["ce-type"] == "test_envelope.grown.v1"
    assert Small.read(1, body).checkout_id == grown.checkout_id
    assert parse([Grown], headers, body.encode()).event == grown.model_copy(update={"amount": 2, "total_price": 3})


def test_a_newer_version_is_told_from_nonsense() -> None:
    """Newer code will understand it, as far as can be seen."""
    # given
    headers = an_envelope().headers() | {"ce-type": "point.spent.v2"}
    # when, then
    with pytest.raises(NewerVersionError, match=r"point\.spent is known up to version 1, not 2"):
        parse(HEARS, headers, b"what it holds is not known")
    with pytest.raises(MalformedMessageError):
        parse(HEARS, headers | {"ce-id": "7"}, body())


@pytest.mark.parametrize("unknown", ["point.refunded.v1", "point.spent", "point.spent.v", "point.spent.vI", "", ".v1"])
def test_an_event_that_is_not_heard_is_refused(unknown: str) -> None:
    """Other events and nonsense are told from the known ones."""
    # given
    headers = an_envelope().headers() | {"ce-type": unknown}
    # when, then
    with pytest.raises(MalformedMessageError, match=r"known are point\.rejected, point\.spent$"):
        parse(HEARS, headers, body())


@pytest.mark.parametrize("version", ["0", "9" * 5000])
def test_a_version_that_nobody_knows_is_refused(version: str) -> None:
    """What an unknown version means is not guessed."""
    # given
    headers = an_envelope().headers() | {"ce-type": f"point.spent.v{version}"}
    # when, then
    with pytest.raises(MalformedMessageError):
        parse(HEARS, headers, body())


@pytest.mark.parametrize(
    "headers",
    [
        {"ce-id": "no-uuid"},
        {"ce-id": 7},
        {"ce-id": "-" * 600 + str(EVENT_ID)},
        {"ce-time": "yesterday"},
        {"ce-time": "2026-01-02T03:04:05"},
        {"ce-time": 7},
        {"ce-causationid": "no-uuid"},
        {"ce-type": ["point.spent.v1"]},
    ],
)
def test_a_broken_header_is_refused(headers: dict[str, object]) -> None:
    """Whatever a header holds, reading it raises nothing else."""
    with pytest.raises(MalformedMessageError):
        parse(HEARS, an_envelope().headers() | headers, body())


@pytest.mark.parametrize("broken", [b"", b"null", b"[]", b"{}", b"{", b"\xff", b'"text"'])
@pytest.mark.parametrize("version", [checkout.Completed.version, *checkout.Completed.upcasters])
def test_a_broken_body_is_refused(broken: bytes, version: int) -> None:
    """Whatever a body holds, reading it raises nothing else, in no version."""
    # given
    headers = an_envelope().headers() | {"ce-type": f"checkout.completed.v{version}"}
    # when, then
    with pytest.raises(MalformedMessageError):
        parse([checkout.Completed], headers, broken)


def test_a_deep_body_of_an_old_version_is_refused() -> None:
    """Nor does it raise anything else where an old body is read before it is lifted."""
    # given
    headers = an_envelope().headers() | {"ce-type": "checkout.completed.v1"}
    # when, then
    with pytest.raises(MalformedMessageError):
        parse([checkout.Completed], headers, b"[" * 100_000)


def test_the_type_holds_the_version() -> None:
    """A receiver can tell versions apart before it reads the body."""
    assert type_of(checkout.Requested) == "checkout.requested.v1"


def test_an_outgoing_message_carries_the_envelope() -> None:
    """What the outbox keeps is all that the broker needs, and is read as it was written."""
    # given
    envelope = an_envelope()
    # when
    message = Outgoing.of(envelope)
    # then
    assert (message.event_id, message.saga_id, message.routing_key) == (EVENT_ID, CHECKOUT_ID, "point.spent")
    assert message.occurred_at == datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
    assert parse(HEARS, message.headers, message.body.encode()) == envelope


def test_only_an_end_may_go_unheard() -> None:
    """Everything else that no queue takes is an error, and so is an end of which somebody is to be told."""
    # given
    sent, failed = (Envelope(an(end), EVENT_ID, CAUSE_ID, NOW, TRACEPARENT) for end in (payment.Sent, checkout.Failed))
    # when, then
    assert Outgoing.of(an_envelope()).mandatory
    assert not Outgoing.of(sent).mandatory
    assert Outgoing.of(failed).mandatory


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)])
def test_size_is_bounded_before_it_is_read(more: int, is_read: bool) -> None:
    """The broker takes more than an event can have; what is too large is not even looked at."""
    large = body().ljust(MAX_BODY + more)

    with contextlib.nullcontext() if is_read else pytest.raises(MalformedMessageError, match="65537 bytes"):
        assert parse(HEARS, an_envelope().headers(), large)
