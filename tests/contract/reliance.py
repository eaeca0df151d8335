"""What a step relies on in an event that it hears, read from its source."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType

from chassis.choreography.graph import EventType
from chassis.choreography.step import Step
from contracts.event import Event


def relied_on(step: Step, event: EventType) -> set[str]:
    """The fields of `event` that `step` reads: by name, to find its rows, or to hand them on with `after`."""
    return looked_at(step, event) | (set(_handed_on(step, event)) & set(event.model_fields))


def looked_at(step: Step, event: EventType) -> set[str]:
    """The fields of `event` that `step` itself goes by: it reads them, finds its rows by them, or compares them."""
    if _gives_away(step):
        return set(event.model_fields)
    read = set(_read(_plain(step), 0, event)) | set(_keys(step, event)) | set(_compared(step))
    return read & set(event.model_fields)


def _read(function: FunctionType, position: int, event: EventType) -> Iterator[str]:
    """The attributes of one parameter that a function reads, itself or through functions that it hands it to."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    parameter = tree.args.args[position].arg
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is(node.value, parameter):
            yield node.attr
            yield from _method(event, node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = function.__globals__.get(node.func.id)
            for number, argument in enumerate(node.args):
                if _is(argument, parameter) and inspect.isfunction(called):
                    yield from _read(called, number, event)


def _plain(step: Step) -> FunctionType:
    assert isinstance(step.function, FunctionType)
    return step.function


def _method(event: EventType, name: str) -> Iterator[str]:
    method = getattr(event, name, None)
    if inspect.isfunction(method) and hasattr(Event, name) is False:
        yield from _read(method, 0, event)


def _keys(step: Step, event: EventType) -> Iterator[str]:
    for parameter in step.rows:
        if parameter.via is None:
            name = parameter.field
            yield f"{name}s" if f"{name}s" in event.model_fields else name


def _compared(step: Step) -> Iterator[str]:
    """The fields that `agree` is told to compare."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(step.function)))):
        if isinstance(node, ast.Call) and _is(node.func, "agree"):
            yield from (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _handed_on(step: Step, event: EventType) -> Iterator[str]:
    """The fields that said events take over from the heard one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(step.function)))
    heard = next(iter(inspect.signature(step.function).parameters))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "after":
            said = _named(step, node.func.value)
            if said is not None and _is(node.args[0], heard):
                given = {keyword.arg for keyword in node.keywords}
                yield from (field for field in said.model_fields if field in event.model_fields and field not in given)


def _gives_away(step: Step) -> bool:
    """Whether a step hands the event as a whole to a resource, which may read all of it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(step.function)))
    heard = next(iter(inspect.signature(step.function).parameters))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    whole = (call.func for call in calls if any(_is(argument, heard) for argument in call.args))
    return any(isinstance(called, ast.Attribute) and called.attr != "after" for called in whole)


def _named(step: Step, node: ast.expr) -> EventType | None:
    """The event that an expression such as `point.Spent` names."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        module = _plain(step).__globals__.get(node.value.id)
        said: EventType | None = getattr(module, node.attr, None)
        return said
    return None


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
