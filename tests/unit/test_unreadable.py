"""A message whose properties cannot be read is a message that says so, and no end of a connection."""

import struct

import pamqp.frame
import pytest
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.broker.unreadable import UNREADABLE, refuse_unreadable
from chassis.errors import MalformedMessageError
from tests.attacks.probes import unreadable


def received(properties: Basic.Properties) -> ContentHeader:
    """The head of a message as a client reads it."""
    payload = ContentHeader(0, 7, properties).marshal()
    frame = struct.pack(">BHI", 2, 1, len(payload)) + payload + b"\xce"
    _, _, header = pamqp.frame.unmarshal(frame)
    assert isinstance(header, ContentHeader)
    return header


@pytest.mark.parametrize(("what", "properties"), list(unreadable()), ids=lambda value: str(value)[:30])
def test_what_cannot_be_read_says_so(what: str, properties: Basic.Properties) -> None:
    """It is a message without properties, of the same size, with the reason in a header."""
    header = received(properties)

    assert header.body_size == 7
    assert header.properties.message_id is None
    assert set(header.properties.headers or {}) == {UNREADABLE}, what
    with pytest.raises(MalformedMessageError, match="cannot be read"):
        refuse_unreadable(header.properties.headers or {})


def test_what_can_be_read_is_as_it_was() -> None:
    """All others are untouched."""
    properties = Basic.Properties(headers={"ce-id": "7"}, message_id="m", user_id="point")

    header = received(properties)

    assert header.properties == properties
    refuse_unreadable(header.properties.headers or {})
