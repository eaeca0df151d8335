"""Differences: how `python -m chassis reconcile` shows what it finds, to people, to a pipe and to programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chassis.choreography.recollection import Difference, Known
from chassis.run.replaying import Replayed, Trouble

COLUMNS = ("what", "service", "step", "event", "event id", "saga", "said at")
SUMMED = ("what", "service", "step", "event", "how many", "first", "last", "a saga")
NEEDS_PERSON = "needs a person"


class Form(StrEnum):
    """How it is shown."""

    TABLE = "table"
    LINES = "lines"
    JSON = "json"


@dataclass
class Sum:
    """Differences of one kind."""

    count: int
    first: datetime
    last: datetime
    example: Known


class Told:
    """Shows what is found as it is found; a table, which comes at the end, holds sums and no single events."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._sums: dict[tuple[str, str, str, str], Sum] = {}
        self._has_begun = False
        self.differs = False
        """Whether something differs and is not mended"""

    def difference(self, one: Difference) -> None:
        """One event that somebody does not know who should."""
        self.differs = True
        event, kind = one.event, (one.lack.value, one.service, one.step, one.event.name)
        if self._form is Form.TABLE:
            known = self._sums.setdefault(kind, Sum(0, event.at, event.at, event))
            known.count += 1
            known.first, known.last = min(known.first, event.at), max(known.last, event.at)
            return
        row = (*kind, str(event.event_id), str(event.saga_id), event.at.isoformat())
        if self._form is Form.JSON:
            self._object(dict(zip((name.replace(" ", "_") for name in COLUMNS), row, strict=True)))
            return
        if not self._has_begun:
            typer.echo("\t".join(COLUMNS))
            self._has_begun = True
        typer.echo("\t".join(row))

    def restored(self, service: str, since: datetime) -> None:
        """A service has forgotten what it has said since then."""
        text = (
            f"{service}: was restored; it has forgotten what it said from {since.isoformat()} on. "
            "Requests from then on of which nothing was said are known to nobody: ask who made them"
        )
        self._line(text, {"what": "restored", "service": service, "since": since.isoformat()})

    def replayed(self, service: str, done: Replayed) -> None:
        """What came of it when a service did again what it had forgotten."""
        self._line(f"{service}: {done.done} done again", {"what": "done again", "service": service, "count": done.done})
        for one in done.stands:
            self._person(one, f"{one.reason}; the refusal stands, see why it would not be given now")
        for one in done.troubles:
            self._person(one, one.reason)
        if more := done.left - len(done.troubles):
            self._line(f"{NEEDS_PERSON}: and {more} more", {"what": NEEDS_PERSON, "more": more})
        self.differs = self.differs or bool(done.left or done.stands)

    def said_again(self, service: str, count: int) -> None:
        """So many events go out once more."""
        self._line(f"{service}: {count} said again", {"what": "said again", "service": service, "count": count})

    def waiting(self, service: str) -> None:
        """A service does not run, so nothing is said again to it."""
        text = f"{service}: does not run; what it has not heard waits in its queues, or is said again once it runs"
        self._line(text, {"what": "does not run", "service": service})

    def end(self) -> None:
        """Show the table, or that there is nothing to show."""
        if self._form is Form.TABLE and self._sums:
            table = Table(*SUMMED)
            for kind, one in self._sums.items():
                moments = (f"{one.first:%F %T}", f"{one.last:%F %T}")
                table.add_row(*map(Text, (*kind, str(one.count), *moments, str(one.example.saga_id))))
            Console().print(table)
        if not self.differs and self._form is not Form.JSON:
            typer.echo("nothing differs")

    def _person(self, one: Trouble, reason: str) -> None:
        told = {"step": one.step, "event": one.event, "saga": str(one.saga_id), "reason": reason}
        self._line(
            f"{NEEDS_PERSON}: {one.step}: {one.event} of {one.saga_id}: {reason}", {"what": NEEDS_PERSON, **told}
        )

    def _line(self, text: str, values: Mapping[str, Any]) -> None:
        if self._form is Form.JSON:
            self._object(values)
        else:
            typer.echo(text)

    def _object(self, values: Mapping[str, Any]) -> None:
        typer.echo(json.dumps(values))
