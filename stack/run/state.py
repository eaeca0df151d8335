"""What the supervisor writes down: for `up` and `status`, and for whoever cleans up after its death."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, ValidationError

from stack.directory import Directory, write_private
from stack.errors import StackError


class Entry(BaseModel):
    """One program: `ready_after` in seconds since the supervisor began, None while it is not ready."""

    port: int | None = None
    probe: str = ""
    pid: int | None = None
    started: int | None = None
    ready_after: float | None = None
    exits_unready: int = 0
    fenced: bool = False
    """Whether it must not run, see `stack.servers.fence`"""

    def lives(self) -> bool:
        """Say whether the process that is meant lives; a later one that got the same id is not it."""
        return self.pid is not None and self.started is not None and start_time(self.pid) == self.started


class State(BaseModel):
    """All programs by name; `failure` says what makes waiting pointless."""

    programs: dict[str, Entry] = Field(default_factory=dict)
    failure: str | None = None

    @classmethod
    def of(cls, directory: Directory) -> Self | None:
        """Read what was written down last, None if nothing; raises `StackError` if that is damaged."""
        try:
            return cls.model_validate_json(directory.state_file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StackError(f"{directory.state_file} is damaged: run  make down, and start again") from error

    def save(self, directory: Directory) -> None:
        """Write it down."""
        write_private(directory.state_file, self.model_dump_json(indent=2))

    def unready(self) -> list[str]:
        """The names of what is not ready, and should be."""
        return [name for name, entry in self.programs.items() if entry.ready_after is None and not entry.fenced]


def start_time(pid: int) -> int | None:
    """When the live process with this id was started, in clock ticks since the machine was; see proc(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name, in brackets, and may itself hold brackets and blanks.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[18])
