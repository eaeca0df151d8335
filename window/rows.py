"""Rows: messages of the archive as the data classes that all others work on."""

import json
from uuid import UUID

from window.database import Connection, Row
from window.message import Message, Place
from window.reading import with_user

MAX_OF_SAGA = 500
"""So many messages of one saga are told; one of ours has a dozen"""
COLUMNS = """number, place, event_id, saga_id, event, version, service, cause, occurred_at, seen_at, step, attempt,
    delay, error, traceparent, headers, body, user_id"""
_OF_SAGAS = f"""
    SELECT m.* FROM unnest($1::uuid[]) AS wanted(saga_id) CROSS JOIN LATERAL (
        SELECT {COLUMNS} FROM message WHERE message.saga_id = wanted.saga_id ORDER BY number LIMIT {MAX_OF_SAGA}
    ) AS m
    """  # noqa: S608  # names from the code


def message(row: Row, *, headers: bool = True) -> Message:
    """The message in a row, without its headers where they are not needed."""
    return Message(
        number=row["number"],
        place=Place(row["place"]),
        event_id=row["event_id"],
        saga_id=row["saga_id"],
        event=row["event"],
        version=row["version"],
        service=row["service"],
        cause=row["cause"],
        occurred_at=row["occurred_at"],
        seen_at=row["seen_at"],
        step=row["step"],
        attempt=row["attempt"],
        delay=row["delay"],
        error=row["error"],
        traceparent=row["traceparent"],
        headers=json.loads(row["headers"]) if headers else None,
        body=with_user(row["body"], row["user_id"]),
    )


async def of_sagas(connection: Connection, saga_ids: list[UUID], *, headers: bool = True) -> dict[UUID, list[Message]]:
    """The messages of some sagas, as they were stored."""
    found: dict[UUID, list[Message]] = {}
    for row in await connection.fetch(_OF_SAGAS, saga_ids):
        found.setdefault(row["saga_id"], []).append(message(row, headers=headers))
    return found
