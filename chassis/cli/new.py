"""`python -m chassis new`: writes a service that runs, with one step, its undo, and tests that fail until both do."""

import builtins
import importlib
import keyword
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from chassis.choreography.graph import Choreography, EventType
from chassis.choreography.loading import load, packages
from chassis.choreography.step import Kind, Step
from chassis.documents.examples import example
from chassis.errors import NewServiceError, UnreadableStepError
from contracts.event import Refusal, Timed

TEMPLATES = Path(__file__).parent / "templates"
MAX_NAME = 15
FIRST_PORT = 8001
SERVERS = {"admin", "amq", "guest", "platform", "postgres", "public", "rabbitmq", "template0", "template1"}
"""What means something to the broker, to the database or to the stack around them."""
WRITTEN = {"apply", "chassis", "contracts", "datetime", "entry", "event", "lost", "now", "revert", "service", "tests"}
"""What every `steps.py` that is written here uses as a name of its own."""

_DEADLINE = '''
def test_apply_refuses_after_the_deadline() -> None:
    """The deadline itself is too late."""
    # when
    outcome = applied(now=DEADLINE)
    # then
    assert outcome == an({name}.Rejected, reason="deadline-passed")

'''


def new(
    name: Annotated[str, typer.Argument(help="What the service is about, in one word: coupon.")],
    after: Annotated[
        str | None, typer.Option(help="The step that it follows, if not the last before the pivot.")
    ] = None,
) -> None:
    """Write a service that takes part in a saga, right after another step."""
    try:
        previous, paths = create(name, after, Path.cwd())
    except (NewServiceError, UnreadableStepError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for path in paths:
        typer.echo(f"wrote {path}")
    typer.echo(f"{name}.apply hears what {previous.queue} says, and nobody hears {name}_svc yet.")
    typer.echo("next: make publish gives it its role, its database and its walls; docs/add-a-service.md leads on")
    typer.echo("what is still open says  python -m chassis check")


def create(name: str, after: str | None, folder: Path) -> tuple[Step, list[Path]]:
    """Write the files of a service, and return the step that it follows and their paths.

    Raises NewServiceError, and then writes nothing.
    """
    _refuse_name(name, folder)
    graph = load(folder)
    previous = _previous(graph, after)
    texts = dict(_rendered(name, _values(name, graph, previous, _free_port(folder))))
    if existing := [path for path in texts if (folder / path).exists()]:
        raise NewServiceError(f"{existing[0]} exists: take another name, or remove it")
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return previous, list(texts)


def _refuse_name(name: str, folder: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.endswith(("_", "_svc")) or len(name) > MAX_NAME:
        raise NewServiceError(
            f"{name!r} cannot name a service: take up to {MAX_NAME} small letters, digits and single _, without _svc"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
        raise NewServiceError(f"{name} means something in Python, which contracts/{name}.py would hide: take another")
    if name in SERVERS | WRITTEN or name.startswith("pg_"):
        raise NewServiceError(f"{name} means something to the frame or to its servers: take another name")
    if (folder / f"{name}_svc").exists() or (folder / "contracts" / f"{name}.py").exists():
        raise NewServiceError(f"{name} exists already, as a service or as a module of contracts: take another name")


def _previous(graph: Choreography, after: str | None) -> Step:
    """The step that the new one follows; it has to be one that a refusal undoes."""
    undoable = {step.queue: step for step in graph.steps if step.is_forward and _undo(graph, step)}
    pivot = next((step for step in graph.steps if step.kind is Kind.PIVOT), None)
    wanted = after or (graph.before(pivot)[0].queue if pivot and graph.before(pivot) else "")
    if wanted not in undoable:
        what = f"nothing can follow {wanted!r} and still be undone" if wanted else "there is no pivot to come before"
        raise NewServiceError(
            f"{what}: say --after with one of {', '.join(undoable) or 'the steps, once there are any'}"
        )
    return undoable[wanted]


def _values(name: str, graph: Choreography, previous: Step, port: int) -> dict[str, str]:
    heard = [event for event in previous.says if not issubclass(event, Refusal)]
    undone_by = _undo(graph, previous)
    saga = heard[0]
    base = next(base for base in saga.__mro__ if "saga" in vars(base)).__name__
    timed = all(issubclass(event, Timed) for event in heard)
    key = _id_of(saga)
    constants = {key.upper(), "NOW"} | ({"DEADLINE"} if timed else set())
    spelt = _spelt(saga)
    return {
        "name": name,
        "Name": "".join(word.capitalize() for word in name.split("_")),
        "NAME": name.upper(),
        "port": str(port),
        "saga": saga.saga,
        "base": base,
        "bases": ", ".join(sorted({base, "Reason", "Refusal"} | ({"Timed"} if timed else set()))),
        "timed": ", Timed" if timed else "",
        "id": key,
        "ID": key.upper(),
        "modules": ", ".join(sorted({name, *(_module(event) for event in (*heard, *undone_by))})),
        "variable": saga.__name__.lower() if len(heard) == 1 else "heard",
        "heard": " | ".join(map(_spelt, heard)),
        "heard_first": spelt,
        "lost": " | ".join(map(_spelt, undone_by)),
        "lost_first": _spelt(undone_by[0]),
        "lost_examples": ", ".join(f"an({_spelt(event)})" for event in undone_by),
        "constants": ", ".join(sorted(constants)),
        "deadline": _DEADLINE.format(name=name) if timed else "",
    }


def _undo(graph: Choreography, step: Step) -> list[EventType]:
    """What the compensation of a step hears."""
    undoing = (undo for undo in graph.undoing(step) if undo.kind is Kind.UNDO)
    return [event for undo in undoing for event in undo.hears]


def _rendered(name: str, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for template in sorted(TEMPLATES.rglob("*.template")):
        path = str(template.relative_to(TEMPLATES)).removesuffix(".template").replace("NAME", name)
        yield Path(path), _sorted_imports(Template(template.read_text()).substitute(values))


def _sorted_imports(text: str) -> str:
    """The text with the lines and names of its imports in order, which a new name may have upset."""
    named = re.sub(
        r"(?<= import )\w+(?:, \w+)+$", lambda names: ", ".join(sorted(names[0].split(", "))), text, flags=re.M
    )
    return re.sub(r"(?:^from .+\n)+", lambda run: "".join(sorted(run[0].splitlines(keepends=True))), named, flags=re.M)


def _free_port(folder: Path) -> int:
    """The port after those that the services there have."""
    settings = (importlib.import_module(f"{package}.settings").Settings for package in packages(folder))
    ports = [one.model_fields["port"].default for one in settings]
    return 1 + max((port for port in ports if isinstance(port, int)), default=FIRST_PORT - 1)


def _id_of(event: EventType) -> str:
    """The field that holds the id of the saga."""
    happened = example(event)
    return next(field for field in event.model_fields if getattr(happened, field) == happened.saga_id)


def _module(event: EventType) -> str:
    return event.__module__.rpartition(".")[2]


def _spelt(event: EventType) -> str:
    return f"{_module(event)}.{event.__name__}"
