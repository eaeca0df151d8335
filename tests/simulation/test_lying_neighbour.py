"""Each service in turn lies about everything, in any world: what the others own stays right.

Of its neighbours only what their own rows can know is asked.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from contracts import refund
from contracts.checkout import Completed
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Refund, RefundStatus
from payment_svc.notices import Webhook
from point_svc.models import EntryType, PointHistory, Wallet
from reservation_svc.models import Reservation, Status
from seat_svc.models import Seat, SeatStatus
from tests.simulation.happenings import by_chance, happen
from tests.simulation.invariants import CHANGE
from tests.simulation.liar import lie
from tests.simulation.outside import STEPS
from tests.simulation.scenario import Trouble
from tests.simulation.scheduler import settle
from tests.simulation.test_many_sagas import FIGHT
from tests.simulation.world import World

SERVICES = ("point", "reservation", "payment", "seat")
WORLDS = 60
HAPPENINGS = 150
ONE_IN = 4
QUARREL = replace(FIGHT, trouble=(Trouble.DUPLICATE, Trouble.WITHDRAW, Trouble.CALL_OFF), max_trouble=5)


def lied_to(liar: str, seed: int) -> World:
    """What becomes of a world in which one service lies now and then."""
    chance, world = random.Random(seed), World(QUARREL)  # noqa: S311  # no secret
    for _ in range(HAPPENINGS):
        if not chance.randrange(ONE_IN):
            lie(world, liar, chance)
        elif chosen := by_chance(world, chance):
            happen(world, *chosen)
    settle(world)
    return world


def damage(world: World, liar: str) -> list[str]:
    """What is wrong with what the others own."""
    found = [*_wallets(world), *_payments(world), *_refunds(world)]
    # What waits for its turn waits for the end of a checkout, which a lie can keep from ending.
    busy = [(queue, key) for queue, key in world.pending if STEPS[queue].turn is None]
    found += [f"{queue} is busy with {world.names[world.envelopes[key].event.saga_id]}" for queue, key in busy]
    if liar != "payment":  # the platform is told by itself, and seat_svc knows of no payment but by its word
        found += [*_deliveries(world), *_paid_when_sold(world, liar)]
    if liar == "seat":
        found += _spent_when_completed(world)
    if liar in ("seat", "point"):
        found += _confirmed_when_completed(world, liar)
    if liar in ("reservation", "point"):
        found += _sold_as_paid(world)
    return found


def _wallets(world: World) -> Iterator[str]:
    """Points go nowhere but from and to whom they belong, once each."""
    moved: Counter[str] = Counter()
    kinds: Counter[tuple[object, EntryType]] = Counter()
    owners: dict[object, set[tuple[str, int]]] = {}
    for entry in world.rows(PointHistory):
        moved[entry.user_id] += CHANGE[entry.type] * entry.amount
        if entry.checkout_id is not None:
            kinds[entry.checkout_id, entry.type] += 1
            owners.setdefault(entry.checkout_id, set()).add((entry.user_id, entry.amount))
    yield from (f"{one.user_id} has {one.balance}" for one in world.rows(Wallet) if one.balance != moved[one.user_id])
    yield from (f"{kind} happened {times} times" for kind, times in kinds.items() if times > 1)
    yield from (f"{key} took and gave back {who}" for key, who in owners.items() if len(who) > 1)


def _payments(world: World) -> Iterator[str]:
    """What is completed is paid by this very checkout, for what the payment asks."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    for row in world.rows(Checkout):
        owed = payments[row.payment_id]
        if (row.amount, row.user_id) != (owed.total_price, owed.user_id):
            yield f"checkout {row.checkout_id} is not for its payment"
        if (row.status == CheckoutStatus.COMPLETED) and not owed.was_paid_by(row.checkout_id):
            yield f"checkout {row.checkout_id} is completed, its payment {owed.status}"


