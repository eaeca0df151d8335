"""Up and down, as seen from outside the supervisor."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stack.directory import ROOT, SUPERVISOR_LOCK, Directory
from stack.errors import StackError
from stack.progress import Progress
from stack.run import plan
from stack.run.state import Entry, State
from stack.servers.packages import tail
from stack.size import Size
from stack.tokens import with_operator

_UP_LOCK = "up.lock"
_UP_WITHIN = 90.0
# More programs than usual take longer, by so much each.
_USUAL_PROGRAMS, _UP_WITHIN_EACH = 13, 8.0
_DOWN_WITHIN = 60.0
_SWEEP_WITHIN = 15.0
_POLL = 0.05
# A program that ended so often before it ever answered will not come up.
_HOPELESS = 6


def up(path: Path | None = None, progress: Progress | None = None) -> dict[str, str]:
    """Start the stack in `path` or join the one that runs there; answer its environment when all is ready.

    Raises `StackError` with the last lines of the log of what did not come up.
    """
    directory, progress = Directory.of(path), progress or Progress()
    directory.create()
    with directory.locked(_UP_LOCK):
        mine = not directory.is_supervised
        if mine:
            directory.require_space()
            plan.ensure_installed(directory, progress)
            _sweep(directory)
            _start_supervisor(directory)
        else:
            Size.require_as_asked(os.environ, directory)
    try:
        _wait_until_ready(directory, progress, quiet=not mine)
    except BaseException:
        if mine:
            down(path)
        raise
    finally:
        progress.stop()
    return _described(directory)


def _described(directory: Directory) -> dict[str, str]:
    environment = directory.environment()
    if not environment:
        raise StackError(f"{directory.env_file} is damaged: run  make down, and start again")
    environment = with_operator(environment)
    directory.describe(environment)
    return environment


def prepare(path: Path | None = None, progress: Progress | None = None) -> None:
    """Find or install the programs that `up` needs; raises `StackError` with what a person has to do."""
    progress = progress or Progress()
    try:
        plan.ensure_installed(Directory.of(path), progress)
    finally:
        progress.stop()


def down(path: Path | None = None) -> bool:
    """Stop the stack in `path`, and what a killed supervisor left of it; answer whether anything ran.

    Its env file goes, because nothing is there any more.
    """
    directory = Directory.of(path)
    if not directory.path.exists():
        return False
    with directory.locked(_UP_LOCK):
        ran = directory.is_supervised
        if ran:
            _stop_supervisor(directory)
        ran = _sweep(directory) or ran
        if ran:
            directory.env_file.unlink(missing_ok=True)
        return ran


def environment(path: Path | None = None) -> dict[str, str]:
    """Read the env file of the stack in `path`: URLs and the token secret by name; empty without a stack."""
    return Directory.of(path).environment()


def _start_supervisor(directory: Directory) -> None:
    for log in directory.log("x").parent.glob("*.log"):
        log.replace(log.with_suffix(".log.previous"))
    with directory.log("supervisor").open("ab") as output:
        # In a session of its own and not our child: it outlives the terminal and leaves no zombie.
        subprocess.run(  # noqa: S603 - the command is ours
            [
                shutil.which("setsid") or "setsid",
                "--fork",
                sys.executable,
                "-m",
                "stack.run.supervisor",
                str(directory.path),
            ],
            cwd=ROOT,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    if not _eventually(lambda: directory.is_supervised and directory.state_file.exists(), 20):
        raise StackError(_trouble(directory, "supervisor", "did not start"))


def _stop_supervisor(directory: Directory) -> None:
    pid = _supervisor(directory)
    os.kill(pid, signal.SIGTERM)
    if not _eventually(lambda: not directory.is_supervised, _DOWN_WITHIN):
        os.kill(pid, signal.SIGKILL)


def _supervisor(directory: Directory) -> int:
    file = directory.pids / "supervisor"
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError) as error:
        lock = directory.path / SUPERVISOR_LOCK
        raise StackError(f"{file} is damaged: end the process that holds {lock}, see  fuser {lock}") from error


def _wait_until_ready(directory: Directory, progress: Progress, *, quiet: bool) -> None:
    began = time.monotonic()
    told: set[str] = set()
    while True:
        state = State.of(directory)
        if state is None or not directory.is_supervised:
            raise StackError(_trouble(directory, "supervisor", "has stopped"))
        if not quiet:
            _tell(state, told, progress)
        unready = state.unready()
        if not unready:
            return
        elapsed = time.monotonic() - began
        _give_up_if_hopeless(directory, state, elapsed)
        progress.waiting(f"{elapsed:.0f} s, waiting for {', '.join(unready)}")
        time.sleep(_POLL)


def _tell(state: State, told: set[str], progress: Progress) -> None:
    ready = [(entry.ready_after, name) for name, entry in state.programs.items() if entry.ready_after is not None]
    for after, name in sorted(ready):
        if name not in told:
            told.add(name)
            progress.done(f"{name} ready after {after:.1f} s")


def _give_up_if_hopeless(directory: Directory, state: State, elapsed: float) -> None:
    if state.failure is not None:
        raise StackError(state.failure)
    for name, entry in state.programs.items():
        if entry.exits_unready >= _HOPELESS:
            raise StackError(_trouble(directory, name, f"ended {entry.exits_unready} times before it was ready"))
    more = max(0, len(state.programs) - _USUAL_PROGRAMS)
    if elapsed > _UP_WITHIN + more * _UP_WITHIN_EACH:
        raise StackError(_trouble(directory, _culprit(state), f"is not ready after {elapsed:.0f} s"))


def _culprit(state: State) -> str:
    # What has no process waits for what has one.
    unready = state.unready()
    return next((name for name in unready if state.programs[name].pid is not None), unready[0])


def _trouble(directory: Directory, name: str, what: str) -> str:
    log = directory.log(name)
    return f"{name} {what}. The last lines of {log}:\n{tail(log)}"


def _sweep(directory: Directory) -> bool:
    """End what a killed supervisor left, and forget it; only with no supervisor alive."""
    try:
        state = State.of(directory)
    except StackError:
        # The kernel has told all of them to end when the supervisor died.
        state = None
    entries = state.programs.values() if state else ()
    left = [entry for entry in entries if entry.lives()]
    _signal(left, signal.SIGTERM)
    if not _eventually(lambda: not any(entry.lives() for entry in left), _SWEEP_WITHIN):
        _signal(left, signal.SIGKILL)
    for file in [*directory.pids.glob("*"), *directory.rests.glob("*"), directory.state_file]:
        file.unlink(missing_ok=True)
    return bool(left)


def _signal(entries: list[Entry], how: signal.Signals) -> None:
    for entry in entries:
        if entry.pid is not None and entry.lives():
            os.kill(entry.pid, how)


def _eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_POLL)
    return condition()
