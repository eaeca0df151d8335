"""Keeps the programs of one stack running until SIGTERM: `python -m stack.run.supervisor DIRECTORY`."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from stack.directory import SUPERVISOR_LOCK, Directory, write_private
from stack.errors import StackError
from stack.program import Once, Program, ended, start, stop
from stack.run.plan import Plan
from stack.run.probe import answers
from stack.run.rest import rested
from stack.run.state import Entry, State, start_time
from stack.servers.fence import is_fenced, until_free

_PROBE_EVERY = 0.1
_HEALTH_EVERY = 5.0
# How often in a row a program must say that it is not well, before it is started anew.
_UNWELL = 2
# Seconds of life after which a program is believed to be well, and is started again without delay.
_WELL_AFTER = 10.0
_DELAYS = (0.0, 0.25, 0.5, 1.0, 2.0)
# In the environment, with any value: whatever has ended is started again at once, however often. For tests that
# kill the same program again and again, and would otherwise spend their time waiting for it.
RESTART_AT_ONCE = "STACK_RESTART_AT_ONCE"


class Board:
    """Who is ready, as everybody here may wait for it and as it is written down."""

    def __init__(self, directory: Directory, programs: list[Program], onces: list[Once]) -> None:
        """Nobody is ready yet."""
        self.directory = directory
        self._began = time.monotonic()
        entries = {program.name: Entry(port=program.port, probe=program.probe) for program in programs}
        self._state = State(programs=entries | {once.name: Entry() for once in onces})
        self._ready = {name: asyncio.Event() for name in self._state.programs}
        self._state.save(directory)

    async def until_ready(self, names: tuple[str, ...]) -> None:
        """Wait for all of them."""
        for name in names:
            await self._ready[name].wait()

    def started(self, name: str, pid: int) -> None:
        """A program has a new process."""
        entry = self._state.programs[name]
        entry.pid, entry.started = pid, start_time(pid)
        write_private(self.directory.pids / name, f"{pid}\n")
        self._state.save(self.directory)

    def ready(self, name: str) -> None:
        """A program or an action has got there."""
        self._ready[name].set()
        entry = self._state.programs[name]
        entry.ready_after = time.monotonic() - self._began
        entry.exits_unready = 0
        self._state.save(self.directory)

    def ended(self, name: str) -> None:
        """A program's process is no more."""
        self._ready[name].clear()
        entry = self._state.programs[name]
        entry.exits_unready += entry.ready_after is None
        entry.pid, entry.ready_after = None, None
        (self.directory.pids / name).unlink(missing_ok=True)
        self._state.save(self.directory)

    async def until_allowed(self, name: str) -> None:
        """Wait while a program is fenced; nobody waits for it meanwhile."""
        entry = self._state.programs[name]
        if is_fenced(self.directory, name):
            entry.fenced = True
            self._state.save(self.directory)
            await until_free(self.directory, name)
            entry.fenced = False
            self._state.save(self.directory)

    def failed(self, reason: str) -> None:
        """Something will not come up however long one waits."""
        self._state.failure = reason
        self._state.save(self.directory)


class Keeper:
    """Keeps one program running."""

    def __init__(self, program: Program, board: Board, tasks: asyncio.TaskGroup) -> None:
        """Begin as soon as what the program needs is ready."""
        self.program = program
        self._board = board
        self._process: subprocess.Popen[bytes] | None = None
        self._tasks = tasks
        self._task = tasks.create_task(self._keep())

    async def stop(self) -> None:
        """Start it no more, and end it."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._process is not None:
            await stop(self._process, self.program.stop_signal, self.program.patience)
            self._board.ended(self.program.name)

    async def _keep(self) -> None:
        await self._board.until_allowed(self.program.name)
        await self._board.until_ready(self.program.needs)
        try:
            await self.program.before()
        except StackError as error:
            self._board.failed(str(error))
            return
        delays = (0.0,) if RESTART_AT_ONCE in os.environ else _DELAYS
        failures = 0
        while True:
            await self._board.until_allowed(self.program.name)
            await rested(self._board.directory, self.program.name)
            life = await self._live()
            failures = 0 if life > _WELL_AFTER else min(failures + 1, len(delays))
            await asyncio.sleep(delays[max(failures - 1, 0)])

    async def _live(self) -> float:
        began = time.monotonic()
        self._process = start(self.program, self._board.directory.log(self.program.name))
        self._board.started(self.program.name, self._process.pid)
        watching = self._tasks.create_task(self._watch())
        try:
            await ended(self._process)
        finally:
            watching.cancel()
        self._process = None
        self._board.ended(self.program.name)
        return time.monotonic() - began

    async def _watch(self) -> None:
        while not await self._answers():  # noqa: ASYNC110 - another process has no event to set
            await asyncio.sleep(_PROBE_EVERY)
        self._board.ready(self.program.name)
        await self._mind()

    async def _mind(self) -> None:
        """Start the program anew when it is ready and yet not well."""
        unwell = 0
        while unwell < _UNWELL:
            await asyncio.sleep(_HEALTH_EVERY)
            unwell = 0 if await self.program.healthy() else unwell + 1
        if self._process is not None:
            print(f"{self.program.name} answers, but does not work: it is started anew", flush=True)  # noqa: T201
            await stop(self._process, self.program.stop_signal, self.program.patience)

    async def _answers(self) -> bool:
        return await answers(self.program.probe) and await self.program.after()


async def _do(once: Once, board: Board) -> None:
    await board.until_ready(once.needs)
    try:
        await once.action()
    except StackError as error:
        board.failed(str(error))
        return
    board.ready(once.name)


async def _stop_all(keepers: list[Keeper]) -> None:
    # First what nobody needs any more, then what those needed, and so on.
    while keepers:
        needed = {name for keeper in keepers for name in keeper.program.needs + keeper.program.uses}
        leaves = [keeper for keeper in keepers if keeper.program.name not in needed]
        await asyncio.gather(*(keeper.stop() for keeper in leaves))
        keepers = [keeper for keeper in keepers if keeper not in leaves]


async def supervise(directory: Directory) -> None:
    """Run the stack of `directory` until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    write_private(directory.pids / "supervisor", f"{os.getpid()}\n")
    plan = Plan(directory)
    plan.write_files()
    board = Board(directory, plan.programs, plan.onces)
    async with asyncio.TaskGroup() as tasks:
        keepers = [Keeper(program, board, tasks) for program in plan.programs]
        actions = [tasks.create_task(_do(once, board)) for once in plan.onces]
        await stopping.wait()
        for action in actions:
            action.cancel()
        await _stop_all(keepers)
    (directory.pids / "supervisor").unlink()


def main() -> None:
    """Run under the lock that tells that this stack is running."""
    directory = Directory.of(Path(sys.argv[1]))
    with directory.locked(SUPERVISOR_LOCK):
        reasons: list[str] = []
        try:
            asyncio.run(supervise(directory))
        except* StackError as errors:
            reasons = [str(error) for error in errors.exceptions]
    if reasons:
        sys.exit("\n".join(reasons))


if __name__ == "__main__":
    main()
