"""The teller of a fuzz run: how far it is."""

import time

from rich.console import Console
from rich.status import Status

TELL_EVERY = 5.0


class Teller:
    """Says how far the run is: one live line on a terminal, lines where there is none."""

    def __init__(self) -> None:
        self._console = Console()
        self._live: Status = self._console.status("starting")
        self._began = time.monotonic()
        self._last = 0.0

    def now(self, text: str, *, at_once: bool = False) -> None:
        """What is going on."""
        elapsed = time.monotonic() - self._began
        if self._console.is_terminal:
            self._live.update(f"{elapsed:4.0f} s  {text}")
            self._live.start()
        elif at_once or elapsed - self._last >= TELL_EVERY:
            self._last = elapsed
            self._print(f"{elapsed:4.0f} s  {text}")

    def done(self, text: str) -> None:
        """A line that stays."""
        self._live.stop()
        self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)
