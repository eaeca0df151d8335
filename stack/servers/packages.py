"""Programs that no Python package carries: found, or installed with apt-get, or asked for."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stack.errors import StackError
from stack.progress import Progress

_POLICY = Path("/usr/sbin/policy-rc.d")


def found(program: str, package: str, log: Path, progress: Progress) -> str:
    """The path of a program, installed with its package if it is missing; raises `StackError` as `install` does."""
    if shutil.which(program) is None:
        install(package, log, progress)
    return shutil.which(program) or program


def install(package: str, log: Path, progress: Progress) -> None:
    """Install a Debian package without starting what it brings.

    Raises `StackError` with the command to run if this user may not install anything.
    """
    command = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    if shutil.which("apt-get") is None:
        raise StackError(f"{package} is missing, and there is no apt-get here: install {package} and try again")
    if os.geteuid() != 0:
        raise StackError(f"{package} is missing; run:  sudo sh -c '{command}'")
    progress.done(f"{package} is missing: installing it with apt-get")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    began = time.monotonic()
    with _no_services_started():
        _run(["apt-get", "update"], log, progress)
        _run(["apt-get", "install", "-y", "--no-install-recommends", package], log, progress)
    progress.done(f"{package} installed after {time.monotonic() - began:.1f} s")


@contextmanager
def _no_services_started() -> Iterator[None]:
    # Debian asks this file before a package may start its own service; a stack has its own, private ones.
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _run(command: Sequence[str], log: Path, progress: Progress) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        while process.poll() is None:
            progress.waiting(f"{' '.join(command[:2])}: {_last_line(log)}")
            time.sleep(0.2)
    if process.returncode != 0:
        raise StackError(f"{' '.join(command)} failed; its last lines in {log}:\n{tail(log)}")


def _last_line(log: Path) -> str:
    return tail(log, 1)[:80]


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, empty if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
