"""Unreadable: a message whose properties are no AMQP that a client can read takes nobody's connection along.

The broker passes on what it does not have to understand: texts that are no UTF-8, times beyond the last year, tables in
tables without end. The client library fails on them where it reads frames, and with it the connection and all who
consume over it; and the message comes again to the next one. So what cannot be read becomes a message that says so.
"""

import struct
from collections.abc import Mapping
from typing import Any

from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.errors import MalformedMessageError, describe

UNREADABLE = "x-unreadable"
"""The header of such a message, with the reason; it has no other properties"""
_FIXED = struct.Struct(">HHQ")
_unmarshal = ContentHeader.unmarshal


def _read(header: Any, data: bytes) -> None:
    """The properties in the head of a message, or what was wrong with them."""
    try:
        _unmarshal(header, data)
    except Exception as error:  # noqa: BLE001  # whatever a sender has found
        header.class_id, header.weight, header.body_size = _FIXED.unpack_from(data)
        header.properties = Basic.Properties(headers={UNREADABLE: describe(error)})


def refuse_unreadable(headers: Mapping[str, Any]) -> None:
    """Raise MalformedMessageError for the headers of a message that could not be read."""
    if UNREADABLE in headers:
        raise MalformedMessageError(f"its properties cannot be read: {headers[UNREADABLE]}")


def tolerate() -> None:
    """From now on, in this process, read the head of every message in this way."""
    ContentHeader.unmarshal = _read  # type: ignore[method-assign, assignment]  # there is no other way in
