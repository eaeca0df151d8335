"""Calling off an evening: what operators ask for, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel

from chassis.store import Transaction
from chassis.web import (
    CurrentOperator,
    CurrentRuntime,
    IdempotencyKey,
    Keyed,
    Problem,
    documented,
    not_found,
    once,
)
from seat_svc.models import CALLED_OFF, OPEN, DateStatus

OPERATIONS = documented(
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
)
LOOKING = documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

router = APIRouter(prefix="/operations/dates", tags=["operations"])

CatalogueId = Annotated[int, Path(ge=1, le=2**31 - 1)]

# In the order in which steps lock them, else one would wait for the other for ever.
_LOCK = """
    SELECT count(*) FROM (SELECT FROM seat WHERE date_id = $1 ORDER BY seat_id FOR UPDATE) AS locked
    """
_REVOKE = f"""
    UPDATE seat SET
        revoked = '{CALLED_OFF}',
        revoke_at = CASE WHEN holder IS NOT NULL THEN $2::timestamptz END,
        status = CASE WHEN status = 'RESERVED' THEN status ELSE 'WITHDRAWN' END
    WHERE date_id = $1
    """  # noqa: S608  # a word of the models
_CALL_OFF = "UPDATE concert_date SET called_off_at = $2 WHERE date_id = $1 AND called_off_at IS NULL RETURNING date_id"
_EVENING = f"""
    SELECT date_id, concert_id, starts_at, called_off_at,
        count(seat_id) FILTER (WHERE {OPEN}) AS open_seats,
        count(seat_id) AS seats,
        count(seat_id) FILTER (WHERE status = 'AVAILABLE') AS available,
        count(holder) FILTER (WHERE status <> 'RESERVED') AS held,
        count(holder) FILTER (WHERE status = 'RESERVED') AS sold,
        count(seat_id) FILTER (WHERE status = 'WITHDRAWN' AND holder IS NULL) AS withdrawn,
        count(holder) FILTER (WHERE revoke_at <= called_off_at) AS to_tell
    FROM (SELECT date_id, concert_id, starts_at, called_off_at FROM concert_date WHERE date_id = $1) AS evening
    LEFT JOIN seat USING (date_id) GROUP BY date_id, concert_id, starts_at, called_off_at
    """  # noqa: S608  # a condition of the models


class EveningState(BaseModel):
    """One evening as operators see it; each seat is available, held, sold or withdrawn.

    `status` is available, sold_out or called_off. Of an evening that is called off, what is held is still to be given
    up and what is sold still to be refunded; it is `done` when there is neither. `to_tell` counts the seats whose
    holders have not been told yet.
    """

    date_id: int
    concert_id: int
    starts_at: datetime
    status: str
    called_off_at: datetime | None
    seats: int
    available: int
    held: int
    sold: int
    withdrawn: int
    to_tell: int
    done: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """An evening with its seats counted."""
        is_done = found["called_off_at"] is not None and found["held"] + found["sold"] == 0
        return cls(**found, status=date_status(found), done=is_done)


@dataclass(frozen=True)
class CallOff:
    """What operators ask for."""

    keyed: Keyed
    date_id: int


def date_status(found: Mapping[str, Any]) -> str:
    """What has become of an evening with so many `open_seats`, in lower case; without any it is sold out."""
    if found["called_off_at"] is not None:
        return DateStatus.CALLED_OFF.lower()
    return (DateStatus.AVAILABLE if found["open_seats"] else DateStatus.SOLD_OUT).lower()


@router.get("/{date_id}", responses=LOOKING)
async def evening(date_id: CatalogueId, _: CurrentOperator, runtime: CurrentRuntime) -> EveningState:
    """How many seats of an evening are sold or held, and how far it is called off, if it is."""

    async def work(transaction: Transaction) -> EveningState | Problem:
        return await _state(transaction, date_id)

    found = await runtime.requests.run(work)
    if isinstance(found, Problem):
        raise found
    return found


@router.post("/{date_id}/cancel", responses=OPERATIONS)
async def cancel(
    date_id: CatalogueId, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime
) -> EveningState:
    """Call an evening off, for good: nothing of it is held or sold from now on, and what was is given back."""
    asked = CallOff(Keyed(operator_id, key, f"cancel {date_id}"), date_id)
    return await runtime.requests.alone(call_off, asked)


async def call_off(transaction: Transaction, requests: Sequence[CallOff]) -> list[EveningState | Problem]:
    """Call evenings off, once for each key; the answers to all requests."""

    async def begin(fresh: Sequence[CallOff]) -> list[EveningState | Problem]:
        return [await _call_off(transaction, one.date_id) for one in fresh]

    return await once(transaction, requests, EveningState, begin)


async def _call_off(transaction: Transaction, date_id: int) -> EveningState | Problem:
    """Revoke all seats of an evening, unless it is called off already."""
    now = transaction.now()
    if await transaction.fetch(_CALL_OFF, date_id, now):
        await transaction.fetch(_LOCK, date_id)
        await transaction.fetch(_REVOKE, date_id, now)
    return await _state(transaction, date_id)


async def _state(transaction: Transaction, date_id: int) -> EveningState | Problem:
    found = await transaction.fetch(_EVENING, date_id)
    return EveningState.of(found[0]) if found else not_found("date")
