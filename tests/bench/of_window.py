"""Of the window: the tables of what it costs, and of what its archive answers."""

from collections.abc import Iterator

from rich.table import Table

from tests.bench.figures import Archive, Figures, Watched

GROUPS = ("services", "broker", "PostgreSQL", "platform", "load", "window")
GIB = 2**30


def watched(found: Watched) -> Table:
    """Checkouts with the window and without it."""
    title = "with the window and without it; processor time in seconds for 1,000 checkouts"
    shown = Table("the saga through REST", title=title, title_justify="left")
    for name in ("checkouts/s", "rounds", *GROUPS, "all but the window"):
        shown.add_column(name, justify="right")
    for name, contest in (("with", found.watched), ("without", found.unwatched)):
        rounds = " ".join(f"{rate:.0f}" for rate in contest.rounds)
        cpu = [*(contest.cpu_of(group) for group in GROUPS), contest.cpu_but("window")]
        shown.add_row(name, f"{contest.per_second:.0f}", rounds, *(f"{used:.2f}" for used in cpu))
    return shown


def archive(found: Archive) -> Table:
    """What was asked, the slowest first."""
    title = f"the window beside {found.events:,} events of {found.sagas:,} sagas; p95 in milliseconds"
    shown = Table("asked", title=title, title_justify="left")
    for name in ("p95", "empty", "ratio"):
        shown.add_column(name, justify="right")
    for one in sorted(found.asked, key=lambda one: -one.p95):
        shown.add_row(one.name, f"{1000 * one.p95:.1f}", f"{1000 * one.empty:.1f}", f"{one.p95 / one.empty:.1f}")
    return shown


def singles(figures: Figures) -> Iterator[tuple[str, str]]:
    """Single figures."""
    if found := figures.watched:
        yield "checkouts/s with the window / without it", f"{found.ratio:.2f}"
        yield "the same for a processor second of all but the window", f"{found.ratio_apart:.2f}"
        if lag := found.lag:
            times = ((lag.seen_p50, lag.seen_p99), (lag.stored_p50, lag.stored_p99), (lag.told_p50, lag.told_p99))
            seen, kept, told = (f"{1000 * p50:.0f} and {1000 * p99:.0f} ms" for p50, p99 in times)
            yield "lag of the window at saturation, p50 and p99", f"seen {seen}; stored {kept}; told {told}"
        rates = f"{found.stored_per_second:,.0f} messages stored/s, {found.told_per_second:,.0f} sagas told/s"
        yield f"the window alone with a backlog of {found.backlog:,} messages", rates
    if stored := figures.archive:
        yield "the archive", f"{stored.bytes / GIB:.1f} GiB, {stored.bytes / stored.events:.0f} bytes an event"
        yield "all sagas of the archive judged in", f"{stored.judging:.1f} s"
