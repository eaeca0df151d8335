"""Failover of the databases: the primary is fenced, its standby takes its place, and later it comes back as a copy."""

import asyncio
import contextlib
import time

import asyncpg

from stack.credentials import Credentials
from stack.directory import Directory
from stack.errors import StackError
from stack.ports import Ports
from stack.run import family
from stack.run.state import State
from stack.servers.fence import fence, is_fenced, let_go
from stack.servers.postgres import Server
from stack.servers.standby import Pair, admin, name_primary
from stack.servers.tls import Authority
from stack.services import SERVICES
from stack.size import Size

_GONE_WITHIN = 20.0
_PROMOTED_WITHIN = 60
_PAUSE = 0.02


class Failover:
    """What can be done with the two database servers of one stack; a command that was cut off can be given again."""

    def __init__(self, directory: Directory) -> None:
        """Raises `StackError` where no stack runs that has two of them."""
        if not directory.is_supervised or not Size.of({}, directory).standby:
            raise StackError(f"no stack with a standby runs in {directory.path}: run  make up STANDBY=1")
        self._directory = directory
        speaks_tls = "sslmode" in directory.running()[f"{SERVICES[0].upper()}_OWNER_DATABASE_URL"]
        authority = Authority(directory) if speaks_tls else None
        self._pair = Pair(Server(directory, Ports.chosen(directory), Credentials.of(directory), (), authority))

    async def fail_over(self, *, force: bool = False) -> str:
        """End the primary for good, and make the standby the primary; returns its name.

        Raises `StackError` where the standby is not known to have all that was acknowledged, unless it is forced.
        """
        if self._pair.has_copy:
            await self._require_copy(force=force)
            old, new = self._pair.primary, self._pair.standby
            # From here on nobody starts the old one again, whatever happens to this process.
            fence(self._directory, old.name)
            name_primary(self._directory, self._pair.servers.index(new) + 1)
            await self._end(old.name)
        await self._promote()
        return self._pair.primary.name

    async def rejoin(self) -> str:
        """Make the fenced server anew, as a copy of the primary, and let it run; returns its name."""
        standby = self._pair.standby
        if not is_fenced(self._directory, standby.name):
            raise StackError(f"{standby.name} is not fenced: see  make status")
        await self._pair.copy()
        let_go(self._directory, standby.name)
        await self._pair.attach()
        return standby.name

    async def waits_for_copy(self) -> bool:
        """Whether the primary acknowledges nothing that the standby has not."""
        return await self._pair.waits_for_copy()

    async def _require_copy(self, *, force: bool) -> None:
        try:
            is_complete = await self._pair.waits_for_copy()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # It is dead, or as good as dead. All that it has acknowledged since the standby was attached, that has.
            return
        if not is_complete and not force:
            raise StackError(
                f"{self._pair.standby.name} does not copy at the moment, and may lack what was acknowledged before it "
                "was attached: see  make status, or add  --force"
            )

    async def _end(self, name: str) -> None:
        """Kill a server that may not even listen any more, with all its sessions, and see that it is gone."""
        deadline = time.monotonic() + _GONE_WITHIN
        while (pid := self._pid(name)) is not None:
            with contextlib.suppress(ProcessLookupError):
                family.kill(pid)
            if time.monotonic() > deadline:
                raise StackError(f"{name} cannot be ended: end process {pid}, and run this again")
            await asyncio.sleep(_PAUSE)

    def _pid(self, name: str) -> int | None:
        entry = (State.of(self._directory) or State()).programs[name]
        return entry.pid if entry.lives() else None

    async def _promote(self) -> None:
        async with admin(self._pair.primary) as session:
            if not await session.fetchval("SELECT pg_is_in_recovery()"):
                raise StackError(f"{self._pair.primary.name} is the primary, and has no standby: see  make status")
            # There is nobody yet to wait for.
            await session.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await session.execute("SELECT pg_reload_conf()")
            if not await session.fetchval("SELECT pg_promote(true, $1)", _PROMOTED_WITHIN):
                raise StackError(
                    f"{self._pair.primary.name} is not promoted after {_PROMOTED_WITHIN} s: run this again"
                )
