"""Idempotency-Key: a request that is sent again gets the answer that it got the first time.

After draft-ietf-httpapi-idempotency-key-header: keys belong to their user, and are stored in the transaction that
does the work, so that a crash leaves either both or neither.
"""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Header

from chassis.models import Timestamp
from chassis.problem import Problem
from chassis.transaction import Transaction

metadata = sa.MetaData()
"""The table of this pattern, for those services whose requests need it."""

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.now(), index=True),
)


async def _key(idempotency_key: Annotated[str | None, Header(max_length=255)] = None) -> str:
    if not idempotency_key or not idempotency_key.isprintable():
        raise Problem(HTTPStatus.BAD_REQUEST, "The header Idempotency-Key is missing.", "idempotency-key-missing")
    return idempotency_key


IdempotencyKey = Annotated[str, Depends(_key)]
"""The key of the request; without one it is a 400."""


async def recall(transaction: Transaction, user_id: str, key: str, request: str) -> Any | None:
    """The stored answer to this request, or None when it is new; holds the key until the transaction ends.

    Raises Problem: 409 while another transaction holds the key, 422 when the key was used for another request.
    """
    scoped = f"{user_id}\0{key}".encode()
    lock = int.from_bytes(hashlib.sha256(scoped).digest()[:8], signed=True)
    if not await transaction.session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(lock))):
        raise Problem(HTTPStatus.CONFLICT, "The first request with this key is still being accepted.", "key-in-use")
    query = sa.select(idempotency).where(idempotency.c.user_id == user_id, idempotency.c.key == key)
    known = (await transaction.session.execute(query)).one_or_none()
    if known is None:
        return None
    if known.fingerprint != _fingerprint(request):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "This key was used for another request.",
            "idempotency-key-reused",
        )
    return known.answer


async def remember(transaction: Transaction, user_id: str, key: str, request: str, answer: Any) -> None:
    """Store the answer to a request, as JSON, with what the request did."""
    values = {"user_id": user_id, "key": key, "fingerprint": _fingerprint(request), "answer": answer}
    await transaction.session.execute(sa.insert(idempotency), values)


def _fingerprint(request: str) -> str:
    return hashlib.sha256(request.encode()).hexdigest()
