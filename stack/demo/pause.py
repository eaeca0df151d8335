"""Waiting at a terminal until a person has seen enough."""

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

# Ctrl-C, Ctrl-D, Ctrl-\, and Enter, as a terminal sends them.
_ENOUGH = b"\x03\x04\x1c\r\n"


async def until_interrupted() -> None:
    """Wait for Ctrl-C, or to be told to end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    with _keys_as_bytes() as terminal:
        if terminal is not None:
            loop.add_reader(terminal, _look, terminal, told)
        try:
            await told.wait()
        finally:
            if terminal is not None:
                loop.remove_reader(terminal)


def _look(terminal: int, told: asyncio.Event) -> None:
    keys = os.read(terminal, 64)
    if not keys or set(keys) & set(_ENOUGH):
        told.set()


@contextmanager
def _keys_as_bytes() -> Iterator[int | None]:
    """Have Ctrl-C arrive as a byte: as a signal it would end `make` too, which then reports failure.

    Answers the terminal, None where there is none or it is not ours to change.
    """
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    if terminal is None or os.tcgetpgrp(terminal) != os.getpgrp():
        yield None
        return
    before = termios.tcgetattr(terminal)
    now = termios.tcgetattr(terminal)
    now[3] &= ~(termios.ISIG | termios.ICANON | termios.ECHO)
    termios.tcsetattr(terminal, termios.TCSADRAIN, now)
    try:
        yield terminal
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
