"""Where everything of one stack lies: `.stack` in the repository, or `STACK_DIR`."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# The supervisor holds this one for as long as it lives.
SUPERVISOR_LOCK = "supervisor.lock"
ROOT = Path(__file__).resolve().parent.parent


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
        """Make the folders that are missing."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in ("pids", "logs"):
            (self.path / folder).mkdir(exist_ok=True)

    def environment(self) -> dict[str, str]:
        """The env file by name; empty if there is none."""
        if not self.env_file.exists():
            return {}
        lines = self.env_file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

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


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step, readable by its owner only, so that a reader never sees half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
