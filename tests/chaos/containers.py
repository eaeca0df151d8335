"""The system as `docker compose up` runs it: every service is a container, and so is the broker."""

import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from stack.directory import ROOT, read_environment
from tests.chaos.node import command
from tests.chaos.programs import Programs
from tests.chaos.site import Site
from tests.end_to_end.system import System

_DOCKER = shutil.which("docker") or "docker"
_COMPOSE = (_DOCKER, "compose", "--file", str(ROOT / "compose.yaml"))
_BROKER = "rabbitmq"


class Containers(Programs):
    """The processes of the containers, by the names of their services."""

    def pid(self, name: str) -> int | None:
        """The id of the first process of a container, None while there is none."""
        container = _said(*_COMPOSE, "ps", "--quiet", name)
        return int(_said(_DOCKER, "inspect", "--format", "{{.State.Pid}}", container)) or None if container else None


class ContainerNode:
    """The node in a container. It is started again by hand: an engine leaves alone what somebody has killed."""

    async def restart(self) -> None:
        """Have it end in order, and started again."""
        await command(*_COMPOSE, "restart", _BROKER)

    async def kill(self) -> None:
        """Kill it, and have it started again."""
        await command(*_COMPOSE, "kill", "--signal", "KILL", _BROKER)
        await command(*_COMPOSE, "start", _BROKER)

    async def ctl(self, *arguments: str) -> str:
        """What its command line answers."""
        return await command(*_COMPOSE, "exec", "-T", _BROKER, "rabbitmqctl", *arguments)


def named_site(env_file: Path) -> contextlib.AbstractAsyncContextManager[Site]:
    """The containers that an env file of `make compose-env` describes; nothing stands between them."""
    return _site(read_environment(env_file))


@contextlib.asynccontextmanager
async def _site(environment: Mapping[str, str]) -> AsyncIterator[Site]:
    async with System.of(environment) as system:
        yield Site.around(system, Containers(Path()), ContainerNode())


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603  # ours
