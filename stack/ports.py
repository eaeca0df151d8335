"""Which ports a stack uses: the usual ones, or the next that nobody has."""

import json
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.services import EACH, WINDOW, WINDOW_PORT
from stack.size import Size, numbered

USUAL = {
    **{service.package: service.port for service in EACH},
    WINDOW: WINDOW_PORT,
    # Leaves room for services.
    "platform": 8100,
    "stage": 8101,
    "postgres": 18432,
    "rabbitmq": 18672,
    "management": 18673,
    "distribution": 18674,
    "epmd": 18675,
}
_REPLICAS, _BALANCER, _STANDBY = 8200, 8102, 18433
_NODE_STEP = 10
_TRIES = 1000
_LAST = 65535
_REMEMBERED = TypeAdapter(dict[str, Annotated[int, Field(ge=1, le=_LAST)]])


class Ports:
    """The ports of one stack, claimed for as long as this object lives and remembered for the next time."""

    @classmethod
    def chosen(cls, directory: Directory) -> dict[str, int]:
        """The ports of a stack that runs, which stay its own."""
        return cls._remembered(directory)

    def __init__(self, directory: Directory, size: Size | None = None) -> None:
        """Claim a port for every name in `USUAL`, and for what a larger stack has; what was remembered goes first."""
        remembered = self._remembered(directory)
        self._claims: list[socket.socket] = []
        self._chosen = {name: self._claim(remembered.get(name, usual)) for name, usual in _usual(size or Size())}
        # What a smaller stack does without is remembered for when it grows again.
        write_private(_file(directory), json.dumps(remembered | self._chosen, indent=2))

    def __getitem__(self, name: str) -> int:
        """The port of `name`."""
        return self._chosen[name]

    def release(self) -> None:
        """Let go of the claims, for others to take the ports that no program has bound."""
        for claim in self._claims:
            claim.close()

    @staticmethod
    def _remembered(directory: Directory) -> dict[str, int]:
        try:
            return _REMEMBERED.validate_json(_file(directory).read_bytes())
        except (FileNotFoundError, ValidationError):
            # Other ports do as well.
            return {}

    def _claim(self, first: int) -> int:
        last = min(first + _TRIES, _LAST)
        for port in range(first, last + 1):
            claim = _claimed(port)
            if claim is not None:
                self._claims.append(claim)
                return port
        raise StackError(f"no free port between {first} and {last}")


def _file(directory: Directory) -> Path:
    return directory.path / "ports.json"


def _usual(size: Size) -> Iterator[tuple[str, int]]:
    yield from USUAL.items()
    if size.is_balanced:
        yield "balancer", _BALANCER
    if size.replicas > 1:
        for service, number in product(range(len(EACH)), size.numbers(size.replicas)):
            yield numbered(EACH[service].package, number), _REPLICAS + 10 * service + number
    if size.nodes > 1:
        for name, number in product(("rabbitmq", "management", "distribution"), size.numbers(size.nodes)):
            yield numbered(name, number), USUAL[name] + _NODE_STEP * number
    if size.standby:
        yield numbered("postgres", 2), _STANDBY


def _claimed(port: int) -> socket.socket | None:
    # A program binds its port seconds after it was chosen; until then another stack would find it free. So
    # the choice is marked by a name that the kernel keeps per machine, and drops when this process ends.
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0concert-seats-port-{port}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return None
    return claim
