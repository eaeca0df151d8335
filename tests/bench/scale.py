"""How much is measured, and for how long."""

from dataclasses import dataclass

from chassis.settings import ServiceSettings

CALM = 20.0
"""Requests per second that leave a machine mostly idle"""
MAX_BATCH: int = ServiceSettings.model_fields["max_batch"].default
"""The batches that the services have when nobody says otherwise"""
MAX_BATCHES_OF_ONE = 1 / 5
"""Batches of one get this share of the checkouts that larger ones get: they take longer for each"""


CONTENDERS = ("saga", "facade", "facade-sql", "broker", "direct", "direct-sql")


@dataclass(frozen=True)
class Scale:
    """Rounds and their seconds, loads as shares of saturation, sizes of batches, sizes of what is large."""

    rounds: int
    seconds: float
    loads: tuple[float, ...]
    """0.5 among them, because a goal is about it"""
    latency_seconds: float
    batches: tuple[int, ...]
    idle_seconds: float
    backlog: int
    past: int
    driver_rounds: int
    overload_seconds: float
    rush: int
    """Fans who want the same few seats"""
    large: int
    endurance: int
    watched_rounds: int
    unheard: int
    """Checkouts whose messages wait for the window"""
    events: int
    questions: int
    """How often an archive is asked each question"""
    replicas: tuple[int, ...]
    """Numbers of processes of each service"""
    replica_rounds: int
    replica_seconds: float
    waits: int
    """Checkouts that are waited for one after the other"""
    contenders: tuple[str, ...] = CONTENDERS


FULL = Scale(
    rounds=3,
    seconds=8,
    loads=(0.25, 0.5, 0.75),
    latency_seconds=9,
    batches=(1, 10, MAX_BATCH),
    idle_seconds=15,
    backlog=20_000,
    past=1_000_000,
    driver_rounds=15,
    overload_seconds=20,
    rush=5_000,
    large=10_000_000,
    endurance=50_000,
    watched_rounds=3,
    unheard=10_000,
    events=10_000_000,
    questions=100,
    replicas=(1, 2),
    replica_rounds=2,
    replica_seconds=5,
    waits=150,
)
QUICK = Scale(
    rounds=1,
    seconds=5,
    loads=(0.5,),
    latency_seconds=6,
    batches=(1, MAX_BATCH),
    idle_seconds=5,
    backlog=3_000,
    past=20_000,
    driver_rounds=3,
    overload_seconds=12,
    rush=1_000,
    large=1_000_000,
    endurance=10_000,
    watched_rounds=2,
    unheard=3_000,
    events=200_000,
    questions=40,
    replicas=(1, 2),
    replica_rounds=1,
    replica_seconds=3,
    waits=40,
)
