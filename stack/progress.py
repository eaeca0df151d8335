"""How `up` tells what it waits for: nothing, or lines for people."""

from rich.console import Console


class Progress:
    """Says nothing; the base of what does."""

    def done(self, text: str) -> None:
        """One more thing is done."""

    def waiting(self, text: str) -> None:
        """Show what is being waited for at the moment."""

    def stop(self) -> None:
        """Nothing is being waited for any longer."""


class ConsoleProgress(Progress):
    """Prints a line for what is done; on a terminal, also a live line for what is being waited for."""

    def __init__(self, console: Console) -> None:
        """Write to `console`; rich leaves the live line out where there is no terminal."""
        self._console = console
        self._status = console.status("starting")

    def done(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def waiting(self, text: str) -> None:
        """Show the live line."""
        self._status.update(text)
        self._status.start()

    def stop(self) -> None:
        """Take the live line away."""
        self._status.stop()
