"""Who wants what in a simulated world, and how much trouble there may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from contracts.event import OVERDUE_AFTER

HOLD_TIME = timedelta(minutes=10)
CHECKOUT_TIME = timedelta(minutes=1)
MAX_POINTS = 400
EVENING_IN = timedelta(minutes=40)
"""How long after the beginning of a world its evenings begin"""
NOTICE = timedelta(minutes=15)
"""How long before an evening begins its buyers may still give their tickets back"""


class Trouble(StrEnum):
    """What an adversary can do, each in the words of a trace."""

    DUPLICATE = "duplicate"
    RAISE = "but the step raises"
    RAISE_FIRST = "but the step raises for the first"
    CRASH_BEFORE_COMMIT = "but crash before commit"
    CRASH_BEFORE_PUBLISH = "but crash before publish"
    CRASH_BEFORE_FORGET = "but crash before forgetting"
    UNCONFIRMED = "but the broker takes nothing"
    WITHDRAW = "withdraw seat"
    REVOKE = "withdraw sold seat"
    CALL_OFF = "call off evening"
    DEADLINE = "the deadlines pass"
    HOLDS_END = "the holds run out"
    EVENING = "the evening comes"
    OUTDATED_LOOK = "as seen a moment ago"
    REPLAY = "purge the inbox and replay"
    KILL = "kill"
    LEASES_END = "as if all leases had run out"
    DISCARD = "park and discard"
    OVERDUE = "the clocks ask"


CRASHES = (Trouble.CRASH_BEFORE_COMMIT, Trouble.CRASH_BEFORE_PUBLISH, Trouble.CRASH_BEFORE_FORGET)
FAILURES = (*CRASHES, Trouble.UNCONFIRMED)
"""What can end whatever a service does, a request as well as a batch."""
TECHNICAL = (Trouble.DUPLICATE, Trouble.RAISE, Trouble.RAISE_FIRST, *FAILURES)
"""What must not make a difference to anybody."""
SIDE_BY_SIDE = (Trouble.KILL, Trouble.LEASES_END)
"""As well, of what is in the middle of something."""
WORLDLY = (Trouble.WITHDRAW, Trouble.DEADLINE, Trouble.HOLDS_END, Trouble.OUTDATED_LOOK)
"""What may make a difference, but a consistent one."""
TAKING_BACK = (Trouble.REVOKE, Trouble.CALL_OFF, Trouble.EVENING)
"""As well, where tickets are given back."""


PASSES = {
    Trouble.DEADLINE: CHECKOUT_TIME,
    Trouble.OVERDUE: CHECKOUT_TIME + OVERDUE_AFTER,
    Trouble.HOLDS_END: HOLD_TIME,
    Trouble.EVENING: EVENING_IN,
}
"""How much time passes"""


class Safeguard(StrEnum):
    """What can be switched off in the frame around the steps."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    ATOMIC_COMMIT = "atomic commit"
    UNIQUE_CONSTRAINTS = "unique constraints"
    SEMANTIC_LOCK = "semantic lock"
    ACKNOWLEDGE_AFTER_COMMIT = "acknowledge after commit"
    ROW_LOCKS = "row locks"
    ORDERED_LOCKS = "ordered locks"
    CLOCK = "clock"


@dataclass(frozen=True)
class Wish:
    """A hold that a fan will ask for, such as `ann-1` by ann, and how often she will try to pay for it.

    As well, whether she may not want it any more before it is paid, and how often she wants her points back after that,
    or an operator wants it for her.
    """

    name: str
    seat_ids: tuple[int, ...]
    checkouts: int = 1
    gives_up: bool = False
    refunds: int = 0
    operator_refunds: int = 0

    @property
    def user_id(self) -> str:
        """The fan."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Scenario:
    """The points of each fan, the price of each seat, all wishes; which trouble there may be, and how much in all."""

    points: Mapping[str, int]
    prices: Mapping[int, int]
    wishes: tuple[Wish, ...]
    trouble: tuple[Trouble, ...] = ()
    max_trouble: int = 0
    without: frozenset[Safeguard] = frozenset()
    skew: Mapping[str, timedelta] = field(default_factory=dict)
    """How far the clock of a service is ahead; 0 where nothing is said"""
    overlap: int = 0
    """How many processes may be in the middle of something at once; 0: each ends before the next one begins"""
    second_evening: frozenset[int] = frozenset()
    """The seats that are of another evening than all others"""

    @property
    def is_asked(self) -> bool:
        """Whether clocks ask about what has not ended; where nothing needs it, they would hide what is wrong."""
        return bool({Trouble.DISCARD, Trouble.OVERDUE} & set(self.trouble)) and Safeguard.CLOCK not in self.without
