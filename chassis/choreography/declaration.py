"""Declaration: the steps of a service, each declared by the signature of a pure function.

The first parameter is the event that is heard (or a union of events), the return annotation names the events that may
be said. Of the other parameters

- one whose class is a table is a row to load and lock: `Row` must exist, `Row | None` may, `list[Row]` are all
  that there are; rows are found by `Annotated` markers `By` and `Via`, else by the table's primary key, in the
  attribute of the event with that name or its plural; with `Unlocked` they are only read;
- `now: datetime` is the time of the attempt;
- any other class is a dependency that the service provides.

What is returned is what happened: one event, `(event, row, …)` when rows come into being with it, or None when
there is nothing to say because it has happened before.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from chassis.choreography.step import FROM_OUTSIDE, Dependency, Kind, RowParameter, Step
from chassis.errors import DeclarationError
from contracts.event import Event

Function = TypeVar("Function", bound=Callable[..., Any])
Turn = TypeVar("Turn", bound=Callable[..., bool])


@dataclass(frozen=True)
class By:
    """Rows are found by this column instead of the primary key; the event, or what `Via` names, has it in `of`."""

    column: str
    of: str | None = None


@dataclass(frozen=True)
class Via:
    """Rows are found by the primary key that the rows of this earlier parameter carry, where they carry one."""

    parameter: str


@dataclass(frozen=True)
class Unlocked:
    """Rows are read and not locked: what the step finds may change before it has committed, and it changes nothing."""


class Service:
    """The steps of one service, in the order of their declaration."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: list[Step] = []
        self.resources: dict[str, dict[type[Event], str]] = {}
        self.recalls: dict[str, Step] = {}
        """How a start is done again that a restored database has forgotten, by the name of the start"""

    def step(self, function: Function) -> Function:
        """Declare a step on the way out."""
        return self._declare(function, Kind.STEP)

    def pivot(self, function: Function) -> Function:
        """Declare the step after which a saga only goes forward: nothing undoes it, and nothing after it may refuse."""
        return self._declare(function, Kind.PIVOT)

    def undo(self, undone: Callable[..., Any]) -> Callable[[Function], Function]:
        """Declare the compensation of `undone`, an earlier step or start of this service."""

        def declare(function: Function) -> Function:
            return self._declare(function, Kind.UNDO, undoes=self.declared(undone))

        return declare

    def effect(self, function: Function) -> Function:
        """Declare a step that does I/O: async, run at least once, outside of any transaction."""
        if not inspect.iscoroutinefunction(function):
            raise DeclarationError(f"{function.__qualname__} does I/O, so it has to be `async def`")
        return self._declare(function, Kind.EFFECT)

    def turn(self, effect: Callable[..., Any]) -> Callable[[Turn], Turn]:
        """Declare whether it is the turn of `effect` to act on what it hears, told from rows; else it waits.

        What it waits for has to come in the end by itself: however long that takes, nobody is told.
        """

        def declare(function: Turn) -> Turn:
            waiting = self.declared(effect)
            place = self.steps.index(waiting)
            self.steps[place] = replace(waiting, turn=_turn(waiting, function))
            return function

        return declare

    def reversal(self, reversed_: Callable[..., Any], *, pivot: bool = False) -> Callable[[Function], Function]:
        """Declare a step on the way out that takes back `reversed_`, a step of another saga that went well long ago."""

        def declare(function: Function) -> Function:
            kind = Kind.PIVOT if pivot else Kind.STEP
            return self._declare(function, kind, reverses=self.declared(reversed_))

        return declare

    def start(self, function: Function) -> Function:
        """Declare what begins a saga from outside: a request."""
        return self._declare(function, Kind.START)

    def set_off(self, start: Callable[..., Any]) -> Callable[[Function], Function]:
        """Declare what begins the saga of `start` in its place, because of what a service calls out."""

        def declare(function: Function) -> Function:
            return self._declare(function, Kind.START, answers_for=self.declared(start))

        return declare

    def call(self, function: Function) -> Function:
        """Declare what a service calls out to all sagas, by itself: it belongs to none, but others begin or end."""
        return self._declare(function, Kind.CALL)

    def lapse(self, undone: Callable[..., Any]) -> Callable[[Function], Function]:
        """Declare what undoes `undone` from outside, without a refusal, so that the saga goes all the way back.

        The clock does, a request, or what a service calls out: then it is what the function hears.
        """

        def declare(function: Function) -> Function:
            return self._declare(function, Kind.LAPSE, undoes=self.declared(undone))

        return declare

    def inquiry(self, function: Function) -> Function:
        """Declare what the clock asks the pivot about a saga that should have ended. It undoes nothing by itself."""
        return self._declare(function, Kind.INQUIRY)

    def answer(self, pivot: Callable[..., Any]) -> Callable[[Function], Function]:
        """Declare what answers an inquiry in the place of `pivot`: it says again what that did, or refuses for good."""

        def declare(function: Function) -> Function:
            return self._declare(function, Kind.STEP, answers_for=self.declared(pivot))

        return declare

    def recall(self, start: Callable[..., Any]) -> Callable[[Function], Function]:
        """Declare how `start` is done again, by what others have said since, where its database has forgotten it.

        It is no part of the choreography: only `python -m chassis reconcile` calls it.
        """

        def declare(function: Function) -> Function:
            begun = self.declared(start)
            again = _read(self.name, function, Kind.STEP)
            if begun.kind is not Kind.START or not set(again.says) <= set(begun.says):
                raise DeclarationError(f"{function.__qualname__} has to say what the start {begun.queue} says")
            self.recalls[begun.queue] = again
            return function

        return declare

    def shows(self, resource: str, ends: Mapping[type[Event], str]) -> None:
        """Declare as what status a REST resource shows each end of its saga."""
        self.resources[resource] = dict(ends)

    def declared(self, function: Callable[..., Any]) -> Step:
        """The declaration of `function`; raises DeclarationError when there is none."""
        for step in self.steps:
            if step.function is function:
                return step
        raise DeclarationError(f"{function.__qualname__} is no step of {self.name}")

    @property
    def listening(self) -> list[Step]:
        """The steps that hear an event, each of which has a queue."""
        return [step for step in self.steps if step.has_queue]

    def _declare(
        self,
        function: Function,
        kind: Kind,
        undoes: Step | None = None,
        answers_for: Step | None = None,
        reverses: Step | None = None,
    ) -> Function:
        read = _read(self.name, function, kind)
        step = replace(read, undoes=undoes, answers_for=answers_for, reverses=reverses)
        if any(known.name == step.name for known in self.steps):
            raise DeclarationError(f"{step.queue} is declared twice")
        self.steps.append(step)
        return function


