"""The figures of one run, as `bench.json` holds them: rates are per second, times in seconds, memory in bytes."""

import math
from collections.abc import Mapping
from statistics import median

from pydantic import BaseModel, Field

from stack.services import EACH
from tests.bench.fleet import Fleet
from tests.bench.machine import Machine

GROUPS = {
    **{service.package: "services" for service in EACH},
    "facade": "services",
    "rabbitmq": "broker",
    "postgres": "PostgreSQL",
    "platform": "platform",
    "load": "load",
    "window": "window",
    "window sessions": "window",
}
"""What the processor time of a process is counted as."""


class Contest(BaseModel):
    """What a contender has done at saturation, round by round; processor time is for 1,000 checkouts."""

    rounds: list[float] = Field(default_factory=list)
    cpu: list[dict[str, float]] = Field(default_factory=list)

    def add(self, per_second: float, cpu: Mapping[str, float]) -> None:
        """One more round."""
        self.rounds.append(per_second)
        self.cpu.append(dict(cpu))

    @property
    def per_second(self) -> float:
        """Checkouts per second: the median of the rounds."""
        return median(self.rounds)

    def cpu_of(self, group: str) -> float:
        """Processor seconds for 1,000 checkouts in a group of processes: the median of the rounds."""
        return median(sum(used for name, used in one.items() if GROUPS[name] == group) for one in self.cpu)

    @property
    def cpu_of_all(self) -> float:
        """The same in all groups."""
        return median(sum(one.values()) for one in self.cpu)

    def cpu_but(self, group: str) -> float:
        """The same in all groups but one."""
        return median(sum(used for name, used in one.items() if GROUPS[name] != group) for one in self.cpu)


class Latency(BaseModel):
    """How long checkouts took that were asked for at this rate."""

    contender: str
    rate: float
    checkouts: int
    p50: float
    p95: float
    p99: float


class Floor(BaseModel):
    """What one commit takes, one confirmed publish, and five of each one after the other; all medians."""

    commit: float
    publish: float
    p50: float


class Ceiling(BaseModel):
    """What broker and database do when nothing else is done."""

    checkouts_by_messages: float
    """As many checkouts per second have their messages published, confirmed, consumed and acknowledged"""
    commits: float
    checkouts_by_commits: float
    """As many checkouts per second are possible when each message that is handled has a commit of its own"""


class Drain(BaseModel):
    """How a backlog went; `left` are pairs of seconds since the start and checkouts that were left then."""

    checkouts: int
    seconds: float
    left: list[tuple[float, int]]


class Growth(BaseModel):
    """Checkouts per second with next to nothing in the tables, and beside so many finished ones; medians."""

    finished: int
    empty: float
    full: float


class Overload(BaseModel):
    """Checkouts per second at saturation, and under several times the load that saturates, round by round in turns.

    At saturation as many are delivered as are completed, because no more than so many may be open.
    """

    factor: float
    saturation: list[float] = Field(default_factory=list)
    completed: list[float] = Field(default_factory=list)
    delivered: list[float] = Field(default_factory=list)
    turned_away: list[float] = Field(default_factory=list)
    """Which share of the requests was turned away at the door"""


class Rush(BaseModel):
    """How long it took until each of so many fans knew who has the seats that all of them wanted."""

    fans: int
    seats: int
    seconds: float


class LargeTable(BaseModel):
    """What a table costs with so many rows."""

    service: str
    name: str
    bytes: int
    index_bytes: int


class Slow(BaseModel):
    """A statement and the longest that it took."""

    sql: str
    seconds: float


class Large(BaseModel):
    """Every statement beside so many rows a table; `faults` says which of them grow with the tables."""

    rows: int
    tables: list[LargeTable]
    slowest: list[Slow]
    faults: list[str]


class Lag(BaseModel):
    """How long after an event the window had seen it, had stored it, and had told the saga that it ended."""

    seen_p50: float
    seen_p99: float
    stored_p50: float
    stored_p99: float
    told_p50: float
    told_p99: float


