"""Where everything of one stack lies: `.stack` in the repository, or `STACK_DIR`."""

import fcntl
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stack.errors import START, StackError

# The supervisor holds this one for as long as it lives.
SUPERVISOR_LOCK = "supervisor.lock"
ROOT = Path(__file__).resolve().parent.parent
# A new stack takes 90 MB, and its broker takes no message while less than 50 MB are free.
MIN_FREE = 150 << 20

_ELSEWHERE = "name another folder with STACK_DIR"


@dataclass(frozen=True)
class Directory:
    """The files of one stack; only its owner may read them, because passwords are among them."""

    path: Path

    @classmethod
    def of(cls, path: Path | None = None) -> Self:
        """Take `path`, else `STACK_DIR` of the environment, else `.stack` in the repository."""
        return cls(Path(path or os.environ.get("STACK_DIR") or ROOT / ".stack").resolve())

    @property
    def pids(self) -> Path:
        """One file per process, named after it, that holds its id."""
        return self.path / "pids"

    @property
    def rests(self) -> Path:
        """One file per program that must not be started yet, see `stack.run.rest`."""
        return self.path / "rests"

    @property
    def fences(self) -> Path:
        """One file per program that must not be started, see `stack.servers.fence`."""
        return self.path / "fences"

    @property
    def env_file(self) -> Path:
        """The `NAME=value` lines for people and tests."""
        return self.path / "env"

    @property
    def state_file(self) -> Path:
        """What the supervisor knows of its programs, see `stack.run.state`."""
        return self.path / "state.json"

    def log(self, name: str) -> Path:
        """The log of one program."""
        return self.path / "logs" / f"{name}.log"

    def create(self) -> None:
        """Make the folders that are missing; raises `StackError` where that, or writing to them, is impossible."""
        with _sentences(self.path):
            for folder in (self.path, self.pids, self.path / "logs"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # Root may write everywhere, but not on a file system that is mounted for reading only.
                os.utime(folder)

    def require_space(self) -> None:
        """Raise `StackError` where the disk is too full for servers to start."""
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE:
            amounts = f"only {free >> 20} MB are free below {self.path}, and a stack needs {MIN_FREE >> 20} MB"
            raise StackError(f"{amounts}: make room, or {_ELSEWHERE}")

    def environment(self) -> dict[str, str]:
        """The env file by name; empty if there is none."""
        if not self.env_file.exists():
            return {}
        return read_environment(self.env_file)

    def running(self) -> dict[str, str]:
        """The env file by name; raises `StackError` if there is none."""
        environment = self.environment()
        if not environment:
            raise StackError(f"{self.env_file} does not say where anything runs: {START}")
        return environment

    def describe(self, environment: Mapping[str, str]) -> None:
        """Write the env file."""
        write_private(self.env_file, "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))

    @property
    def is_supervised(self) -> bool:
        """Whether the supervisor of this stack lives."""
        return self.is_locked(SUPERVISOR_LOCK)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock `name`; wait for it as long as another process has it."""
        with (self.path / name).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def is_locked(self, name: str) -> bool:
        """Say whether a process holds the lock `name`; the kernel lets go of it when that process dies."""
        if not (self.path / name).exists():
            return False
        with (self.path / name).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def read_environment(file: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file, quoted as a shell would have them."""
    pairs = (line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    return {name: "".join(shlex.split(value)) for name, value in pairs}


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step, readable by its owner only, so that a reader never sees half of it.

    Raises `StackError` when it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with _sentences(path):
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StackError(f"{error.filename or path} cannot be written: {reason}; {_ELSEWHERE}") from error