def _turn(effect: Step, function: Callable[..., bool]) -> Step:
    """What tells whether it is the turn of an effect: a step that says nothing and changes nothing."""
    hints = typing.get_type_hints(function, include_extras=True)
    hears = tuple(_events(hints.pop(next(iter(hints), ""), None)))
    hints.pop("return", None)
    rows = tuple(replace(_rows(name, hint), locked=False) for name, hint in hints.items() if _is_rows(hint))
    _check_rows(function, rows, effect.hears)
    if effect.kind is not Kind.EFFECT or not set(effect.hears) <= set(hears):
        raise DeclarationError(f"{function.__qualname__} has to hear what an effect hears, as {effect.queue} does")
    if len(rows) < len(hints) or not all(one.many or one.optional for one in rows):
        raise DeclarationError(f"{function.__qualname__} may only read rows, which need not be there")
    return replace(effect, function=function, rows=rows, dependencies=())


def _read(service: str, function: Callable[..., Any], kind: Kind) -> Step:
    hints = typing.get_type_hints(function, include_extras=True)
    says = tuple(_events(hints.pop("return", None)))
    first = next(iter(hints), "")
    hears = tuple(_events(hints.get(first)))
    if hears or kind not in FROM_OUTSIDE:
        hints.pop(first, None)
    if not says or (kind not in FROM_OUTSIDE and not hears):
        raise DeclarationError(f"{function.__qualname__} must hear an event and return events")
    rows = tuple(_rows(name, hint) for name, hint in hints.items() if _is_rows(hint))
    _check_rows(function, rows, hears)
    known = {parameter.name for parameter in rows}
    others = {name: hint for name, hint in hints.items() if name not in known}
    dependencies = tuple(Dependency(name, hint) for name, hint in others.items() if hint is not datetime)
    if kind is Kind.EFFECT and (rows or "now" in others):
        raise DeclarationError(f"{function.__qualname__} is an effect, which has neither rows nor a clock")
    name = function.__name__.rstrip("_")
    takes_now = others.get("now") is datetime
    return Step(service, name, kind, function, hears, says, rows, dependencies, takes_now)


