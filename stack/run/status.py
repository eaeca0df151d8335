"""Who belongs to the running system, and whether each answers."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from stack.directory import Directory
from stack.run.probe import answers
from stack.run.state import State
from stack.servers.fence import is_fenced


@dataclass(frozen=True)
class Process:
    """One process; its id is known of those that a stack of this machine keeps running."""

    name: str
    pid: int | None
    port: int | None
    answers: bool
    fenced: bool = False
    """Whether it must not run, see `stack.servers.fence`"""


async def processes(directory: Directory) -> list[Process]:
    """The processes of the stack, else whatever the env file names; raises `StackError` if there is neither."""
    known = _kept(directory) if directory.is_supervised else _named(directory.running())
    ready = await asyncio.gather(*(answers(probe) for _, _, _, probe in known))
    return [
        Process(name, pid, port, ok, is_fenced(directory, name))
        for (name, pid, port, _), ok in zip(known, ready, strict=True)
    ]


def _kept(directory: Directory) -> list[tuple[str, int | None, int | None, str]]:
    state = State.of(directory) or State()
    return [(name, entry.pid, entry.port, entry.probe) for name, entry in state.programs.items() if entry.probe]


def _named(environment: dict[str, str]) -> list[tuple[str, int | None, int | None, str]]:
    urls = {name: url for name, url in environment.items() if name.endswith("_URL") and "_RABBITMQ_" not in name}
    # The broker is asked through AMQP.
    urls.pop("RABBITMQ_MANAGEMENT_URL", None)
    return [(name, None, urlsplit(url).port, _probe(url)) for name, url in urls.items()]


def _probe(url: str) -> str:
    return f"{url}/readyz" if url.startswith("http") else url
