"""The demo waits at a terminal, and Ctrl-C ends it as something that went well."""

import contextlib
import os
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

WITHIN = 20
CTRL_C = b"\x03"
WAITER = """
import asyncio, fcntl, termios
from stack.demo.pause import until_interrupted

async def wait():
    waiting = asyncio.ensure_future(until_interrupted())
    await asyncio.sleep(0)
    print("waiting", flush=True)
    await waiting

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
asyncio.run(wait())
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: where a person types, and where a program reads."""
    person, program = os.openpty()
    yield person, program
    for end in (person, program):
        with contextlib.suppress(OSError):
            os.close(end)


def test_ctrl_c_ends_the_wait_and_is_no_failure(terminal: tuple[int, int]) -> None:
    """It comes as a key, so that `make` is not interrupted; the terminal is left as it was."""
    # given
    person, program = terminal
    before = termios.tcgetattr(program)
    waiter = subprocess.Popen(  # noqa: S603  # our own text
        [sys.executable, "-c", WAITER], stdin=program, stdout=subprocess.PIPE, start_new_session=True
    )
    assert waiter.stdout is not None
    with waiter, waiter.stdout as told:
        assert told.readline() == b"waiting\n"
        assert not termios.tcgetattr(program)[3] & termios.ISIG, "Ctrl-C would interrupt make too"
        # when
        os.write(person, CTRL_C)
        # then
        assert waiter.wait(WITHIN) == 0
    assert termios.tcgetattr(program) == before