def _events(hint: Any) -> Iterator[type[Event]]:
    """The event classes that an annotation names, in its order."""
    if typing.get_origin(hint) is tuple:
        yield from _events(typing.get_args(hint)[0])
    elif _is_union(hint):
        for member in typing.get_args(hint):
            yield from _events(member)
    elif isinstance(hint, type) and issubclass(hint, Event):
        yield hint


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _is_rows(hint: Any) -> bool:
    return any(hasattr(member, "__table__") for member in _members(hint))


def _members(hint: Any) -> Iterable[Any]:
    """The classes inside `X`, `X | None`, `list[X]` and `Annotated[any of these, …]`."""
    arguments = typing.get_args(hint)
    if not arguments:
        return (hint,)
    inside = arguments[:1] if typing.get_origin(hint) is typing.Annotated else arguments
    return [member for argument in inside for member in _members(argument)]


def _rows(name: str, hint: Any) -> RowParameter:
    markers = getattr(hint, "__metadata__", ())
    bare = typing.get_args(hint)[0] if markers else hint
    members = list(_members(bare))
    model = next(member for member in members if member is not type(None))
    by = next((marker for marker in markers if isinstance(marker, By)), None)
    return RowParameter(
        name=name,
        model=model,
        many=typing.get_origin(bare) is list,
        optional=type(None) in members,
        column=by.column if by else _primary_key(name, model),
        via=next((marker.parameter for marker in markers if isinstance(marker, Via)), None),
        of=by.of if by else None,
        locked=not any(isinstance(marker, Unlocked) for marker in markers),
    )


def _primary_key(name: str, model: Any) -> str:
    keys = [str(column.key) for column in model.__table__.primary_key.columns]
    if len(keys) != 1:
        raise DeclarationError(f"{name}: the primary key of {model.__name__} is {keys}; say which column: By(…)")
    return keys[0]


def _check_rows(function: Callable[..., Any], rows: Iterable[RowParameter], hears: Iterable[type[Event]]) -> None:
    """Every row can be found: each event, or the earlier parameter, has what its key is read from."""
    earlier: dict[str, RowParameter] = {}
    for parameter in rows:
        where = f"{function.__qualname__}: {parameter.name} is found by {parameter.field}"
        if parameter.via is None:
            for event in hears:
                if not {parameter.field, f"{parameter.field}s"} & event.model_fields.keys():
                    raise DeclarationError(f"{where}, which {event.name} does not have")
        elif parameter.via not in earlier:
            raise DeclarationError(f"{where} of {parameter.via}, which is no earlier parameter with rows")
        elif parameter.field not in _columns(earlier[parameter.via].model):
            raise DeclarationError(f"{where}, which the rows of {parameter.via} do not have")
        earlier[parameter.name] = parameter


def _columns(model: Any) -> list[str]:
    return [str(column.key) for column in model.__table__.columns]
