"""What point_svc does in a checkout, and how it undoes it."""

from datetime import datetime
from typing import Annotated

from chassis import By, ContradictedError, Service, Via, agree
from contracts import checkout, point, reservation
from point_svc.models import EntryType, PointHistory, Tombstone, Wallet

service = Service("point")

History = Annotated[list[PointHistory], By("checkout_id")]
Payers = Annotated[list[Wallet], Via("history")]


@service.step
def spend(
    request: checkout.Requested, history: History, wallet: Wallet | None, tombstone: Tombstone | None, now: datetime
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
    lost: reservation.Rejected | reservation.Reverted, history: History, payers: Payers, tombstone: Tombstone | None
) -> tuple[point.Refunded, list[PointHistory]] | tuple[point.Unspent, list[Tombstone]]:
    """Put back what `spend` took, into the wallet that it came from; where that has not come, it never will.

    It answers every time.
    """
    entries = {entry.type: entry for entry in history}
    spent = entries.get(EntryType.USE)
    if spent is None:
        return point.Unspent.after(lost), [] if tombstone else [Tombstone(checkout_id=lost.checkout_id)]
    agree(lost, spent, "user_id")
    if not payers:
        raise LookupError(f"no wallet of whoever has spent for checkout {lost.checkout_id}")
    back = [] if EntryType.REFUND in entries else [payers[0].refund(spent.amount, lost.checkout_id)]
    return point.Refunded.after(lost, amount=spent.amount), back


@service.reversal(spend)
def repay(
    cancelled: reservation.Cancelled, history: History, payers: Payers
) -> tuple[point.Repaid, list[PointHistory]]:
    """Put the price of a checkout back, once, into the wallet that it came from. It answers every time."""
    entries = {entry.type: entry for entry in history}
    spent = entries.get(EntryType.USE)
    if spent is None:
        raise ContradictedError(f"checkout {cancelled.checkout_id}, which is to be repaid, has spent nothing")
    agree(cancelled, spent, "user_id", "amount")
    if not payers:
        raise LookupError(f"no wallet of whoever has spent for checkout {cancelled.checkout_id}")
    back = [] if EntryType.REFUND in entries else [payers[0].refund(spent.amount, cancelled.checkout_id)]
    return point.Repaid.after(cancelled), back
