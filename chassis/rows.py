"""Rows: everything that a batch of events touches, loaded and locked with one SELECT per parameter."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from chassis.envelope import Envelope
from chassis.step import Rows, Step
from chassis.unit_of_work import UnitOfWork
from contracts.event import Event


class MissingRowError(LookupError):
    """A step needs a row that is not there."""


class Loaded:
    """The locked rows of one batch; rows that one event brings into being are seen by the next."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._found: dict[str, defaultdict[Any, list[Any]]] = {}

    @classmethod
    async def of(cls, rows: UnitOfWork, step: Step, arrived: Sequence[Envelope]) -> "Loaded":
        """Load and lock, parameter by parameter."""
        loaded = cls(step)
        for parameter in step.rows:
            wanted = {key for envelope in arrived for key in loaded._keys(parameter, envelope.event)}
            name = key_name(parameter)
            found: defaultdict[Any, list[Any]] = defaultdict(list)
            locked: list[Any] = await rows.lock(parameter.model, name, wanted)
            for row in locked:
                found[getattr(row, name)].append(row)
            loaded._found[parameter.name] = found
        return loaded

    def arguments(self, event: Event) -> dict[str, Any]:
        """The rows of one event, by parameter name; raises MissingRowError."""
        return {parameter.name: self._argument(parameter, event) for parameter in self._step.rows}

    def add(self, rows: Iterable[Any]) -> None:
        """Let later events of the batch see rows that came into being."""
        for row in rows:
            for parameter in self._step.rows:
                if isinstance(row, parameter.model):
                    self._found[parameter.name][getattr(row, key_name(parameter))].append(row)

    def _argument(self, parameter: Rows, event: Event) -> Any:
        rows = self._rows(parameter, event)
        if parameter.many:
            return rows
        if not rows and not parameter.optional:
            raise MissingRowError(f"{self._step.queue}: no {parameter.name} for {event.name} of {event.saga_id}")
        return rows[0] if rows else None

    def _rows(self, parameter: Rows, event: Event) -> list[Any]:
        found = self._found[parameter.name]
        return [row for key in self._keys(parameter, event) for row in found.get(key, ())]

    def _keys(self, parameter: Rows, event: Event) -> list[Any]:
        name = key_name(parameter)
        if parameter.via is None:
            return _event_keys(event, name)
        via = next(rows for rows in self._step.rows if rows.name == parameter.via)
        return sorted({getattr(row, name) for row in self._rows(via, event)})


@cache
def key_name(parameter: Rows) -> str:
    """The column by which the rows of a parameter are found."""
    if parameter.by:
        return parameter.by
    primary_key: tuple[Any, ...] = sa.inspect(parameter.model, raiseerr=True).primary_key
    (column,) = primary_key
    return str(column.key)


def _event_keys(event: Event, name: str) -> list[Any]:
    values: Mapping[str, Any] = event.__dict__
    return list(values[f"{name}s"]) if f"{name}s" in values else [values[name]]
