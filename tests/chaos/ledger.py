"""What every script of a run has found, as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One fault under load and what came of it; `recovered` in seconds from the healing, None if it did not.

    `parts` says how the injections were divided, if the fault was of several kinds.
    """

    fault: str
    injections: int
    completed: int
    failed: int
    violations: Sequence[str]
    recovered: float | None
    parts: Mapping[str, int] = field(default_factory=dict)
    gap: float | None = None
    """The longest time, in seconds, in which no checkout came to its end at the platform, as that has seen it"""
    refunded: int = 0
    """Checkouts that were given back meanwhile"""


@dataclass
class Ledger:
    """The rows of a run, in their order, and what else there is to say."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self) -> Iterator[str]:
        """The lines of the table."""
        names = ("fault", "injections", "completed", "failed", "refunded", "violations", "longest gap", "recovered")
        cells = [names, *(line for row in self.rows for line in _cells(row))]
        widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
        for line in cells:
            first, *rest = zip(line, widths, strict=True)
            yield "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])
        yield from self.notes

    def summary(self) -> Iterator[str]:
        """All rows together, in one line."""
        counts = {
            "injections": sum(row.injections for row in self.rows),
            "completed": sum(row.completed for row in self.rows),
            "failed": sum(row.failed for row in self.rows),
            "refunded": sum(row.refunded for row in self.rows),
            "violations": sum(len(row.violations) for row in self.rows),
        }
        longest = max((row.recovered or 0.0 for row in self.rows), default=0.0)
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        yield f"{len(self.rows)} scripts: {told}; the longest recovery took {longest:.1f} s"


def _cells(row: Row) -> Iterator[tuple[str, ...]]:
    recovered = "never" if row.recovered is None else f"{row.recovered:.1f} s"
    counts = (row.injections, row.completed, row.failed, row.refunded, len(row.violations))
    gap = "-" if row.gap is None else f"{row.gap:.1f} s"
    yield (row.fault, *map(str, counts), gap, recovered)
    for part, injections in row.parts.items():
        yield (f"  {part}", str(injections), *[""] * len((*counts, gap)))
