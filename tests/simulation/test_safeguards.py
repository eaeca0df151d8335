"""The simulation finds what it looks for: with any one safeguard switched off, some run ends badly.

Where one safeguard covers for another, the scenario is the one in which it stands alone. Each scenario is explored
twice, with its safeguard and without, so that nothing but the safeguard can be what made the difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from aiormq.abc import DeliveredMessage

from chassis.broker.relay import Relay
from chassis.broker.retry import Retry
from chassis.store.outbox import Outgoing
from contracts.event import Timed
from payment_svc.models import Payment, PaymentStatus
from reservation_svc.models import Reservation, Status
from seat_svc.models import Seat, SeatStatus
from tests.memory.broker import MemoryPublisher
from tests.simulation import careless
from tests.simulation.outside import STEPS
from tests.simulation.scenario import Safeguard, Scenario, Trouble, Wish
from tests.simulation.scheduler import Trace, explore, replay, report, shrink, wander
from tests.simulation.test_one_saga import BOUGHT, HELD

MAX_WORLDS = 10_000
pytestmark = pytest.mark.timeout(300)  # thousands of worlds, beside other tests
SEEDS = range(400)

ONE_FAN = Scenario(points={"ann": 100}, prices={1: 60}, wishes=(Wish("ann-1", (1,)),))
# Ann's seats cost more than a payment may, so she gives back the one that bob was refused because of her.
TOO_DEAR = Scenario(
    {"ann": 100, "bob": 100},
    prices={1: 60, 2: 500},
    wishes=(Wish("ann-1", (1, 2), checkouts=0), Wish("bob-1", (1,), checkouts=0)),
)
TWO_TRIES = replace(ONE_FAN, wishes=(Wish("ann-1", (1,), checkouts=2),))
TWO_FANS = Scenario({"ann": 100, "bob": 100}, prices={1: 60}, wishes=(Wish("ann-1", (1,)), Wish("bob-1", (1,))))


@dataclass(frozen=True)
class Case:
    """A safeguard, the scenario in which it matters, what breaks without it, and how to switch it off."""

    safeguard: str
    scenario: Scenario
    breaks: str
    switch_off: Callable[[pytest.MonkeyPatch], None] = lambda patch: None
    without: frozenset[Safeguard] = frozenset()
    begun: Trace = ()
    """What has happened before anything is tried"""

    @property
    def unguarded(self) -> Scenario:
        """The scenario in a frame that lacks the safeguard, if it is one of the frame's."""
        return replace(self.scenario, without=self.without)


def in_trouble(scenario: Scenario, *kinds: Trouble, most: int = 1) -> Scenario:
    """The scenario, with up to so much of this trouble."""
    return replace(scenario, trouble=kinds, max_trouble=most)


def frame(safeguard: Safeguard, scenario: Scenario, breaks: str) -> Case:
    """A safeguard of the frame around the steps."""
    return Case(str(safeguard), scenario, breaks, without=frozenset({safeguard}))


def guard(model: type, name: str, blind: Callable[[Any, UUID], bool], scenario: Scenario, breaks: str) -> Case:
    """An owner guard of a row; `blind` looks at the state alone."""
    return Case(f"{model.__name__}.{name}", scenario, breaks, lambda patch: patch.setattr(model, name, blind))


