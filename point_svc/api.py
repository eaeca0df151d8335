"""The REST interface of point_svc."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from chassis.store import Transaction
from chassis.web import CurrentRuntime, CurrentUser, documented
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


@router.post("/charge", responses=documented(HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY))
async def charge(body: Charge, user_id: CurrentUser, runtime: CurrentRuntime) -> Balance:
    """Put points into the wallet; the first charge opens it."""

    async def work(transaction: Transaction) -> int:
        await transaction.execute(insert(Wallet).values(user_id=user_id, balance=0).on_conflict_do_nothing())
        (wallet,) = await transaction.lock(Wallet, "user_id", [user_id])
        transaction.add(wallet.charge(body.amount))
        return wallet.balance

    return Balance(balance=await runtime.database.run(work))


@router.get("")
async def balance(user_id: CurrentUser, runtime: CurrentRuntime) -> Balance:
    """What the wallet holds; nothing, where nothing was ever charged."""

    async def work(transaction: Transaction) -> int:
        wallet = await transaction.find_one(Wallet, user_id)
        return wallet.balance if wallet else 0

    return Balance(balance=await runtime.database.run(work))


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

    return await runtime.database.run(work)
