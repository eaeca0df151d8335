"""Record: what stays of a message that an operator has moved, and the file in which the command line keeps it."""

import asyncio
import getpass
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chassis.broker.parked import Parked
from chassis.broker.retry import ATTEMPT, FIRST_FAILED, LAST_ERROR, STEP
from chassis.choreography import envelope
from chassis.errors import ChoreographyError
from contracts.event import Event

RECORDED = {*envelope.HEADERS, ATTEMPT, FIRST_FAILED, LAST_ERROR, STEP}
"""The headers that a record keeps"""


class FileRecord:
    """The file in which stands who did what to which message; it names no user."""

    def __init__(self, file: Path, events: Iterable[type[Event]]) -> None:
        self._file = file
        self._events = tuple(events)

    async def append(self, action: str, one: Parked, reason: str | None) -> None:
        """Append what is about to be done; it is on disk when this returns."""
        entry = {"at": datetime.now(UTC).isoformat(), "who": getpass.getuser(), "action": action, "reason": reason}
        line = json.dumps(entry | {"message": recorded(self._events, one)}) + "\n"
        await asyncio.to_thread(self._write, line)

    def _write(self, line: str) -> None:
        with self._file.open("a") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def recorded(events: Iterable[type[Event]], one: Parked) -> dict[str, Any]:
    """The story of a message without the user that it names."""
    story = one.story(body=anonymous(events, one.message.headers, one.message.body))
    story["headers"] = {name: value for name, value in story["headers"].items() if name in RECORDED}
    return story


def anonymous(events: Iterable[type[Event]], headers: Mapping[str, Any], body: bytes) -> str:
    """An event without the user that it names; of what is no event, only how to tell it from others."""
    try:
        event = envelope.parse(events, headers, body).event
    except (ChoreographyError, RecursionError):
        return f"{len(body)} bytes with the SHA-256 {hashlib.sha256(body).hexdigest()}"
    return event.model_dump_json(exclude={"user_id"})