class Watched(BaseModel):
    """Checkouts at saturation with the window and without it, round by round in turns, and how far it lags behind.

    The processor time of its process and of its sessions at PostgreSQL is counted as its own.
    """

    watched: Contest = Field(default_factory=Contest)
    unwatched: Contest = Field(default_factory=Contest)
    lag: Lag | None = None
    backlog: int = 0
    """So many messages waited for it, as after a while without it, while nothing else was done"""
    stored_per_second: float = 0.0
    told_per_second: float = 0.0
    """Sagas; while messages are stored as well"""

    @property
    def ratio(self) -> float:
        """Checkouts per second with it for one without."""
        return self.watched.per_second / self.unwatched.per_second

    @property
    def ratio_apart(self) -> float:
        """The same by processor second of everything but the window."""
        return self.unwatched.cpu_but("window") / self.watched.cpu_but("window")


class Asked(BaseModel):
    """How long a question to an archive took, and the same one to an empty archive."""

    name: str
    is_search: bool
    p95: float
    empty: float


class Archive(BaseModel):
    """An archive of the window with very many events."""

    events: int
    sagas: int
    bytes: int
    filling: float
    judging: float
    """How long it takes to judge all that is kept, which nobody waits for"""
    asked: list[Asked]

    def slowest(self, *, is_search: bool) -> Asked:
        """The slowest question of a page, or of a search."""
        return max((one for one in self.asked if one.is_search == is_search), key=lambda one: one.p95)


class Driver(BaseModel):
    """What one driver of PostgreSQL needs for a transaction about so many events, round by round."""

    name: str
    events: int
    seconds: list[float] = Field(default_factory=list)
    cpu: list[float] = Field(default_factory=list)
    """Processor seconds of the client, for one transaction"""
    server_cpu: list[float] = Field(default_factory=list)
    per_second: list[float] = Field(default_factory=list)
    """Transactions per second of several sessions in one process"""


class Goal(BaseModel):
    """What was to be reached and what was."""

    name: str
    at_least: float | None = None
    at_most: float | None = None
    result: float

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return (self.at_least or -math.inf) <= self.result <= (self.at_most or math.inf)


class Figures(BaseModel):
    """All figures of one run; what was not measured is missing."""

    machine: Machine = Field(default_factory=Machine.this)
    seconds: float = 0.0
    """How long the run took"""
    saturation: dict[str, Contest] = Field(default_factory=dict)
    batches: dict[int, list[float]] = Field(default_factory=dict)
    """Checkouts per second from the broker, by how many events may share a transaction"""
    latency: list[Latency] = Field(default_factory=list)
    floor: Floor | None = None
    ceiling: Ceiling | None = None
    idle_percent: float | None = None
    """What the four services together use of one core when nothing is asked of them"""
    drain: Drain | None = None
    growth: Growth | None = None
    overload: Overload | None = None
    rush: Rush | None = None
    watched: Watched | None = None
    archive: Archive | None = None
    fleet: Fleet | None = None
    large: Large | None = None
    endurance: dict[int, dict[str, int]] = Field(default_factory=dict)
    """The memory of broker and services, by program, after so many checkouts"""
    drivers: list[Driver] = Field(default_factory=list)
    peak_memory: dict[str, int] = Field(default_factory=dict)
    goals: list[Goal] = Field(default_factory=list)
    violations: list[str] = Field(default_factory=list)
    """Where an invariant did not hold in the end"""

    def add_round(self, contender: str, per_second: float, cpu: Mapping[str, float]) -> None:
        """One more round of a contender."""
        self.saturation.setdefault(contender, Contest()).add(per_second, cpu)

    def latency_of(self, contender: str, rate: float) -> Latency | None:
        """The latency of a contender at this rate."""
        return next((one for one in self.latency if (one.contender, one.rate) == (contender, rate)), None)
