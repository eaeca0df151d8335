"""A run in words: tables for people, and the files of `docs/bench`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.table import Table

from tests.bench import chart, of_window
from tests.bench.chart import Chart, Line
from tests.bench.figures import Driver, Figures, Large
from tests.bench.fleet import Fleet
from tests.bench.goals import MIB
from tests.bench.measures import LABELS
from tests.bench.quantiles import ratio
from tests.bench.wishes import Wish

GIB = 2**30
GROUPS = ("services", "broker", "PostgreSQL", "platform", "load", "window")


def tables(figures: Figures) -> Iterator[Table]:
    """Everything that was measured, the goals last."""
    if figures.saturation:
        yield _saturation(figures)
    if figures.latency:
        yield _latency(figures)
    if figures.drivers:
        yield _drivers(figures.drivers)
    if figures.watched:
        yield of_window.watched(figures.watched)
    if figures.fleet:
        yield _fleet(figures.fleet)
    if figures.archive:
        yield of_window.archive(figures.archive)
    if figures.large:
        yield _large_tables(figures.large)
        yield _slowest(figures.large)
    if figures.endurance:
        yield _endurance(figures.endurance)
    yield _single(figures)
    if figures.goals:
        yield _goals(figures)


def write(figures: Figures, folder: Path) -> None:
    """Write `bench.json` and the charts for which there are figures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(_rounded(figures.model_dump(mode="json")), indent=1) + "\n")
    for name, drawn in charts(figures).items():
        (folder / f"{name}.svg").write_text(chart.svg(drawn))


def charts(figures: Figures) -> dict[str, Chart]:
    """The charts by the names of their files."""
    drawn = {}
    if figures.latency:
        lines = [line for name in ("saga", "facade") for line in _latency_lines(figures, name)]
        drawn["latency"] = Chart("Latency over load (open loop)", "requests per second", "ms", lines, log_y=True)
    if figures.batches:
        lines = list(_batch_lines(figures))
        drawn["batches"] = Chart(
            "Throughput over batch size", "events per batch, at most", "checkouts/s", lines, log_x=True
        )
    if figures.drain:
        line = Line("left", [(at, float(left)) for at, left in figures.drain.left])
        drawn["drain"] = Chart(f"A backlog of {figures.drain.checkouts:,} checkouts", "seconds", "checkouts", [line])
    if figures.fleet:
        lines = list(_fleet_lines(figures.fleet))
        drawn["replicas"] = Chart("Throughput over processes", "processes of each service", "a second", lines)
    return drawn


def _fleet_lines(fleet: Fleet) -> Iterator[Line]:
    colours = {wish: colour for colour, wish in enumerate(Wish)}
    for name in fleet.kinds:
        found = fleet.named(name)
        points = [(float(one.processes), one.per_second) for one in found]
        yield Line(name, points, colours[found[0].wish], dashed=found[0].is_hot)


def _latency_lines(figures: Figures, contender: str) -> Iterator[Line]:
    found = sorted((one for one in figures.latency if one.contender == contender), key=lambda one: one.rate)
    for colour, percent in enumerate(("p50", "p95", "p99")):
        points = [(one.rate, 1000 * getattr(one, percent)) for one in found]
        yield Line(f"{contender} {percent}", points, colour, dashed=contender == "facade")


def _batch_lines(figures: Figures) -> Iterator[Line]:
    sizes = sorted(figures.batches)
    yield Line(LABELS["broker"], [(float(most), median(figures.batches[most])) for most in sizes])
    if facade := figures.saturation.get("direct"):
        yield Line(
            LABELS["direct"], [(float(most), facade.per_second) for most in (sizes[0], sizes[-1])], 1, dashed=True
        )


def _saturation(figures: Figures) -> Table:
    shown = Table(title="at saturation; processor time in seconds for 1,000 checkouts", title_justify="left")
    shown.add_column("contender")
    for name in ("checkouts/s", "rounds", *GROUPS, "all"):
        shown.add_column(name, justify="right")
    for name, contest in figures.saturation.items():
        rounds = " ".join(f"{rate:.0f}" for rate in contest.rounds)
        cpu = [contest.cpu_of(group) for group in GROUPS]
        shown.add_row(LABELS[name], f"{contest.per_second:.0f}", rounds, *(f"{used:.2f}" for used in [*cpu, sum(cpu)]))
    return shown


def _latency(figures: Figures) -> Table:
    shown = Table(title="open loop; milliseconds from the intended request to the final state", title_justify="left")
    shown.add_column("contender")
    for name in ("requests/s", "p50", "p95", "p99"):
        shown.add_column(name, justify="right")
    for one in figures.latency:
        times = (f"{1000 * value:.1f}" for value in (one.p50, one.p95, one.p99))
        shown.add_row(LABELS[one.contender], f"{one.rate:.0f}", *times)
    return shown


def _drivers(drivers: Sequence[Driver]) -> Table:
    title = "a transaction of a batch; below, the ratio to the first driver, round by round, with quartiles"
    shown = Table("events", "driver", title=title, title_justify="left")
    for name in ("ms", "client cpu ms", "server cpu ms", "transactions/s"):
        shown.add_column(name, justify="right")
    first = {one.events: one for one in reversed(drivers)}
    for one in drivers:
        other = first[one.events]
        shown.add_row(
            str(one.events),
            one.name,
            _beside(one.seconds, other.seconds, 1000),
            _beside(one.cpu, other.cpu, 1000),
            f"{1000 * mean(one.server_cpu):.2f}\n{mean(one.server_cpu) / mean(other.server_cpu):.2f}",
            _beside(one.per_second, other.per_second, 1),
        )
    return shown