def _refunds(world: World) -> Iterator[str]:
    """What is refunded was paid, and is given back by this very refund."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    for wanted in world.rows(Refund):
        owed = payments[wanted.payment_id]
        is_refunded = owed.status == PaymentStatus.REFUNDED and owed.refund_id == wanted.refund_id
        if is_refunded != (wanted.status == RefundStatus.COMPLETED):
            yield f"refund {wanted.refund_id} is {wanted.status}, its payment {owed.status}"
        if (wanted.amount, wanted.user_id, wanted.checkout_id) != (owed.total_price, owed.user_id, owed.checkout_id):
            yield f"refund {wanted.refund_id} is not for its payment"


def _deliveries(world: World) -> Iterator[str]:
    """The platform is told of what is completed, and of its amount, user and seats."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    checkouts = {row.checkout_id: row for row in world.rows(Checkout)}
    for checkout_id, told in world.platform.told(Webhook.PAID, Completed).items():
        row = checkouts.get(checkout_id)
        if row is None or (row.status, row.amount, row.user_id) != ("COMPLETED", told.amount, told.user_id):
            yield f"the platform was told {told}"
        elif not payments[row.payment_id].is_for(told.seat_ids):
            yield f"the platform was told {told}, which is paid for {payments[row.payment_id].seats}"
    refunds = {row.refund_id: row for row in world.rows(Refund)}
    for refund_id, story in world.platform.told(Webhook.REFUNDED, refund.Completed).items():
        back = refunds.get(refund_id)
        if back is None or (back.status, back.amount, back.user_id) != ("COMPLETED", story.amount, story.user_id):
            yield f"the platform was told {story}"


def _paid_when_sold(world: World, liar: str) -> Iterator[str]:
    paid = {row.payment_id for row in world.rows(Payment) if row.paid_at is not None}
    for row in world.rows(Seat):
        if row.status == SeatStatus.RESERVED and row.holder not in paid and liar != "seat":
            yield f"seat {row.seat_id} is sold to {row.holder}, who has not paid"


def _spent_when_completed(world: World) -> Iterator[str]:
    """The points are back of what is not reserved any more, and of nothing else."""
    entries = Counter((entry.checkout_id, entry.type) for entry in world.rows(PointHistory))
    given_back = {row.checkout_id for row in world.rows(Reservation) if row.status == Status.CANCELLED}
    for row in world.rows(Checkout):
        moved = entries[row.checkout_id, EntryType.USE], entries[row.checkout_id, EntryType.REFUND]
        if row.status == CheckoutStatus.COMPLETED and moved != (1, int(row.checkout_id in given_back)):
            yield f"checkout {row.checkout_id} is completed, and spent and got back {moved}"


def _confirmed_when_completed(world: World, liar: str) -> Iterator[str]:
    """What nobody takes back is confirmed; seat_svc may say that it was given back, because they are its seats."""
    kept = (Status.CONFIRMED, Status.CANCELLED) if liar == "seat" else (Status.CONFIRMED,)
    confirmed = {row.checkout_id for row in world.rows(Reservation) if row.status in kept}
    for row in _standing(world):
        if row.checkout_id not in confirmed:
            yield f"checkout {row.checkout_id} is completed, and not confirmed"


def _sold_as_paid(world: World) -> Iterator[str]:
    """A completed checkout that nobody takes back has the seats of its payment, for what they cost."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    for row in _standing(world):
        sold = {one.seat_id: one.price for one in world.rows(Seat) if one.is_reserved_by(row.payment_id)}
        if not payments[row.payment_id].is_for(sold) or sum(sold.values()) != row.amount:
            yield f"checkout {row.checkout_id} is completed for {row.amount}, and has {sold}"


def _standing(world: World) -> list[Checkout]:
    """The completed checkouts whose payments are paid, and not being given back."""
    paid = {row.payment_id for row in world.rows(Payment) if row.status == PaymentStatus.PAID}
    return [row for row in world.rows(Checkout) if row.status == CheckoutStatus.COMPLETED and row.payment_id in paid]


@pytest.mark.parametrize("liar", SERVICES)
def test_lies_do_no_damage_to_others(liar: str) -> None:
    """Whatever it says, and whenever."""
    said = 0
    for seed in range(WORLDS):
        world = lied_to(liar, seed)
        said += len(world.parked)
        assert damage(world, liar) == [], f"seed {seed}"
    assert said > WORLDS, "hardly anything was noticed"
