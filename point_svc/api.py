"""The REST interface of point_svc."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from chassis.store import Transaction
from chassis.web import CurrentRuntime, CurrentUser, IdempotencyKey, Keyed, Problem, documented, once
from point_svc.models import EntryType, PointHistory, Wallet

router = APIRouter(prefix="/points", tags=["points"], responses=documented(HTTPStatus.UNAUTHORIZED))


class Charge(BaseModel):
    """Points to put into the wallet."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: int = Field(ge=1, le=1_000_000_000)


class Balance(BaseModel):
    """What the wallet holds now."""

    balance: int


class Entry(BaseModel):
    """One movement of the balance."""

    entry_id: UUID
    type: EntryType
    amount: int
    balance_after: int
    checkout_id: UUID | None
    created_at: datetime


@dataclass(frozen=True)
class ChargePolicy:
    """The points that a wallet can be charged up to; a refund is taken in any case."""

    max_balance: int


@dataclass(frozen=True)
class ChargeRequest:
    """What `POST /points/charge` asks for."""

    keyed: Keyed
    amount: int
    max_balance: int


@router.post(
    "/charge",
    responses=documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def charge(body: Charge, user_id: CurrentUser, key: IdempotencyKey, runtime: CurrentRuntime) -> Balance:
    """Put points into the wallet, once for each key; the first charge opens it."""
    ceiling = runtime.dependency(ChargePolicy).max_balance
    asked = ChargeRequest(Keyed(user_id, key, body.model_dump_json()), body.amount, ceiling)
    # By itself: where somebody else has locked a wallet, only who charges that one waits.
    return await runtime.requests.alone(put_in, asked)


async def put_in(transaction: Transaction, requests: Sequence[ChargeRequest]) -> list[Balance | Problem]:
    """Charge the wallets, once for each key; the answers to all requests."""

    async def begin(fresh: Sequence[ChargeRequest]) -> list[Balance | Problem]:
        return [await _put_in(transaction, one) for one in fresh]

    return await once(transaction, requests, Balance, begin)


async def _put_in(transaction: Transaction, asked: ChargeRequest) -> Balance | Problem:
    user_id = asked.keyed.user_id
    await transaction.execute(insert(Wallet).values(user_id=user_id, balance=0).on_conflict_do_nothing())
    (wallet,) = await transaction.lock(Wallet, "user_id", [user_id])
    if wallet.balance + asked.amount > asked.max_balance:
        return Problem(HTTPStatus.CONFLICT, f"A wallet holds at most {asked.max_balance} points.", "wallet-full")
    transaction.add(wallet.charge(asked.amount))
    return Balance(balance=wallet.balance)


@router.get("")
async def balance(user_id: CurrentUser, runtime: CurrentRuntime) -> Balance:
    """What the wallet holds; nothing, where nothing was ever charged."""

    async def work(transaction: Transaction) -> int:
        wallet = await transaction.find_one(Wallet, user_id)
        return wallet.balance if wallet else 0

    return Balance(balance=await runtime.requests.run(work))


@router.get("/history", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
async def history(
    user_id: CurrentUser, runtime: CurrentRuntime, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[Entry]:
    """The latest movements of the balance, newest first."""
    query = select(PointHistory).where(PointHistory.user_id == user_id)
    newest = query.order_by(col(PointHistory.entry_id).desc()).limit(limit)

    async def work(transaction: Transaction) -> list[Entry]:
        rows = await transaction.select(newest)
        return [Entry.model_validate(row, from_attributes=True) for row in rows]

    return await runtime.requests.run(work)
