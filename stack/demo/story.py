"""Three acts, event by event: a checkout that completes, one that rolls back, and a refund of the first."""

from collections.abc import Mapping
from uuid import uuid4

from rich.console import Console
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from stack.demo.invariants import Finding, examine
from stack.demo.visit import PATIENCE, Seat, Visit, total, visiting

CHARGE = 200_000


async def tell(console: Console, environment: Mapping[str, str]) -> bool:
    """The three acts and the invariants; says whether everything went as it should.

    The fan is a new one each time, so that one demo can follow another on the same stack.
    """
    async with visiting(console, environment, f"fan-{uuid4().hex[:8]}") as visit:
        await visit.charge(CHARGE)
        first, second = await visit.free_seats(2)
        bought = await _buy(visit, [first])
        await _lose(visit, [second])
        await _return(visit, bought)
        return await _examine(visit, environment)


async def check_out(
    console: Console, environment: Mapping[str, str], user: str, *, seats: int, withdraw: bool, refund: bool
) -> None:
    """One checkout of a user, who charges what it costs; if so asked, it is refused or refunded."""
    async with visiting(console, environment, user) as visit:
        chosen = await visit.free_seats(seats)
        await visit.charge(total(chosen))
        if withdraw:
            await _lose(visit, chosen)
            return
        bought = await _buy(visit, chosen)
        if refund:
            await _return(visit, bought)


async def _buy(visit: Visit, seats: list[Seat]) -> str:
    checkout_id = await visit.check_out(await visit.hold(seats), "completed", last="payment.sent")
    await visit.tell_delivery(checkout_id, "the payment")
    return checkout_id


async def _return(visit: Visit, checkout_id: str) -> None:
    """Give back what was bought: everything that the checkout had done is taken back, and the platform told."""
    refund_id = await visit.refund(checkout_id, last="payment.refund-sent")
    await visit.tell_delivery(refund_id, "the refund")
    visit.tell(f"refunded: {visit.name} has {await visit.balance():,} points, and the seats are on sale again")


async def _lose(visit: Visit, seats: list[Seat]) -> None:
    """Withdraw a seat while it is held: the last step before the seats are sold refuses."""
    payment_id = await visit.hold(seats)
    async with visit.withdrawn(seats[0]):
        await visit.check_out(payment_id, "failed", last="checkout.failed")
    them = "the seat" if len(seats) == 1 else "the seats"
    visit.tell(f"rolled back: {visit.name} has {await visit.balance():,} points and still holds {them}")


async def _examine(visit: Visit, environment: Mapping[str, str]) -> bool:
    """Show each invariant, once what was under way has come to rest."""
    findings = await _settled(environment)
    rows = [(one.invariant, one.what, "; ".join(one.violations) or "holds") for one in findings]
    visit.show("as the databases, the broker and the platform say", ("", "invariant", ""), rows)
    return not any(finding.violations for finding in findings)


async def _settled(environment: Mapping[str, str]) -> list[Finding]:
    """The invariants once they hold, or as they are when patience ends."""
    retrying = AsyncRetrying(
        retry=retry_if_result(lambda findings: any(finding.violations for finding in findings)),
        stop=stop_after_delay(PATIENCE),
        wait=wait_fixed(0.5),
        retry_error_callback=lambda last: last.outcome.result() if last.outcome else [],
    )
    return await retrying(examine, environment)
