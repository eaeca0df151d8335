"""`python -m chassis trace`: one saga as the window has seen it, and what it waits for."""

import json
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx2
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from chassis.cli.address import signed_out, unreachable, window_token, window_url
from chassis.errors import describe
from chassis.visible import visible

TIMEOUT, PACE, PATIENCE = 10.0, 0.5, 5.0
"""Seconds that a call may take, between two calls, and until the window has to know what has only just begun"""
PREFERRED = "checkout"
MAX_ID = 64
console = Console()
Story = dict[str, Any]


class Form(StrEnum):
    """How a saga is shown."""

    TEXT = "text"
    JSON = "json"
    MERMAID = "mermaid"


Id = Annotated[str | None, typer.Argument(metavar="[ID]", help="A saga, checkout, payment, reservation or user.")]
User = Annotated[str | None, typer.Option(help="The last checkout of this user.")]
Kind = Annotated[str | None, typer.Option(help="Only sagas of this kind, such as hold.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on until the saga has ended.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs; with --follow, one line for each change.")]
Mermaid = Annotated[bool, typer.Option("--mermaid", help="A sequence diagram; with --follow, of the end.")]


def trace(
    name: Id = None,
    user: User = None,
    saga: Kind = None,
    follow: Follow = False,
    as_json: AsJson = False,
    mermaid: Mermaid = False,
) -> None:
    """Show the timeline of a saga, and what it waits for, as the window has seen it.

    Of several sagas that have to do with ID it is the newest checkout, or the newest of the kind that --saga names.
    """
    if (name is None) == (user is None) or (as_json and mermaid):
        typer.echo("which? give an ID or --user USER, and at most one of --json and --mermaid", err=True)
        raise typer.Exit(2)
    form = Form.JSON if as_json else Form.MERMAID if mermaid else Form.TEXT
    url, headers = window_url(), {"Authorization": f"Bearer {window_token()}"}
    try:
        with httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False) as http:
            window = Window(http)
            saga_id = _find(window, name or "", user or "", saga, PATIENCE if follow else 0)
            (_follow if follow else _show)(window, saga_id, form)
    except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
        raise unreachable(f"the window does not answer: {visible(describe(error))}") from error


class Window:
    """Asks the window, with the token of an operator."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def sagas(self, text: str, user: str, kind: str | None) -> list[dict[str, Any]]:
        """Sagas that have to do with something, the newest first."""
        answer = self._get("/api/sagas", text=text, user=user, saga=kind or "")
        return list(answer.json()["sagas"]) if answer else []

    def story(self, saga_id: str) -> Story | None:
        """The whole of a saga, if the window has seen it."""
        answer = self._get(f"/api/sagas/{saga_id}")
        return dict(answer.json()) if answer else None

    def rendered(self, saga_id: str, form: Form) -> str:
        """The whole of a saga as lines, without a character that a terminal obeys."""
        answer = self._get(f"/api/sagas/{saga_id}/{form.value}")
        if answer is None:
            raise ValueError("it has forgotten the saga, or is older than this command")
        return "\n".join(map(visible, answer.text.split("\n")))

    def _get(self, path: str, **query: str) -> httpx2.Response | None:
        answer = self._http.get(path, params={name: value for name, value in query.items() if value})
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise signed_out(
                f"the window answers {answer.status_code}: WINDOW_TOKEN is not an operator's, or has ended"
            )
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        return answer.raise_for_status()


def _find(window: Window, name: str, user: str, kind: str | None, patience: float) -> str:
    """The saga that is meant; ends the command with status 1 when nothing has to do with that name."""
    until = time.monotonic() + patience
    while True:
        if found := _found(window, name, user, kind):
            return found
        if time.monotonic() >= until:
            break
        time.sleep(PACE)
    what = f"of {kind} " if kind else ""
    typer.echo(f"the window has seen nothing {what}that has to do with {visible(user or name)}", err=True)
    raise typer.Exit(1)


def _found(window: Window, name: str, user: str, kind: str | None) -> str | None:
    if max(len(name), len(user), len(kind or "")) > MAX_ID:
        return None
    sagas = window.sagas(name, user, kind)
    if chosen := next((one for one in sagas if one["saga"] == (kind or PREFERRED)), sagas[0] if sagas else None):
        return str(UUID(chosen["saga_id"]))
    # What has only just begun is found by its own id before it is found by anything else.
    return name if not kind and _is_id(name) and window.story(name) else None


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name.lower()
    except ValueError:
        return False


def _show(window: Window, saga_id: str, form: Form) -> None:
    if form is Form.JSON:
        typer.echo(json.dumps(window.story(saga_id), indent=2))
    else:
        typer.echo(window.rendered(saga_id, form))


def _follow(window: Window, saga_id: str, form: Form) -> None:
    if form is Form.MERMAID:
        for _ in _states(window, saga_id):
            pass
        _show(window, saga_id, form)
    elif form is Form.JSON:
        _follow_for_programs(window, saga_id)
    elif console.is_terminal:
        _redraw(window, saga_id)
    else:
        _add_lines(window, saga_id)


def _states(window: Window, saga_id: str) -> Iterator[Story]:
    """The saga, again and again, until nothing more is to be expected of it."""
    while story := window.story(saga_id):
        yield story
        if story["way"] == "ended" and not story["waits"]:
            return
        time.sleep(PACE)


def _follow_for_programs(window: Window, saga_id: str) -> None:
    last = None
    for story in _states(window, saga_id):
        # How long it has been waiting is no change.
        seen = {**story, "waits": [{**wait, "text": ""} for wait in story["waits"]]}
        if seen != last:
            last = seen
            typer.echo(json.dumps(story))


def _redraw(window: Window, saga_id: str) -> None:
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for _ in _states(window, saga_id):
            live.update(Text(window.rendered(saga_id, Form.TEXT)), refresh=True)


def _add_lines(window: Window, saga_id: str) -> None:
    shown = set[str]()
    for _ in _states(window, saga_id):
        for line in window.rendered(saga_id, Form.TEXT).splitlines():
            if (mark := _mark(line)) not in shown:
                shown.add(mark)
                typer.echo(line)


def _mark(line: str) -> str:
    """What makes a line another one: neither how its columns are aligned, nor how long something has been waiting."""
    what = line.partition(" for ")[0] if line.startswith("waits: ") else line
    return " ".join(what.split())
