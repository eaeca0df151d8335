"""What the platform keeps: each delivery once, and every attempt to deliver."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter

if TYPE_CHECKING:
    from pathlib import Path

_TABLES = """
PRAGMA journal_mode = WAL;
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


class Store:
    """The platform's memory; it is on the disk before a method returns, and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Keep the memory in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "deliveries.sqlite"
        with closing(sqlite3.connect(self._file)) as connection:
            connection.executescript(_TABLES)

    def keep(self, webhook_id: str, body: str) -> bool:
        """Store a delivery unless it is there; answer whether it is new."""
        insert = "INSERT INTO delivery VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        return self._write(insert, webhook_id, body, _now()) == 1

    def attempted(self, webhook_id: str, status: int) -> None:
        """Note one attempt."""
        insert = "INSERT INTO attempt (webhook_id, received_at, status) VALUES (?, ?, ?)"
        self._write(insert, webhook_id, _now(), status)

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

    def _write(self, statement: str, *values: str | int) -> int:
        with closing(self._connect()) as connection, connection:
            return connection.execute(statement, values).rowcount

    def _read(self, statement: str, *values: str) -> list[dict[str, object]]:
        with closing(self._connect()) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=30)
        # With a write-ahead log SQLite otherwise leaves the last commits to the next checkpoint.
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _now() -> str:
    return datetime.now(UTC).isoformat()
