"""`python -m tests.bench`: measure, print tables, and after a whole run write `docs/bench` anew.

It ends with 0 also when a goal is missed, because a machine has other things to do; with 1 when a checkout was lost or
an invariant is violated.
"""

import asyncio
import logging
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stack.demo.invariants import examine
from stack.directory import ROOT
from tests.bench import report
from tests.bench.figures import Figures
from tests.bench.goals import goals
from tests.bench.measures import ASIDE, MEASURES
from tests.bench.progress import Progress
from tests.bench.scale import CONTENDERS, FULL, QUICK, Scale
from tests.bench.stand import Stand
from tests.end_to_end.eventually import eventually

DOCS = ROOT / "docs" / "bench"
HEALED_WITHIN = 90.0
MAX_SECONDS = 3600.0
"""The end of a run on a machine that is busy with something else"""


async def bench(names: list[str], scale: Scale, progress: Progress) -> Figures:
    """Measure what is named, then see whether everything is as it should be."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        progress.next("the stack comes up")
        async with Stand.of(Path(folder)) as stand:
            for name in names:
                await MEASURES[name].run(stand, scale, figures, progress)
            stand.note_peaks()
            figures.peak_memory = stand.peaks
            progress.next("all invariants")
            figures.violations = await _violations(stand)
    figures.goals = goals(figures)
    figures.seconds = progress.seconds
    return figures


async def _violations(stand: Stand) -> list[str]:
    async def look() -> list[str]:
        findings = await examine(stand.environment, stand.accepted)
        return [f"{one.invariant}: {violation}" for one in findings for violation in one.violations]

    try:
        await eventually(look, lambda violations: not violations, within=HEALED_WITHIN)
    except AssertionError:
        return await look()
    return []


def _chosen(only: str, scale: Scale) -> tuple[list[str], Scale]:
    """The measures that are named, and the contenders; latency needs to know what saturation is."""
    wanted = set(only.split(",")) if only else MEASURES.keys() - ASIDE
    if unknown := wanted - MEASURES.keys() - set(CONTENDERS):
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}")
    contenders = tuple(name for name in CONTENDERS if name in wanted)
    if contenders or "latency" in wanted:
        wanted.add("saturation")
    if contenders and "latency" in wanted:
        contenders = tuple(name for name in CONTENDERS if name in {*contenders, "saga", "facade"})
    return [name for name in MEASURES if name in wanted], replace(scale, contenders=contenders or CONTENDERS)


def main(
    only: Annotated[str, typer.Option(help=f"What, apart by commas: {', '.join([*MEASURES, *CONTENDERS])}")] = "",
    quick: Annotated[bool, typer.Option(help="Less of everything, for a first impression.")] = False,
    into: Annotated[Path | None, typer.Option(help="Where to write bench.json and the charts.")] = None,
) -> None:
    """Measure the saga beside the facade that it replaces, on this machine."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    # It reports every connection that a broker which is on its way up refuses.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    # The stack must not outlive the bench, however that ends.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names, chosen = _chosen(only, QUICK if quick else FULL)
    with Progress(console, 2 + sum(MEASURES[name].steps(chosen) for name in names)) as progress:
        try:
            figures = asyncio.run(asyncio.wait_for(bench(names, chosen, progress), MAX_SECONDS))
        except (AssertionError, TimeoutError) as error:
            sys.exit(f"stopped: {error}")
    for table in report.tables(figures):
        console.print(table)
    folder = into or (None if only or quick else DOCS)
    if folder is not None:
        report.write(figures, folder)
        console.print(f"written to {folder}")
    if figures.violations:
        sys.exit("\n".join(["violated:", *figures.violations[:20]]))


if __name__ == "__main__":
    typer.run(main)
