"""The goals: ratios of figures that one run has measured on one machine."""

from collections.abc import Iterator
from statistics import median

from tests.bench.figures import Figures, Goal
from tests.bench.scale import CALM, MAX_BATCH

MIB = 2**20
MEMORY_MIB = 95


def goals(figures: Figures) -> list[Goal]:
    """What can be said of the goals after this run, in the order in which they were set."""
    return [*_throughput(figures), *_latency(figures), *_endurance(figures), *_window(figures), *_fleet(figures)]


def _throughput(figures: Figures) -> Iterator[Goal]:
    rates = {name: contest.per_second for name, contest in figures.saturation.items()}
    if {"saga", "facade"} <= rates.keys():
        name = "checkouts/s: saga through REST / facade through REST with 2 processes"
        yield Goal(name=name, at_least=2.5, result=rates["saga"] / rates["facade"])
    if {"saga", "facade-sql"} <= rates.keys():
        name = "checkouts/s: saga through REST / hand-written SQL through REST with 2 processes"
        yield Goal(name=name, at_least=0.75, result=rates["saga"] / rates["facade-sql"])
        saga, written = (figures.saturation[name].cpu_of_all for name in ("saga", "facade-sql"))
        name = "processor seconds for a checkout through REST: saga / hand-written SQL"
        yield Goal(name=name, at_most=1.35, result=saga / written)
    if {"broker", "direct"} <= rates.keys():
        name = "checkouts/s: saga from the broker / facade without REST with 2 processes"
        yield Goal(name=name, at_least=3.5, result=rates["broker"] / rates["direct"])
    if {"broker", "direct-sql"} <= rates.keys():
        name = "checkouts/s: saga from the broker / hand-written SQL without REST with 2 processes"
        yield Goal(name=name, at_least=0.7, result=rates["broker"] / rates["direct-sql"])
    sizes = figures.batches
    if {1, MAX_BATCH} <= sizes.keys():
        name = "checkouts/s from the broker: batched / batches of one"
        yield Goal(name=name, at_least=6, result=median(sizes[MAX_BATCH]) / median(sizes[1]))


def _latency(figures: Figures) -> Iterator[Goal]:
    calm = figures.latency_of("saga", CALM)
    if calm and figures.floor:
        name = f"p50 at {CALM:.0f}/s, POST to COMPLETED / five commits and five confirmed publishes in a row"
        yield Goal(name=name, at_most=2.5, result=calm.p50 / figures.floor.p50)
    if "saga" in figures.saturation and (half := figures.latency_of("saga", half_of(figures, "saga"))):
        if calm:
            yield Goal(name=f"p50 at half of saturation / p50 at {CALM:.0f}/s", at_most=2.5, result=half.p50 / calm.p50)
        yield Goal(name="p99 / p50 at half of saturation", at_most=5, result=half.p99 / half.p50)


def _endurance(figures: Figures) -> Iterator[Goal]:
    if over := figures.overload:
        name = f"checkouts completed/s: under {over.factor:g} times the load that saturates / at saturation"
        yield Goal(name=name, at_least=0.9, result=median(over.completed) / median(over.saturation))
    if figures.growth:
        name = f"checkouts/s: with {figures.growth.finished:,} finished checkouts / empty"
        yield Goal(name=name, at_least=0.95, result=figures.growth.full / figures.growth.empty)
    services = [peak for name, peak in figures.peak_memory.items() if name.endswith("_svc")]
    if services:
        yield Goal(name="peak memory of a service process, MiB", at_most=MEMORY_MIB, result=max(services) / MIB)
    if figures.idle_percent is not None:
        yield Goal(name="the four services idle, % of one core", at_most=1, result=figures.idle_percent)


def _window(figures: Figures) -> Iterator[Goal]:
    if watched := figures.watched:
        name = "checkouts for a processor second of all but the window: with it / without it"
        yield Goal(name=name, at_least=0.95, result=watched.ratio_apart)
        if watched.lag:
            name = "p99 from when an event occurred to when the window has stored it, at saturation, s"
            yield Goal(name=name, at_most=1, result=watched.lag.stored_p99)
    if archive := figures.archive:
        for is_search, what, most in ((False, "page", 150), (True, "search", 50)):
            slowest = archive.slowest(is_search=is_search)
            name = f"p95 of the slowest {what} beside {archive.events:,} events ({slowest.name}), ms"
            yield Goal(name=name, at_most=most, result=1000 * slowest.p95)


def _fleet(figures: Figures) -> Iterator[Goal]:
    if fleet := figures.fleet:
        name = "p50 of a checkout that is waited for: with 2 or 3 processes of each service / with one"
        yield Goal(name=name, at_most=1.3, result=fleet.slowdown)
        for wish, ratio in fleet.seconds():
            yield Goal(name=f"{wish}s/s: 2 processes of each service / 1", at_least=0.9, result=ratio)
        for wish, ratio in fleet.heat():
            yield Goal(name=f"{wish}s/s: one hot evening / many evenings", at_least=0.9, result=ratio)


def half_of(figures: Figures, contender: str) -> float:
    """Half of the rate at which a contender is saturated."""
    return load_of(figures, contender, 0.5)


def load_of(figures: Figures, contender: str, share: float) -> float:
    """A share of the rate at which a contender is saturated, in whole requests per second."""
    return float(max(round(figures.saturation[contender].per_second * share), 1))
