"""What can happen next in a world, each under a name that means the same in every run.

A list of such names is a complete and readable account of a run, and whoever finds a bad one can keep it as a test.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from random import Random
from typing import Any
from uuid import UUID

from chassis.choreography.step import Kind
from contracts.event import Event, Timed
from contracts.reservation import Requested
from payment_svc.models import Checkout, CheckoutStatus, Refund, RefundStatus
from reservation_svc.models import Reservation, Status
from seat_svc.models import ConcertDate, Seat, SeatStatus
from tests.simulation import requests
from tests.simulation.beginnings import due, starts
from tests.simulation.outside import STEPS
from tests.simulation.scenario import FAILURES, PASSES, Trouble
from tests.simulation.world import World

Happening = Callable[[World], None]
Named = Iterator[tuple[str, Happening]]
Listing = Callable[[World], Iterator[tuple[str, Any]]]

SLOWLY = "slowly: "
TROUBLE_ONE_IN = 5

UNDER_NO_CLOCK = tuple(queue for queue, step in STEPS.items() if step.kind is Kind.EFFECT)
"""Steps after the pivot that no clock asks about: what is parked there waits for a person."""

ENDED = (Status.CONFIRMED, Status.REJECTED, Status.EXPIRED, Status.CANCELLED)
"""The states of a hold that has ended, or whose checkout goes on for it."""

REMEMBERED = ("seat.hold", "seat.reserve")
"""Steps that only their inbox keeps from doing an old thing once more, until its deadline does."""


def plain(world: World) -> dict[str, Happening]:
    """What happens when all goes well; in which order is up to the broker, and to whoever schedules processes."""
    named = dict(_goings_on(world))
    for listing in BEGINNINGS:
        for name, happening in listing(world):
            named[name] = happening
            if may_be_slow(world):
                named[slowly(name)] = partial(_slowly, happening=happening)
    return named


def trouble(world: World) -> dict[str, Happening]:
    """What an adversary may add, as long as its budget lasts."""
    if world.trouble >= world.scenario.max_trouble:
        return {}
    return {name: happening for kind in world.scenario.trouble for name, happening in troubles(world, kind)}


def by_chance(world: World, chance: Random) -> tuple[str, Happening] | None:
    """One of them, or None when there is none. Only as much is listed as is needed to choose."""
    may_be_bad = world.scenario.trouble and world.trouble < world.scenario.max_trouble
    if may_be_bad and not chance.randrange(TROUBLE_ONE_IN):
        kind = chance.choice(world.scenario.trouble)
        if bad := list(troubles(world, kind)):
            return chance.choice(bad)
    for listing in chain(chance.choices(LISTINGS, WEIGHTS, k=TRIES), LISTINGS):
        if pool := list(listing(world)):
            name, happening = chance.choice(pool)
            if listing is not _goings_on and may_be_slow(world) and chance.randrange(2):
                return slowly(name), partial(_slowly, happening=happening)
            return name, happening
    return None


def happen(world: World, name: str, happening: Happening) -> None:
    """Let it happen under its name."""
    world.happening = name.removeprefix(SLOWLY)
    happening(world)


def may_be_slow(world: World) -> bool:
    """Whether something may begin and not go on at once."""
    return len(world.running) < world.scenario.overlap


def slowly(name: str) -> str:
    """The name of the same, when it does not go on at once."""
    return f"{SLOWLY}{name}"


def _slowly(world: World, happening: Happening) -> None:
    world.is_slow = True
    happening(world)
    world.is_slow = False


def _goings_on(world: World) -> Named:
    """What goes on to its next turn, or as far as it can, and does not wait for somebody else."""
    for process in world.running:
        if not process.is_waiting:
            yield f"go on: {process.name}", partial(World.go_on, process=process)
            yield f"finish: {process.name}", partial(World.finish, process=process)


def _deliveries(world: World) -> Named:
    for name, (queue, event_id) in _messages(world):
        yield f"deliver {name}", partial(World.deliver, queue=queue, event_ids=[event_id])


def _batches_delivered(world: World) -> Named:
    for queue, event_ids in _batches(world):
        yield f"deliver all to {queue} in one batch", partial(World.deliver, queue=queue, event_ids=event_ids)


def _sweeps(world: World) -> Named:
    for service, server in world.servers.items():
        if server.committed.outbox:
            yield f"sweep {service}", partial(World.sweep, service=service)


def _returns(world: World) -> Named:
    for row in world.rows(Seat):
        is_off_sale = row.status == SeatStatus.WITHDRAWN or row.revoked
        if is_off_sale and not row.is_called_off:
            yield f"return seat {row.seat_id}", partial(requests.put_back, seat_id=row.seat_id)


def troubles(world: World, kind: Trouble) -> Named:
    """What an adversary may do of one kind."""
    if kind in PASSES:
        yield str(kind), partial(World.wait, trouble=kind)
    elif kind in _SPECIAL:
        yield from _SPECIAL[kind](world)
    else:
        yield from _failures(world, kind)


def _outdated_looks(world: World) -> Named:
    for payment_id in due(world, Status.CONFIRMED):
        name = f"{world.names[payment_id]} expires, {Trouble.OUTDATED_LOOK}"
        yield name, partial(requests.expire, payment_id=payment_id, trouble=Trouble.OUTDATED_LOOK)


def _kills(world: World) -> Named:
    for process in world.running:
        yield f"{Trouble.KILL}: {process.name}", partial(World.die, process=process)


def _leases_end(world: World) -> Named:
    for service, server in world.servers.items():
        if server.committed.outbox:
            kind = Trouble.LEASES_END
            yield f"sweep {service}, {kind}", partial(World.sweep, service=service, trouble=kind)


def _duplicates(world: World) -> Named:
    for name, (queue, event_id) in _messages(world):
        yield f"{Trouble.DUPLICATE} {name}", partial(World.duplicate, queue=queue, event_id=event_id)


def _discards(world: World) -> Named:
    """A message is lost where a clock will notice."""
    for name, (queue, event_id) in _messages(world):
        if queue not in UNDER_NO_CLOCK:
            yield f"{Trouble.DISCARD} {name}", partial(World.discard, queue=queue, event_id=event_id)


def _failures(world: World, kind: Trouble) -> Named:
    """The same as when all goes well, but in the middle of it something breaks."""
    if kind is not Trouble.RAISE_FIRST:  # of one message, the first is any
        for name, (queue, event_id) in _messages(world):
            if kind is not Trouble.RAISE or world.may_fail(queue, event_id):
                here = partial(World.deliver, queue=queue, event_ids=[event_id], trouble=kind)
                yield f"deliver {name}, {kind}", here
    for queue, event_ids in _batches(world):
        if kind not in (Trouble.RAISE, Trouble.RAISE_FIRST) or all(world.may_fail(queue, one) for one in event_ids):
            name = f"deliver all to {queue} in one batch, {kind}"
            yield name, partial(World.deliver, queue=queue, event_ids=event_ids, trouble=kind)
    if kind in FAILURES:
        for name, start in starts(world):
            yield f"{name}, {kind}", partial(start, trouble=kind)


def _messages(world: World) -> Iterator[tuple[str, tuple[str, UUID]]]:
    """The messages that wait, in the order of their arrival."""
    seen: set[str] = set()
    for queue, event_id in world.pending:
        name = _name(world, queue, event_id)
        while name in seen:
            name += " again"
        seen.add(name)
        yield name, (queue, event_id)


def _batches(world: World) -> Iterator[tuple[str, list[UUID]]]:
    """Queues with several messages, a message that waits twice counting twice."""
    waiting = defaultdict(list)
    for queue, event_id in world.pending.elements():
        waiting[queue].append(event_id)
    return ((queue, event_ids) for queue, event_ids in waiting.items() if len(event_ids) > 1)


def _withdrawals(world: World) -> Named:
    for row in world.rows(Seat):
        if row.status not in (SeatStatus.WITHDRAWN, SeatStatus.RESERVED):
            kind = Trouble.WITHDRAW
            yield f"{kind} {row.seat_id}", partial(requests.withdraw, seat_id=row.seat_id, trouble=kind)


def _revocations(world: World) -> Named:
    for row in world.rows(Seat):
        if row.status == SeatStatus.RESERVED and not row.revoked:
            kind = Trouble.REVOKE
            yield f"{kind} {row.seat_id}", partial(requests.withdraw, seat_id=row.seat_id, trouble=kind)


def _callings_off(world: World) -> Named:
    for row in world.rows(ConcertDate):
        if row.called_off_at is None:
            kind = Trouble.CALL_OFF
            yield f"{kind} {row.date_id}", partial(requests.call_off, date_id=row.date_id, trouble=kind)


def _replays(world: World) -> Named:
    """Messages of sagas that have ended, so long ago that the inbox has forgotten them."""
    over = {row.checkout_id for row in world.rows(Checkout) if row.status != CheckoutStatus.PENDING}
    over |= {row.payment_id for row in world.rows(Reservation) if row.status in ENDED}
    over |= {row.refund_id for row in world.rows(Refund) if row.status != RefundStatus.PENDING}
    handled = {key for database in world.databases.values() for key in database.inbox}
    for event_id, envelope in world.envelopes.items():
        if envelope.event.saga_id in over:
            for queue in STEPS:
                if (queue, event_id) in handled and not _is_remembered(world, queue, envelope.event):
                    name = _name(world, queue, event_id)
                    yield f"{Trouble.REPLAY} {name}", partial(World.replay, queue=queue, event_id=event_id)


def _is_remembered(world: World, queue: str, event: Event) -> bool:
    """Whether the inbox must not have forgotten it yet.

    Nor may it what was asked for and is had: a refund may have taken the seats in the very moment in which it comes
    back, and reservation_svc, which hears of both, would not know yet.
    """
    if queue == "seat.hold" and isinstance(event, Requested):
        is_had = any(row.holder == event.payment_id for row in world.rows(Seat))
        refunds = (row for row in world.rows(Refund) if row.payment_id == event.payment_id)
        is_given_back = any(row.status == RefundStatus.PENDING for row in refunds)
        return is_had or is_given_back or world.clock("seat") < event.deadline
    return queue in REMEMBERED and isinstance(event, Timed) and world.clock("seat") < event.deadline


def _name(world: World, queue: str, event_id: UUID) -> str:
    event = world.envelopes[event_id].event
    return f"{event.name} of {world.names[event.saga_id]} to {queue}"


BEGINNINGS: tuple[Listing, ...] = (starts, _deliveries, _batches_delivered, _sweeps, _returns)
_OFTEN: Mapping[Listing, float] = {
    _goings_on: 8,
    _deliveries: 4,
    _batches_delivered: 4,
    starts: 3,
    _returns: 1,
    _sweeps: 1,
}
LISTINGS, WEIGHTS = list(_OFTEN), list(_OFTEN.values())
TRIES = 3
"""How often chance looks where nothing is, before it takes what there is"""
_SPECIAL: Mapping[Trouble, Listing] = {
    Trouble.WITHDRAW: _withdrawals,
    Trouble.REVOKE: _revocations,
    Trouble.CALL_OFF: _callings_off,
    Trouble.OUTDATED_LOOK: _outdated_looks,
    Trouble.REPLAY: _replays,
    Trouble.DUPLICATE: _duplicates,
    Trouble.DISCARD: _discards,
    Trouble.KILL: _kills,
    Trouble.LEASES_END: _leases_end,
}