def inside(queue: str, careless: Callable[..., Any], scenario: Scenario, breaks: str, *more: Safeguard) -> Case:
    """A guard inside of a step; `careless` is the step without it."""

    def switch_off(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(STEPS, queue, replace(STEPS[queue], function=careless))

    return Case(" and ".join([queue, *more]), scenario, breaks, switch_off, frozenset(more))


async def publish_blindly(publisher: MemoryPublisher, messages: Sequence[Outgoing]) -> list[UUID]:
    """As `publish`, but everything counts as confirmed."""
    if publisher.is_heard:
        for message in messages:
            publisher._publish(message)
    return [message.event_id for message in messages]


async def drop(retry: Retry, message: DeliveredMessage, error: Exception) -> str:
    """As `Retry.again`, but the message goes nowhere."""
    return ""


async def never(relay: Relay) -> None:
    """As `Relay.sweep_once`, but it does not look."""


def instead_of_turn(queue: str, scenario: Scenario, breaks: str) -> Case:
    """An effect that acts as soon as it hears of something."""

    def switch_off(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(STEPS, queue, replace(STEPS[queue], turn=None))

    return Case(f"turn of {queue}", scenario, breaks, switch_off)


def instead(name: str, owner: type, method: str, by: Any, scenario: Scenario, breaks: str) -> Case:
    """A part of the frame that is replaced by one without the safeguard."""
    return Case(name, scenario, breaks, lambda patch: patch.setattr(owner, method, by))


SORRY = replace(ONE_FAN, wishes=(Wish("ann-1", (1,), refunds=1),))
TWO_ASK = replace(ONE_FAN, wishes=(Wish("ann-1", (1,), refunds=1, operator_refunds=1),))
HESITANT = replace(ONE_FAN, wishes=(Wish("ann-1", (1,), gives_up=True),))
LATE = in_trouble(SORRY, Trouble.OVERDUE)
CALLED_OFF = in_trouble(ONE_FAN, Trouble.CALL_OFF)
POOR = replace(TWO_TRIES, points={"ann": 50})
POOR_AND_HESITANT = replace(HESITANT, points={"ann": 50})
RETURNED = in_trouble(TWO_TRIES, Trouble.WITHDRAW)
REPLAYED = in_trouble(TWO_TRIES, Trouble.WITHDRAW, Trouble.REPLAY, most=2)
OVERDUE = in_trouble(ONE_FAN, Trouble.HOLDS_END, Trouble.OUTDATED_LOOK, most=2)
CASES = (
    frame(Safeguard.INBOX, in_trouble(TOO_DEAR, Trouble.DUPLICATE), "holds agree"),
    frame(Safeguard.OUTBOX, in_trouble(ONE_FAN, Trouble.CRASH_BEFORE_PUBLISH), "holds agree"),
    frame(Safeguard.ATOMIC_COMMIT, in_trouble(ONE_FAN, Trouble.CRASH_BEFORE_COMMIT), "holds agree"),
    frame(Safeguard.ACKNOWLEDGE_AFTER_COMMIT, in_trouble(ONE_FAN, Trouble.CRASH_BEFORE_COMMIT), "holds agree"),
    frame(Safeguard.CLOCK, in_trouble(ONE_FAN, Trouble.DISCARD), "holds agree"),
    frame(Safeguard.SEMANTIC_LOCK, replace(TWO_TRIES, points={"ann": 200}), "I3"),
    guard(Seat, "belongs_to", lambda row, _: row.status == SeatStatus.OCCUPIED, TWO_FANS, "holds agree"),
    guard(Reservation, "is_confirmed_by", lambda row, _: row.status == Status.CONFIRMED, REPLAYED, "I4"),
    guard(Payment, "is_locked_by", lambda row, _: row.status == PaymentStatus.PROCESSING, REPLAYED, "I5"),
    guard(Payment, "is_paid_by", lambda row, _: row.status == PaymentStatus.PAID, REPLAYED, "I3"),
    # The unique constraint of the ledger stands behind the step: without the step's own guard the message is
    # refused for ever, without both it moves money.
    inside("point.refund", careless.refund_without_ledger, REPLAYED, "I8"),
    inside("point.refund", careless.refund_without_ledger, REPLAYED, "I1", Safeguard.UNIQUE_CONSTRAINTS),
    inside("reservation.expire", careless.expire_without_judging, OVERDUE, "holds agree"),
    inside("seat.hold", careless.hold_without_looking, TWO_FANS, "I2"),
    inside("payment.pay", careless.pay_without_looking, in_trouble(ONE_FAN, Trouble.DEADLINE), "deadlines hold"),
    instead("unlock", Payment, "unlock", lambda _: None, replace(ONE_FAN, points={"ann": 50}), "I5"),
    instead(
        "confirms", MemoryPublisher, "publish", publish_blindly, in_trouble(ONE_FAN, Trouble.UNCONFIRMED), "holds agree"
    ),
    instead("retry", Retry, "again", drop, in_trouble(ONE_FAN, Trouble.RAISE), "holds agree"),
    instead("sweep", Relay, "sweep_once", never, in_trouble(ONE_FAN, Trouble.CRASH_BEFORE_PUBLISH), "I8"),
    Case(
        "deadline",
        in_trouble(ONE_FAN, Trouble.DEADLINE),
        "deadlines hold",
        lambda patch: patch.setattr(Timed, "is_late", lambda event, now: False),
    ),
)
# Of what is taken back, everything is tried after it was bought, or held.
TAKEN_BACK = (
    # Of the ledger, the same when a refund is asked about.
    inside("point.repay", careless.repay_without_ledger, LATE, "I8"),
    inside("point.repay", careless.repay_without_ledger, LATE, "I1", Safeguard.UNIQUE_CONSTRAINTS),
    inside("seat.vacate", careless.vacate_without_memory, in_trouble(SORRY, Trouble.REPLAY), "I7"),
    inside("seat.vouch", careless.vouch_without_memory, LATE, "I3"),
    frame(Safeguard.SEMANTIC_LOCK, TWO_ASK, "I3"),
    inside("payment.chase_refund", careless.chase_nothing, in_trouble(SORRY, Trouble.DISCARD), "I4"),
    instead_of_turn("payment.tell", SORRY, "I6 platform in turn"),
)
GIVEN_UP = (
    inside("reservation.give_up", careless.give_up_without_judging, HESITANT, "holds agree"),
    inside("reservation.revoke", careless.revoke_hold_without_judging, CALLED_OFF, "holds agree"),
    inside("payment.revoke", careless.revoke_payment_without_waiting, CALLED_OFF, "I4"),
    inside("seat.revoke", careless.revoke_once, CALLED_OFF, "I13"),
    instead_of_turn("payment.announce", POOR_AND_HESITANT, "I6 platform in turn"),
    instead_of_turn("payment.notify", POOR, "I6 platform in turn"),
    instead_of_turn("payment.send", RETURNED, "I6 platform in turn"),
)
ALL = (
    *CASES,
    *(replace(case, begun=BOUGHT) for case in TAKEN_BACK),
    *(replace(case, begun=HELD) for case in GIVEN_UP),
)
# What two replicas do to each other in the middle of something has too many ways to try all; chance finds it.
CROWD = Scenario(
    {"ann": 200, "bob": 200, "cid": 200},
    prices={1: 60, 2: 60},
    wishes=tuple(Wish(f"{name}-1", (1, 2), checkouts=0) for name in ("ann", "bob", "cid")),
    overlap=3,
)
CROWDED = (frame(Safeguard.ROW_LOCKS, CROWD, "I2"), frame(Safeguard.ORDERED_LOCKS, CROWD, "waits in a circle"))
DIFFERENT = [case for number, case in enumerate(ALL) if case.scenario not in [one.scenario for one in ALL[:number]]]
"""One case for each scenario."""


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: case.safeguard)
def test_with_the_safeguard_every_run_ends_well(case: Case) -> None:
    """Nothing else in the scenario is wrong."""
    # given, when
    exploration = explore(case.scenario, MAX_WORLDS, case.begun)
    # then
    assert exploration.found is None, report(case.scenario, exploration.found, case.safeguard)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.safeguard)
def test_without_the_safeguard_some_run_ends_badly(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation finds the run, and the run can be shrunk and replayed."""
    # given
    case.switch_off(monkeypatch)
    # when
    found = explore(case.unguarded, MAX_WORLDS, case.begun).found
    # then
    assert found is not None, f"nothing goes wrong without {case.safeguard}"
    shrunk = shrink(found.trace, lambda trace: bool(replay(case.unguarded, trace).violations))
    assert any(case.breaks in wrong for wrong in replay(case.unguarded, shrunk).violations), report(
        case.unguarded, found, case.safeguard
    )


@pytest.mark.parametrize("case", CROWDED, ids=lambda case: case.safeguard)
def test_without_the_safeguard_chance_finds_a_run_that_ends_badly(case: Case) -> None:
    """With it, none of the same seeds does."""
    # given, when
    guarded = next((run for run in (wander(case.scenario, seed) for seed in SEEDS) if run.violations), None)
    # Those that need these safeguards are among the last.
    found = (run.violations for run in (wander(case.unguarded, seed) for seed in reversed(SEEDS)))
    # then
    assert guarded is None, report(case.scenario, guarded, case.safeguard)
    assert any(case.breaks in wrong for violations in found for wrong in violations)
