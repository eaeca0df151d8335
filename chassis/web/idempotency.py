"""Idempotency-Key: a request that is sent again gets the answer that it got the first time.

After draft-ietf-httpapi-idempotency-key-header: keys belong to their user, and are stored in the transaction that
does the work, so that a crash leaves either both or neither.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa
from fastapi import Depends, Header
from pydantic import BaseModel

from chassis.store.models import Timestamp
from chassis.store.transaction import Transaction
from chassis.telemetry.tracing import current
from chassis.web.problem import Problem

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


_HOLD = "SELECT pg_try_advisory_xact_lock(lock) AS held FROM unnest($1::bigint[]) AS wanted (lock)"
_KNOWN = """
    SELECT user_id, key, fingerprint, answer::text
    FROM idempotency JOIN unnest($1::text[], $2::text[]) AS wanted (user_id, key) USING (user_id, key)
    """
_REMEMBER = """
    INSERT INTO idempotency (user_id, key, fingerprint, answer)
    SELECT user_id, key, fingerprint, answer::json
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS new (user_id, key, fingerprint, answer)
    """

IdempotencyKey = Annotated[str, Depends(_key)]
"""The key of the request; without one it is a 400."""


@dataclass(frozen=True)
class Keyed:
    """A request with its key; `body` is what tells it from another request with the same key."""

    user_id: str
    key: str
    body: str
    trace: str | None = field(default_factory=current, compare=False)
    """The `traceparent` of the request: it shares its transaction with others, which belong to other traces"""


class Asked(Protocol):
    """What a request asks for, with its key."""

    @property
    def keyed(self) -> Keyed:
        """The request as its key tells it from others."""


Once = TypeVar("Once", bound=Asked)
Answer = TypeVar("Answer", bound=BaseModel)


class Known(NamedTuple):
    """What is stored of a request: what tells it from others, and its answer."""

    fingerprint: str
    answer: Any


async def once(
    transaction: Transaction,
    requests: Sequence[Once],
    answer: type[Answer],
    begin: Callable[[Sequence[Once]], Awaitable[Sequence[Answer | Problem]]],
) -> list[Answer | Problem]:
    """For each request its stored answer, or what `begin` makes of those that are new; that is stored from now on.

    A Problem is not stored: its key may be used again.
    """
    recalled = await recall(transaction, [one.keyed for one in requests])
    fresh = [one for one, known in zip(requests, recalled, strict=True) if known is None]
    began = await begin(fresh)
    done = [(one.keyed, it) for one, it in zip(fresh, began, strict=True) if not isinstance(it, Problem)]
    await remember(transaction, [(keyed, it.model_dump(mode="json")) for keyed, it in done])
    new = iter(began)
    return [next(new) if known is None else _again(answer, known) for known in recalled]


def _again(answer: type[Answer], known: Any) -> Answer | Problem:
    return known if isinstance(known, Problem) else answer.model_validate(known)


async def recall(transaction: Transaction, requests: Sequence[Keyed]) -> list[Any | Problem | None]:
    """For each request its stored answer, or None when it is new; holds the keys until the transaction ends.

    It is a Problem 422 when the key was used for another request, and 409 while the first one is being accepted. Of
    several retries at once each gets the stored answer, whichever of them holds the key.
    """
    held = await _hold(transaction, requests)
    known = await _answers(transaction, requests)
    return [_recalled(one, mine, known.get((one.user_id, one.key))) for one, mine in zip(requests, held, strict=True)]


async def remember(transaction: Transaction, answers: Iterable[tuple[Keyed, Any]]) -> None:
    """Store the answers to requests, as JSON, with what the requests did."""
    new = list(answers)
    if new:
        await transaction.fetch(
            _REMEMBER,
            [one.user_id for one, _ in new],
            [one.key for one, _ in new],
            [_fingerprint(one.body) for one, _ in new],
            [json.dumps(answer) for _, answer in new],
        )


async def _hold(transaction: Transaction, requests: Sequence[Keyed]) -> list[bool]:
    """Whether each request is the only one that has its key now: of two in one transaction, the first is."""
    locks = [_lock(one) for one in requests]
    got = await transaction.fetch(_HOLD, locks)
    together = enumerate(zip(locks, got, strict=True))
    return [mine["held"] and lock not in locks[:number] for number, (lock, mine) in together]


async def _answers(transaction: Transaction, requests: Sequence[Keyed]) -> dict[tuple[str, str], Known]:
    users, keys = [one.user_id for one in requests], [one.key for one in requests]
    found = await transaction.fetch(_KNOWN, users, keys)
    return {
        (record["user_id"], record["key"]): Known(record["fingerprint"], json.loads(record["answer"]))
        for record in found
    }


def _recalled(request: Keyed, mine: bool, known: Known | None) -> Any | Problem | None:
    if known is None:
        return None if mine else _in_use()
    if known.fingerprint != _fingerprint(request.body):
        detail = "This key was used for another request."
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "idempotency-key-reused")
    return known.answer


def _in_use() -> Problem:
    detail = "The first request with this key is still being accepted."
    return Problem(HTTPStatus.CONFLICT, detail, "key-in-use", headers={"Retry-After": "1"})


def _lock(request: Keyed) -> int:
    scoped = f"{request.user_id}\0{request.key}".encode()
    return int.from_bytes(hashlib.sha256(scoped).digest()[:8], signed=True)


def _fingerprint(request: str) -> str:
    return hashlib.sha256(request.encode()).hexdigest()
