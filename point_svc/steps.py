"""What point_svc does in a checkout, and how it undoes it."""

from datetime import datetime
from typing import Annotated

from chassis import By, Service
from contracts import checkout, point, reservation
from point_svc.models import EntryType, PointHistory, Tombstone, Wallet

service = Service("point")

History = Annotated[list[PointHistory], By("checkout_id")]


@service.step
def spend(
    request: checkout.Requested, wallet: Wallet | None, history: History, tombstone: Tombstone | None, now: datetime
) -> tuple[point.Spent, PointHistory] | point.Rejected | None:
    """Take the price of a checkout out of the user's wallet."""
    if history or tombstone:
        return None
    if request.is_late(now):
        return point.Rejected.after(request, reason="deadline-passed")
    if wallet is None or wallet.balance < request.amount:
        return point.Rejected.after(request, reason="insufficient-points")
    return point.Spent.after(request), wallet.use(request.amount, request.checkout_id)


@service.undo(spend)
def refund(
    lost: reservation.Rejected | reservation.Reverted,
    wallet: Wallet | None,
    history: History,
    tombstone: Tombstone | None,
) -> tuple[point.Refunded, list[PointHistory]] | tuple[point.Unspent, list[Tombstone]]:
    """Put back what `spend` took; where that has not come, see to it that it never does. It answers every time."""
    spent = {entry.type: entry.amount for entry in history}
    if EntryType.USE not in spent:
        return point.Unspent.after(lost), [] if tombstone else [Tombstone(checkout_id=lost.checkout_id)]
    if wallet is None:
        raise LookupError(f"no wallet of {lost.user_id}, who has spent")
    amount = spent[EntryType.USE]
    back = [] if EntryType.REFUND in spent else [wallet.refund(amount, lost.checkout_id)]
    return point.Refunded.after(lost, amount=amount), back