def _fleet(fleet: Fleet) -> Table:
    counts = sorted(fleet.waits)
    title = "processes of each service: what is done in a second, in brackets the commits for each"
    shown = Table("asked for", title=title, title_justify="left")
    for count in counts:
        shown.add_column(str(count), justify="right")
    for name in fleet.kinds:
        known = {one.processes: one.shown for one in fleet.named(name)}
        shown.add_row(name, *(known.get(count, "") for count in counts))
    shown.add_row("checkout that is waited for, p50 ms", *(f"{1000 * fleet.waits[count]:.1f}" for count in counts))
    return shown


def _endurance(memory: Mapping[int, Mapping[str, int]]) -> Table:
    programs = list(next(iter(memory.values())))
    shown = Table("checkouts", *programs, title="memory after so many checkouts, MiB", title_justify="left")
    for done, sizes in memory.items():
        shown.add_row(f"{done:,}", *(f"{sizes[name] / MIB:.0f}" for name in programs))
    return shown


def _large_tables(large: Large) -> Table:
    shown = Table("service", "table", title=f"with {large.rows:,} rows a table", title_justify="left")
    for name in ("rows, GiB", "indexes, GiB", "bytes a row"):
        shown.add_column(name, justify="right")
    for one in large.tables:
        sizes = (f"{size / GIB:.2f}" for size in (one.bytes, one.index_bytes))
        shown.add_row(one.service, one.name, *sizes, f"{(one.bytes + one.index_bytes) / large.rows:.0f}")
    return shown


def _slowest(large: Large) -> Table:
    title = f"the slowest statements beside them; {len(large.faults)} read or sort what an index could give"
    shown = Table("statement", title=title, title_justify="left")
    shown.add_column("ms, at most", justify="right")
    for one in large.slowest:
        shown.add_row(one.sql[:100], f"{1000 * one.seconds:.1f}")
    for fault in large.faults:
        shown.add_row(fault[:100], "[red]grows")
    return shown


def _beside(values: Sequence[float], others: Sequence[float], factor: float) -> str:
    low, middle, high = ratio(values, others)
    return f"{factor * median(values):.2f}\n{middle:.2f} ({low:.2f}…{high:.2f})"


def _single(figures: Figures) -> Table:
    shown = Table("figure", "value", title="and", title_justify="left")
    for name, value in _singles(figures):
        shown.add_row(name, value)
    return shown


def _singles(figures: Figures) -> Iterator[tuple[str, str]]:
    if floor := figures.floor:
        yield "a commit, a confirmed publish", f"{1000 * floor.commit:.2f} ms, {1000 * floor.publish:.2f} ms"
        yield "five of each in a row, p50", f"{1000 * floor.p50:.1f} ms"
    if top := figures.ceiling:
        yield "the messages of so many checkouts through the broker alone", f"{top.checkouts_by_messages:.0f}/s"
        yield "commits alone", f"{top.commits:.0f}/s: {top.checkouts_by_commits:.0f} checkouts/s, one commit a message"
    for most, rates in sorted(figures.batches.items()):
        yield f"saga from the broker, batches of at most {most}", f"{median(rates):.0f} checkouts/s"
    if figures.drain:
        rate = figures.drain.checkouts / figures.drain.seconds
        yield f"drain of {figures.drain.checkouts:,}", f"{figures.drain.seconds:.1f} s ({rate:.0f}/s)"
    if grown := figures.growth:
        both = f"{grown.empty:.0f} and {grown.full:.0f} checkouts/s"
        yield f"saga through REST, empty and beside {grown.finished:,} finished", both
    if over := figures.overload:
        ends = f"{median(over.completed):.0f} completed and {median(over.delivered):.0f} delivered/s"
        shares = f"{100 * median(over.turned_away):.0f} % turned away"
        name = f"saga through REST, saturated and under {over.factor:g} times that load"
        yield name, f"{median(over.saturation):.0f} checkouts/s; {ends}, {shares}"
    if rush := figures.rush:
        name = f"{rush.fans:,} fans want {rush.seats} seats of one evening, until all know"
        yield name, f"{rush.seconds:.1f} s ({rush.fans / rush.seconds:.0f}/s)"
    yield from of_window.singles(figures)
    for name, peak in sorted(figures.peak_memory.items()):
        yield f"peak memory of {name}", f"{peak / MIB:.0f} MiB"
    yield "the run", f"{figures.seconds / 60:.1f} minutes"


def _goals(figures: Figures) -> Table:
    shown = Table(title="goals", title_justify="left")
    shown.add_column("goal")
    for name in ("wanted", "result", ""):
        shown.add_column(name, justify="right")
    for goal in figures.goals:
        wanted = f"≥ {goal.at_least:g}" if goal.at_least is not None else f"≤ {goal.at_most:g}"
        shown.add_row(goal.name, wanted, f"{goal.result:.2f}", "[green]met" if goal.met else "[red]missed")
    return shown


def _rounded(value: Any) -> Any:
    """The same with four digits of each number, which is more than was measured."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
