"""What the platform keeps: each delivery once, and every attempt to deliver."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pydantic import BaseModel, TypeAdapter

# With a write-ahead log SQLite otherwise leaves the last commits to the next checkpoint: hence FULL.
_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS delivery (
    webhook_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    received_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempt (
    number INTEGER PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    status INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS attempt_of_delivery ON attempt (webhook_id);
"""

_ATTEMPT = "INSERT INTO attempt (webhook_id, received_at, status) VALUES (?, ?, ?)"

_DELIVERIES = """
SELECT webhook_id, body, received_at,
       (SELECT count(*) FROM attempt WHERE attempt.webhook_id = delivery.webhook_id) AS attempts
FROM delivery
"""


class Delivery(BaseModel):
    """A delivery as it was first received; `attempts` counts all requests with its id, refused ones too."""

    webhook_id: str
    body: str
    received_at: datetime
    attempts: int


class Attempt(BaseModel):
    """One request to deliver, and the status that it was answered with."""

    number: int
    webhook_id: str
    received_at: datetime
    status: int


class Received(NamedTuple):
    """A request to deliver. Without a body nothing is stored of it but the attempt.

    `answer` is the status to answer with if given, else 201 for a new delivery and 200 for one that was there.
    """

    webhook_id: str
    body: str | None
    answer: int | None = None


class Store:
    """The platform's memory; it is on the disk before a method returns, and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Keep the memory in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(folder / "deliveries.sqlite", check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(_TABLES)
        self._one_at_a_time = Lock()

    def note(self, requests: Sequence[Received]) -> list[int]:
        """Note the attempts and store the deliveries that are new, all in one commit; the statuses to answer with."""
        with self._one_at_a_time, self._connection as connection:
            return [_note(connection, request) for request in requests]

    def deliveries(self) -> list[Delivery]:
        """All deliveries, the earliest first."""
        rows = self._read(f"{_DELIVERIES} ORDER BY received_at, webhook_id")
        return TypeAdapter(list[Delivery]).validate_python(rows)

    def delivery(self, webhook_id: str) -> Delivery | None:
        """The delivery with this id."""
        rows = self._read(f"{_DELIVERIES} WHERE webhook_id = ?", webhook_id)
        return Delivery.model_validate(rows[0]) if rows else None

    def attempts(self) -> list[Attempt]:
        """All attempts, the earliest first."""
        rows = self._read("SELECT * FROM attempt ORDER BY number")
        return TypeAdapter(list[Attempt]).validate_python(rows)

    def _read(self, statement: str, *values: str) -> list[dict[str, object]]:
        with self._one_at_a_time:
            return [dict(row) for row in self._connection.execute(statement, values)]


def _note(connection: sqlite3.Connection, request: Received) -> int:
    now, is_new = _now(), False
    if request.body is not None:
        insert = "INSERT INTO delivery VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        is_new = connection.execute(insert, (request.webhook_id, request.body, now)).rowcount == 1
    status = request.answer or (HTTPStatus.CREATED if is_new else HTTPStatus.OK)
    connection.execute(_ATTEMPT, (request.webhook_id, now, status))
    return status


def _now() -> str:
    return datetime.now(UTC).isoformat()
