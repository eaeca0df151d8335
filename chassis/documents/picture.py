"""Picture: the choreography drawn from the declarations, as tables, as diagrams and as data."""

from collections.abc import Iterable, Iterator
from typing import Any

from chassis.choreography.graph import Choreography, EventType
from chassis.choreography.step import Kind, Step

COLUMNS = ("step", "hears", "says", "undone by")


def rows(graph: Choreography, saga: str) -> Iterator[tuple[str, str, str, str]]:
    """The steps of one saga: the way out, the way back, what the clock asks; one row each in the order of COLUMNS."""
    for step in (*graph.way_out(saga), *graph.way_back(saga), *graph.asked(saga)):
        yield _name(step), _names(step.hears), _says(step), _undone(graph, step)


def markdown_table(graph: Choreography, saga: str) -> str:
    """The rows as a table of Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows(graph, saga)]
    return "\n".join(f"| {' | '.join(cell or '-' for cell in line)} |" for line in lines)


def mermaid(graph: Choreography, saga: str, *, back: bool) -> str:
    """One direction of a saga as a Mermaid flowchart: steps are boxes, events the arrows between them."""
    return _flowchart(graph, graph.way_back(saga) if back else graph.way_out(saga), back=back)


def at_a_glance(graph: Choreography, saga: str) -> str:
    """A whole saga as one small Mermaid flowchart: solid on the way out, dashed on the way back, no names of events."""
    steps = [*graph.way_out(saga), *graph.way_back(saga)]
    lines = dict.fromkeys(line for step in steps for line in _leads(graph, step))
    return "\n".join(["flowchart LR", *(f"    {line}" for line in lines)])


def as_data(graph: Choreography) -> dict[str, Any]:
    """The whole choreography for programs: sagas with their steps in order, and what is shown of their ends."""
    return {
        "sagas": {
            saga: {
                "out": [_data(graph, step) for step in graph.way_out(saga)],
                "back": [_data(graph, step) for step in graph.way_back(saga)],
                "asked": [_data(graph, step) for step in graph.asked(saga)],
            }
            for saga in graph.sagas
        },
        "resources": {
            resource: {event.name: status for event, status in ends.items()}
            for service in graph.services
            for resource, ends in service.resources.items()
        },
    }


def document(graph: Choreography) -> str:
    """Tables and diagrams of all sagas, as Markdown."""
    parts = []
    for saga in graph.sagas:
        parts += [f"## The {saga} saga", markdown_table(graph, saga)]
        parts += ["The way out:", _fenced(mermaid(graph, saga, back=False))]
        parts += ["The way back:", _fenced(mermaid(graph, saga, back=True))]
        if asked := graph.asked(saga):
            parts += [
                "What the clock asks when nothing is heard, and what is called out:",
                _fenced(_flowchart(graph, asked)),
            ]
    return "\n\n".join(parts) + "\n"


def _flowchart(graph: Choreography, steps: Iterable[Step], *, back: bool = False) -> str:
    lines = dict.fromkeys(line for step in steps for line in _arrows(graph, step, back=back))
    return "\n".join(["flowchart LR", *(f"    {line}" for line in lines)])


def _arrows(graph: Choreography, step: Step, *, back: bool) -> Iterator[str]:
    """The arrows to a step and those that leave the picture: ends, and on the way back the refusals that lead in."""
    if not step.hears:
        yield f'outside(["from outside"]) --> {_box(step)}'
    for event in step.hears:
        for sayer in graph.saying(event):
            yield f"{_box(sayer)} -->|{event.name}| {_box(step)}"
    for event in step.says:
        if event.end:
            yield f'{_box(step)} -->|{event.name}| {event.name.replace(".", "_").replace("-", "_")}(("end"))'
        elif not back and event in graph.turning(step):
            yield f'{_box(step)} -.->|{event.name}| back(["the way back"])'


def _leads(graph: Choreography, step: Step) -> Iterator[str]:
    """The arrows from a step to those that hear what it says."""
    for event in step.says:
        arrow = "-. refused .->" if event in graph.turning(step) else "-->" if step.is_forward else "-.->"
        for hearer in graph.hearing(event):
            yield f"{_box(step)} {arrow} {_box(hearer)}"


def _box(step: Step) -> str:
    edges = {Kind.EFFECT: ("[/", "/]"), Kind.PIVOT: ("{{", "}}")}
    left, right = edges.get(step.kind, ("[", "]"))
    return f'{step.queue.replace(".", "_")}{left}"{step.queue}"{right}'


def _name(step: Step) -> str:
    notes = {
        Kind.PIVOT: " (pivot)",
        Kind.EFFECT: " (effect)",
        Kind.START: " (from outside)",
        Kind.LAPSE: " (from outside)" if step.hears else " (the clock or a request)",
        Kind.INQUIRY: " (the clock)",
        Kind.CALL: " (called out)",
    }
    return step.queue + notes.get(step.kind, "")


def _says(step: Step) -> str:
    forward = _names(event for event in step.says if event not in step.refusals)
    return f"{forward} / {_names(step.refusals)}" if step.refusals else forward


def _undone(graph: Choreography, step: Step) -> str:
    if step.undoes:
        return f"undoes {step.undoes.queue}"
    if step.reverses:
        return f"takes back {step.reverses.queue}"
    return ", ".join(other.queue for other in graph.undoing(step))


def _names(events: Iterable[EventType]) -> str:
    return ", ".join(event.name for event in events)


def _data(graph: Choreography, step: Step) -> dict[str, Any]:
    return {
        "step": step.queue,
        "kind": step.kind.value,
        "hears": [event.name for event in step.hears],
        "says": [event.name for event in step.says],
        "refusals": [event.name for event in step.refusals],
        "ends": [event.name for event in step.says if event.end],
        "undoes": step.undoes.queue if step.undoes else None,
        "undone_by": [other.queue for other in graph.undoing(step)],
        "reverses": step.reverses.queue if step.reverses else None,
    }


def _fenced(diagram: str) -> str:
    return f"```mermaid\n{diagram}\n```"
