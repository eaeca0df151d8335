"""How much of everything one stack has: processes of a service, nodes of the broker, copies of the databases."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, ValidationError

from stack.directory import Directory, write_private
from stack.errors import StackError

MAX_REPLICAS = 8
NODES = (1, 3, 5)
"""Numbers of nodes of which a majority is left when one, or two, are lost"""
USUAL_REPLICAS = 3
"""As many processes of a service fit its usual limit of database connections"""


class Size(BaseModel, frozen=True):
    """How many there are. Nodes and standby have data, so a stack keeps them when nobody asks for them again."""

    replicas: int = Field(default=1, ge=1, le=MAX_REPLICAS)
    nodes: int = 1
    standby: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str], directory: Directory) -> Self:
        """What is asked for, else what the stack has; raises `StackError` if that cannot be had."""
        known = cls._kept(directory) or cls()
        asked = cls.asked(environment)
        size = cls(
            replicas=asked.get("replicas", 1),
            nodes=asked.get("nodes", known.nodes),
            standby=bool(asked.get("standby", known.standby)),
        )
        if size.nodes < known.nodes or size.standby < known.standby:
            raise StackError(
                f"{directory.path} holds {known.nodes} nodes and {1 + known.standby} database servers, and cannot be "
                "made smaller: leave CLUSTER and STANDBY out, or name another folder with STACK_DIR"
            )
        return size

    @staticmethod
    def asked(environment: Mapping[str, str]) -> dict[str, int]:
        """What the variables ask for; raises `StackError` if one of them asks for what there is not."""
        return {
            **_number(environment, "STACK_REPLICAS", "replicas", range(1, MAX_REPLICAS + 1)),
            **_number(environment, "STACK_CLUSTER", "nodes", NODES),
            **_number(environment, "STACK_STANDBY", "standby", (0, 1)),
        }

    @classmethod
    def require_as_asked(cls, environment: Mapping[str, str], directory: Directory) -> None:
        """Raise `StackError` where a stack runs that is not of the size that is asked for."""
        running = cls._kept(directory)
        if running is not None and any(getattr(running, name) != n for name, n in cls.asked(environment).items()):
            raise StackError(
                "a stack of another size runs: run  make down  first, or name another folder with STACK_DIR"
            )

    @property
    def is_balanced(self) -> bool:
        """Whether something stands in several places, and a balancer where one address is wanted."""
        return self.replicas > 1 or self.nodes > 1

    @staticmethod
    def numbers(count: int) -> range:
        """The numbers of so many of a kind."""
        return range(1, count + 1)

    def keep(self, directory: Directory) -> None:
        """Remember it for the next start."""
        write_private(_file(directory), self.model_dump_json(indent=2))

    @classmethod
    def _kept(cls, directory: Directory) -> Self | None:
        try:
            return cls.model_validate_json(_file(directory).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StackError(f"{_file(directory)} is damaged: remove {directory.path} to start anew") from error


def numbered(name: str, number: int) -> str:
    """What one of several of a kind is called."""
    return f"{name}-{number}"


def _file(directory: Directory) -> Path:
    return directory.path / "size.json"


def _number(environment: Mapping[str, str], variable: str, name: str, allowed: Sequence[int]) -> dict[str, int]:
    text = environment.get(variable)
    if not text:
        return {}
    if text not in map(str, allowed):
        *others, last = allowed
        raise StackError(f"{variable} is wrong: it has to be {', '.join(map(str, others))} or {last}")
    return {name: int(text)}
