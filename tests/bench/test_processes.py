"""The accounts of processes."""

import os
import subprocess
import sys

from tests.bench.processes import cpu_seconds, peak_bytes, titled

# More than is asserted: the kernel counts in ticks of 10 ms.
BURN = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_what_a_child_used_is_counted_after_its_end() -> None:
    """A database has processes that come and go."""
    before = cpu_seconds([os.getpid()])

    subprocess.run([sys.executable, "-c", BURN], check=True)  # noqa: S603

    assert cpu_seconds([os.getpid()]) - before >= 0.2


def test_what_a_living_child_uses_is_counted_too() -> None:
    """It is on nobody's account but its own until it ends."""
    command = [sys.executable, "-c", f"{BURN}print(flush=True)\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdout is not None
        child.stdout.readline()

        assert cpu_seconds([os.getpid()]) - sum(os.times()[:4]) >= 0.2
        child.communicate(b"\n")


def test_a_process_that_is_no_more_has_used_nothing() -> None:
    """Whatever it had used is on its parent's account."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert cpu_seconds([child.pid]) == 0


def test_the_peak_of_memory_is_in_bytes() -> None:
    """An interpreter has some megabytes, and fewer than the machine."""
    assert 2**20 < peak_bytes(os.getpid()) < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_a_process_is_found_by_its_title() -> None:
    """Among the children of another, and by the beginning of the title."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in titled(os.getpid(), sys.executable)
        assert titled(os.getpid(), "no such title") == []
    finally:
        child.communicate(b"\n")
