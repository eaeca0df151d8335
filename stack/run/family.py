"""A process and its children, to be stopped together: those of PostgreSQL are in no group with their parent."""

import contextlib
import os
import signal
from pathlib import Path


def freeze(pid: int) -> list[int]:
    """Have a process and its children stand still, the parent first, so that no child is missed; returns their ids."""
    os.kill(pid, signal.SIGSTOP)
    family = [pid, *_children(pid)]
    _signal(family, signal.SIGSTOP)
    return family


def kill(pid: int) -> None:
    """End a process and its children, whatever they do at the moment."""
    _signal(freeze(pid), signal.SIGKILL)


def _signal(family: list[int], how: signal.Signals) -> None:
    for one in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, how)


def _children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # After the name, which may hold blanks, come the state and the parent; see proc(5).
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(folder.name))
    return found
