"""Rows: everything that a batch of events touches, loaded and locked with one SELECT per parameter."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from chassis.choreography.envelope import Envelope
from chassis.choreography.step import RowParameter, Step
from chassis.errors import MissingRowError
from chassis.store.transaction import Transaction
from contracts.event import Event


class LockedRows:
    """The locked rows of one batch; rows that one event brings into being are seen by the next."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._found: dict[str, defaultdict[Any, list[Any]]] = {}

    @classmethod
    async def of(cls, transaction: Transaction, step: Step, arrived: Sequence[Envelope]) -> "LockedRows":
        """Load and lock, parameter by parameter; what is only read is not locked."""
        rows = cls(step)
        for parameter in step.rows:
            wanted = {key for envelope in arrived for key in rows._keys(parameter, envelope.event)}
            found: defaultdict[Any, list[Any]] = defaultdict(list)
            load = transaction.lock if parameter.locked else transaction.find
            loaded: list[Any] = await load(parameter.model, parameter.column, wanted)
            for row in loaded:
                found[getattr(row, parameter.column)].append(row)
            rows._found[parameter.name] = found
        return rows

    def arguments(self, event: Event) -> dict[str, Any]:
        """The rows of one event, by parameter name; raises MissingRowError."""
        return {parameter.name: self._argument(parameter, event) for parameter in self._step.rows}

    def add(self, rows: Iterable[Any]) -> None:
        """Show rows that came into being to later events of the batch."""
        for row in rows:
            for parameter in self._step.rows:
                if isinstance(row, parameter.model):
                    self._found[parameter.name][getattr(row, parameter.column)].append(row)

    def _argument(self, parameter: RowParameter, event: Event) -> Any:
        rows = self._rows(parameter, event)
        if parameter.many:
            return rows
        if not rows and not parameter.optional:
            raise MissingRowError(f"{self._step.queue}: no {parameter.name} for {event.name} of {event.saga_id}")
        return rows[0] if rows else None

    def _rows(self, parameter: RowParameter, event: Event) -> list[Any]:
        found = self._found[parameter.name]
        return [row for key in self._keys(parameter, event) for row in found.get(key, ())]

    def _keys(self, parameter: RowParameter, event: Event) -> list[Any]:
        if parameter.via is None:
            return parameter.keys(event)
        via = next(rows for rows in self._step.rows if rows.name == parameter.via)
        keys = {getattr(row, parameter.field) for row in self._rows(via, event)}
        return sorted(key for key in keys if key is not None)
