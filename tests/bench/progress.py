"""How far a run is: a bar on a terminal, lines where there is none."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress:
    """Counts the steps of a run, each of which says what it is."""

    def __init__(self, console: Console, steps: int) -> None:
        self._console = console
        self._began = time.monotonic()
        self._steps = steps
        self._begun = 0
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=steps)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._began

    def next(self, text: str) -> None:
        """The step before is over, and this one begins."""
        self._bar.update(self._task, completed=self._begun, description=text)
        self._begun += 1
        if not self._console.is_terminal:
            self._console.print(f"{self.seconds:4.0f} s  {self._begun}/{self._steps}  {text}", highlight=False)
