"""What processes have used of the machine, as the kernel counts it; see proc(5)."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots: Iterable[int]) -> float:
    """The processor time of these processes and of all that they have started, whether it lives or not.

    What a process has used is added to its parent's account when it ends, so nothing is lost and nothing counted twice.
    """
    children = _children()
    return sum(_own_and_inherited(pid) for root in roots for pid in _tree(root, children))


def titled(root: int, title: str) -> list[int]:
    """The children of a process whose title begins so; PostgreSQL says in it whom a process serves."""
    return [pid for pid in _children().get(root, []) if _title(pid).startswith(title)]


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had in RAM at one time."""
    return _memory(pid, "VmHWM")


def resident_bytes(pid: int) -> int:
    """The memory that a process has in RAM now."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _tree(root: int, children: Mapping[int, list[int]]) -> list[int]:
    return [root, *(pid for child in children.get(root, []) for pid in _tree(child, children))]


def _children() -> Mapping[int, list[int]]:
    found = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _fields(int(folder.name))):
            found[int(fields[1])].append(int(folder.name))
    return found


def _own_and_inherited(pid: int) -> float:
    fields = _fields(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def _fields(pid: int) -> list[str]:
    """The fields of a process from its state on; empty when it is no more."""
    try:
        # The name before them is in brackets, and may itself hold brackets and blanks.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
