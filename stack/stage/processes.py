"""Processes: pauses, kills and stops the services of this stack, none for long."""

import asyncio
import os
import signal
import time
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from chassis.web.problem import Problem, not_found
from stack.directory import Directory
from stack.run.rest import rest, rests_for, wake
from stack.run.state import Entry, State
from stack.services import EACH

MAX_PAUSE = 60.0
"""Seconds after which a paused service goes on by itself"""
NAMES = tuple(service.package for service in EACH)
"""Which programs may be broken, however many processes each of them has"""

OBEYED_WITHIN = 2.0
Condition = Literal["running", "starting", "paused", "stopped"]


class Process(BaseModel):
    """A service: what it does, and for how many seconds, if that is bounded."""

    name: str
    condition: Condition
    pid: int | None
    seconds: float | None


class Processes:
    """The services that the supervisor of a stack keeps running."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._resuming: dict[str, asyncio.TimerHandle] = {}

    def all(self) -> list[Process]:
        """Every service, as it is now."""
        return [self._described(name, entry) for name, entry in self._entries().items()]

    async def pause(self, name: str) -> Process:
        """Have a service stand still, for a minute at most."""
        self._signal(name, signal.SIGSTOP)
        self._forget(name)
        self._resuming[name] = asyncio.get_running_loop().call_later(MAX_PAUSE, self._go_on, name)
        await self._obeyed(name, stands_still=True)
        return self._one(name)

    async def resume(self, name: str) -> Process:
        """Have a service go on that was paused, or start again that was stopped."""
        self._forget(name)
        wake(self._directory, name)
        if self._entry(name).lives():
            self._signal(name, signal.SIGCONT)
            await self._obeyed(name, stands_still=False)
        return self._one(name)

    def kill(self, name: str) -> Process:
        """End a service without a warning; the supervisor starts it again."""
        self._forget(name)
        self._signal(name, signal.SIGKILL)
        return self._one(name)

    def stop(self, name: str, seconds: float) -> Process:
        """End a service in order, and have it started again in so many seconds."""
        self._forget(name)
        entry = self._entry(name)
        if not entry.lives():
            raise _does_not_run(name)
        rest(self._directory, name, seconds)
        if _stands_still(entry):
            # It would not hear that it is to end.
            self._signal(name, signal.SIGCONT)
        self._signal(name, signal.SIGTERM)
        return self._one(name)

    def resume_all(self) -> None:
        """Have everything go on that stands still, whoever has paused it."""
        for name, entry in self._entries().items():
            self._forget(name)
            if _stands_still(entry):
                self._signal(name, signal.SIGCONT)

    def _described(self, name: str, entry: Entry) -> Process:
        seconds = rests_for(self._directory, name) or None
        condition: Condition = "running" if entry.ready_after is not None else "starting"
        if not entry.lives():
            condition = "stopped"
        elif _stands_still(entry):
            timer = self._resuming.get(name)
            condition, seconds = "paused", max(0.0, timer.when() - time.monotonic()) if timer else None
        return Process(name=name, condition=condition, pid=entry.pid, seconds=seconds)

    async def _obeyed(self, name: str, *, stands_still: bool) -> None:
        """Wait for what a signal does, which on a busy machine comes after `kill` has returned."""
        ends = time.monotonic() + OBEYED_WITHIN
        while _stands_still(self._entry(name)) is not stands_still and time.monotonic() < ends:  # noqa: ASYNC110  # the kernel tells nobody
            await asyncio.sleep(0.005)

    def _one(self, name: str) -> Process:
        return self._described(name, self._entry(name))

    def _entry(self, name: str) -> Entry:
        entry = self._entries().get(name)
        if entry is None:
            raise not_found("service")
        return entry

    def _entries(self) -> dict[str, Entry]:
        state = State.of(self._directory) or State()
        return {name: entry for name, entry in state.programs.items() if name.partition("-")[0] in NAMES}

    def _signal(self, name: str, how: signal.Signals) -> None:
        """Send a signal to the process that the supervisor has noted; raises Problem 409 if that is no more."""
        entry = self._entry(name)
        try:
            # A later process that got the same id is not the one that is meant.
            if entry.pid is None or not entry.lives():
                raise _does_not_run(name)
            os.kill(entry.pid, how)
        except ProcessLookupError as error:
            raise _does_not_run(name) from error

    def _go_on(self, name: str) -> None:
        self._resuming.pop(name, None)
        if _stands_still(self._entries().get(name, Entry())):
            self._signal(name, signal.SIGCONT)

    def _forget(self, name: str) -> None:
        if timer := self._resuming.pop(name, None):
            timer.cancel()


def _does_not_run(name: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, f"{name} does not run at the moment.", "not-running")


def _stands_still(entry: Entry) -> bool:
    """Whether the process is stopped by a signal; see proc(5)."""
    if entry.pid is None or not entry.lives():
        return False
    try:
        stat = Path(f"/proc/{entry.pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"
