"""Ids that sort by time (UUIDv7, RFC 9562)."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A new id, greater than every id made before it on this machine."""
    return uuid_utils.compat.uuid7()


def made_at(new: UUID) -> datetime:
    """When `new_id` made this id: its first 48 bits are the milliseconds since 1970."""
    return datetime.fromtimestamp((new.int >> 80) / 1000, UTC)
