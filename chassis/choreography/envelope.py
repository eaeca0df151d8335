"""The envelope of an event: its identity and its history, as CloudEvents 1.0 attributes in message headers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from chassis.errors import MalformedMessageError, NewerVersionError
from contracts.event import Event

HEADERS = (
    "ce-specversion",
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-time",
    "ce-subject",
    "ce-correlationid",
    "ce-causationid",
    "traceparent",
)
"""The headers of an event (CloudEvents 1.0, binary mode; W3C Trace Context)."""

TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""The form of a `traceparent` (W3C Trace Context, section 3.2.2)"""
MAX_ID = 40
MAX_BODY = 64 << 10
"""Bytes that the body of an event may have; the largest of ours has a thousand"""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with its stable id, the event that caused it, and the trace that it belongs to."""

    event: Event
    event_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    traceparent: str

    def headers(self) -> dict[str, str]:
        """The headers of the message that carries the event (CloudEvents 1.0, binary mode; W3C Trace Context)."""
        saga_id = str(self.event.saga_id)
        headers = {
            "ce-specversion": "1.0",
            "ce-id": str(self.event_id),
            "ce-source": f"/{self.event.service}",
            "ce-type": f"{self.event.name}.v{self.event.says}",
            "ce-time": self.occurred_at.isoformat(),
            "ce-subject": saga_id,
            "ce-correlationid": saga_id,
            "traceparent": self.traceparent,
        }
        return headers | ({"ce-causationid": str(self.causation_id)} if self.causation_id else {})


def type_of(event: type[Event]) -> str:
    """The name of an event with its version, such as `thing.happened.v1`."""
    return f"{event.name}.v{event.version}"


def parse(hears: Iterable[type[Event]], headers: Mapping[str, Any], body: bytes) -> Envelope:
    """The envelope in a message; raises MalformedMessageError when it is none of the events in `hears`.

    Raises NewerVersionError when it is one of them in a version that only newer code understands.
    """
    if len(body) > MAX_BODY:
        raise MalformedMessageError(f"its body has {len(body)} bytes, and an event has at most {MAX_BODY}")
    try:
        event_type, version = _heard(hears, str(headers["ce-type"]))
        event_id, cause = _id(headers["ce-id"]), headers.get("ce-causationid")
        if version > event_type.version:
            raise NewerVersionError(f"{event_type.name} is known up to version {event_type.version}, not {version}")
        return Envelope(
            event=event_type.read(version, body),
            event_id=event_id,
            causation_id=_id(cause) if cause else None,
            occurred_at=_moment(headers["ce-time"]),
            traceparent=_traceparent(headers),
        )
    except KeyError as missing:
        raise MalformedMessageError(f"{missing.args[0]} is missing") from missing
    except ValidationError as invalid:
        errors = (f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in invalid.errors())
        raise MalformedMessageError("; ".join(errors)) from invalid
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedMessageError(str(error)) from error


def _id(text: str) -> UUID:
    """An id as it is written; Python takes one with any number of hyphens for the same."""
    found = UUID(text)
    if len(text) != len(str(found)):
        raise ValueError(f"{text[:MAX_ID]!r} is no id of an event")
    return found


def _traceparent(headers: Mapping[str, Any]) -> str:
    """The trace that a message belongs to, or nothing: it is handed on to all that follows, so it has to be one."""
    found = headers.get("traceparent")
    return found if isinstance(found, str) and TRACEPARENT.fullmatch(found) else ""


def _moment(text: str) -> datetime:
    """A moment, which needs a zone to be one."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone")
    return found


def _heard(hears: Iterable[type[Event]], ce_type: str) -> tuple[type[Event], int]:
    """The event and the version that a `ce-type` names."""
    name, _, version = ce_type.rpartition(".v")
    known = {event.name: event for event in hears}
    if name not in known or not version.isdecimal():
        raise ValueError(f"event {ce_type!r} is not heard here; known are {', '.join(sorted(known))}")
    return known[name], int(version)
