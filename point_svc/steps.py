"""What point_svc does in a checkout, and how it undoes it."""

from datetime import datetime
from typing import Annotated

from chassis import By, Service
from contracts import checkout, point, reservation
from point_svc.models import EntryType, PointHistory, Wallet

service = Service("point")

History = Annotated[list[PointHistory], By("checkout_id")]


@service.step
def spend(
    request: checkout.Requested, wallet: Wallet | None, history: History, now: datetime
) -> tuple[point.Spent, PointHistory] | point.Rejected | None:
    """Take the price of a checkout out of the user's wallet."""
    if history:
        return None
    if request.is_late(now):
        return point.Rejected.after(request, reason="deadline-passed")
    if wallet is None or wallet.balance < request.amount:
        return point.Rejected.after(request, reason="insufficient-points")
    return point.Spent.after(request), wallet.use(request.amount, request.checkout_id)


@service.undo(spend)
def refund(
    lost: reservation.Rejected | reservation.Reverted, wallet: Wallet, history: History
) -> tuple[point.Refunded, PointHistory] | None:
    """Put back what `spend` took."""
    spent = {entry.type: entry.amount for entry in history}
    if EntryType.USE not in spent or EntryType.REFUND in spent:
        return None
    amount = spent[EntryType.USE]
    return point.Refunded.after(lost, amount=amount), wallet.refund(amount, lost.checkout_id)
