"""View: what the databases say of the seats of a date and of one fan, also while the services themselves are broken."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from stack.stage.fans import Saga
from stack.stage.processes import Process
from stack.stage.tables import Row, Tables

SEATS_A_PAGE = 100
SeatState = Literal["available", "yours", "held", "bought", "sold", "withdrawn"]


class DateView(BaseModel):
    """An evening of a concert."""

    date_id: int
    title: str
    starts_at: datetime
    open_seats: int


class SeatView(BaseModel):
    """A seat as the fan sees it: `yours` is held and `bought` is sold to the fan; `held` and `sold` are others'."""

    seat_id: int
    label: str
    price: int
    state: SeatState
    until: datetime | None
    """When the fan's hold ends"""


class HoldView(BaseModel):
    """Seats that the fan has asked for; `status` is that of the reservation, `payment` that of the payment."""

    payment_id: UUID
    status: str
    reason: str | None
    seats: list[str]
    total: int
    expires_at: datetime | None
    payment: str | None


class CheckoutView(BaseModel):
    """An attempt of the fan to pay."""

    checkout_id: UUID
    payment_id: UUID
    status: str
    reason: str | None
    amount: int
    created_at: datetime
    finished_at: datetime | None


class View(BaseModel):
    """Everything that the page of the stage shows of one fan and some seats."""

    fan: str
    balance: int
    dates: list[DateView]
    date_id: int
    page: int
    pages: int
    seats: list[SeatView]
    holds: list[HoldView]
    checkouts: list[CheckoutView]
    sagas: list[Saga]
    processes: list[Process] = []
    platform: str = "well"


async def look(tables: Tables, fan: str, date_id: int, page: int, sagas: Sequence[Saga]) -> View:
    """Read all of it; raises Problem where there is no such date, and 503 where a database does not answer."""
    known = {kind: [saga.saga_id for saga in sagas if saga.kind == kind] for kind in ("hold", "checkout")}
    dates, seats = await tables.evening(date_id, page * SEATS_A_PAGE, SEATS_A_PAGE)
    reservations = await tables.reservations(fan, known["hold"])
    holders = {row["holder"] for row in seats if row["holder"]} | {row["payment_id"] for row in reservations}
    payments, checkouts = await tables.owed(holders, known["checkout"])
    mine = {row["payment_id"] for row in (*reservations, *payments) if row["user_id"] == fan}
    until = {row["payment_id"]: row["expires_at"] for row in reservations}
    labels = await tables.labels({row["seat_id"] for row in reservations})
    in_all = await tables.count(date_id)
    return View(
        fan=fan,
        balance=await tables.balance(fan),
        dates=[DateView(**row) for row in dates],
        date_id=date_id,
        page=page,
        pages=-(-in_all // SEATS_A_PAGE),
        seats=[_seat(row, mine, until.get(row["holder"])) for row in seats],
        holds=_holds(reservations, {row["payment_id"]: row["status"] for row in payments}, labels),
        checkouts=[CheckoutView(**{**row, "status": row["status"].lower()}) for row in checkouts],
        sagas=list(sagas),
    )


def _seat(row: Row, mine: set[UUID], until: datetime | None) -> SeatView:
    state = seat_state(row["status"], is_mine=row["holder"] in mine)
    return SeatView(
        seat_id=row["seat_id"],
        label=row["label"],
        price=row["price"],
        state=state,
        until=until if state == "yours" else None,
    )


def seat_state(status: str, *, is_mine: bool) -> SeatState:
    """What a seat is to the fan."""
    states: dict[str, tuple[SeatState, SeatState]] = {
        "AVAILABLE": ("available", "available"),
        "OCCUPIED": ("held", "yours"),
        "RESERVED": ("sold", "bought"),
        "WITHDRAWN": ("withdrawn", "withdrawn"),
    }
    return states[status][is_mine]


def _holds(reservations: Sequence[Row], payments: dict[UUID, str], labels: dict[int, str]) -> list[HoldView]:
    """One for each payment, in the order of the rows."""
    grouped: dict[UUID, list[Row]] = {}
    for row in reservations:
        grouped.setdefault(row["payment_id"], []).append(row)
    return [
        HoldView(
            payment_id=payment_id,
            status=rows[0]["status"].lower(),
            reason=rows[0]["reason"],
            seats=sorted(labels.get(row["seat_id"], str(row["seat_id"])) for row in rows),
            total=sum(row["price"] or 0 for row in rows),
            expires_at=rows[0]["expires_at"],
            payment=payments[payment_id].lower() if payment_id in payments else None,
        )
        for payment_id, rows in grouped.items()
    ]
