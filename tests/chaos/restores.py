"""One database is restored to an earlier moment, under load, and its service does again what it has forgotten."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from stack.credentials import ADMIN, Credentials, role
from stack.directory import ROOT, Directory
from stack.run.rest import MAX_SECONDS, rest, wake
from stack.servers.binaries import binaries
from stack.servers.roles import create_database, let_in
from stack.services import SERVICES
from tests.chaos.node import command
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import OK, Fan, Operator

LOST_SECONDS = 6.0
"""What the restored database lacks of the load"""
BACK_WITHIN, SETTLED_WITHIN = 60.0, 90.0
SHOWN, NEEDS_PERSON = 1, "needs a person"

Line = dict[str, Any]

_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
_CHARGES = "SELECT entry_id, user_id, amount FROM point_history WHERE type = 'CHARGE'"
_SPENT = "SELECT saga_id FROM inbox WHERE step = 'reservation.confirm'"
_USERS = "SELECT checkout_id, user_id FROM checkout"
_WITHDRAWN = "SELECT seat_id FROM seat WHERE status = 'WITHDRAWN'"
_REFUSED = "SELECT saga_id FROM inbox WHERE step = 'payment.revert' AND heard = 'seat.rejected'"
_CHECKOUTS = "SELECT checkout_id FROM checkout"
_REQUESTED = "SELECT saga_id FROM inbox WHERE step = 'point.spend'"


@dataclass
class Restore:
    """What the restored database of one service lacks, and what only a person can put right."""

    service: str
    site: Site
    reported: list[Line] = field(default_factory=list)
    """What the reconciliation has said"""

    @property
    def directory(self) -> Directory:
        """Where the stack is."""
        return Directory(self.site.programs.path)

    @property
    def lost(self) -> str:
        """The database that was, kept beside for the test to look into."""
        return f"{self.service}_lost"

    @property
    def program(self) -> str:
        """The process of the service."""
        return f"{self.service}_svc"

    def url(self, database: str) -> str:
        """A database for the administrator."""
        password = Credentials.of(self.directory).password(ADMIN)
        return f"postgresql://{ADMIN}:{password}@127.0.0.1:{self.site.programs.port('postgres')}/{database}"

    async def stop(self) -> None:
        """End the service at once, and see to it that it stays away."""
        rest(self.directory, self.program, MAX_SECONDS)
        pid = await self.site.programs.send(self.program, signal.SIGKILL)

        async def is_gone() -> bool:
            return self.site.programs.pid(self.program) != pid

        await eventually(is_gone)

    async def start(self) -> None:
        """Have the service started again, and wait until it is ready."""
        wake(self.directory, self.program)
        await eventually(partial(self.site.is_ready, self.service), within=BACK_WITHIN)

    async def dump(self) -> Path:
        """The database as it is at this moment, in a file."""
        file = self.site.programs.path / f"{self.service}.dump"
        await command(str(_tool("pg_dump")), "--format=custom", f"--file={file}", self.url(self.service))
        return file

    async def replace(self, file: Path) -> None:
        """Put the database of then in the place of the one that is."""
        owner = role(self.service, "owner")
        await self._admin(
            f'DROP DATABASE IF EXISTS "{self.lost}" WITH (FORCE)',
            _TERMINATE.format(database=self.service),
            f'ALTER DATABASE "{self.service}" RENAME TO "{self.lost}"',
            create_database(self.service),
            *let_in(self.service),
            f'GRANT CREATE ON DATABASE "{self.service}" TO "{owner}"',
        )
        await command(str(_tool("pg_restore")), "--exit-on-error", f"--dbname={self.url(self.service)}", str(file))

    async def reconcile(self, *options: str) -> tuple[int, list[Line]]:
        """Run the command; its status, and the objects that it writes."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "chassis", "reconcile", "--json", *options],
            cwd=ROOT,
            env=os.environ | {"STACK_DIR": str(self.site.programs.path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        written, errors = await process.communicate()
        assert b"Traceback" not in errors, errors.decode()[-3000:]
        assert process.returncode in (0, SHOWN), errors.decode()[-3000:]
        return process.returncode, [json.loads(line) for line in written.splitlines()]

    async def others_have_caught_up(self) -> None:
        """Wait until the others have handled all that the service has said: what nobody has heard is no evidence."""
        async with self.site.broker() as broker:
            for queue in await broker.steps():
                if not queue.startswith(f"{self.service}."):
                    await eventually(partial(broker.depth, queue), lambda depth: not depth, within=BACK_WITHIN)

    async def rows(self, database: str, query: str) -> list[asyncpg.Record]:
        """What a query finds in a database."""
        connection = await asyncpg.connect(self.url(database))
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def _admin(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def people(self) -> Counter[tuple[str, UUID]]:
        """The steps and sagas for which a person is needed."""
        return Counter((line["step"], UUID(line["saga"])) for line in self.reported if line["what"] == NEEDS_PERSON)


async def restored(service: str, site: Site) -> int:
    """Restore the database of a service, reconcile it before it is started again, and then act as the person."""
    restore = Restore(service, site)
    file = await restore.dump()
    await asyncio.sleep(LOST_SECONDS)
    await restore.stop()
    await restore.others_have_caught_up()
    await restore.replace(file)
    status, differences = await restore.reconcile()
    assert status == SHOWN, "nothing was lost"
    assert {one["service"] for one in differences if one["what"] == "forgotten"} == {service}
    status, restore.reported = await restore.reconcile("--say-again", "--yes")
    expected = await EXPECTED[service](restore)
    assert restore.people() == Counter(expected), (restore.people() - Counter(expected), restore.reported)
    assert status == (SHOWN if expected else 0), restore.reported
    _, again = await restore.reconcile("--say-again", "--yes")
    assert not any(one.get("count") for one in again), f"the second run did something: {again}"
    await restore.start()
    if person := PEOPLE.get(service):
        await person(restore)
    return 1


async def nothing_differs(service: str, site: Site) -> None:
    """Whatever was on its way is there by now, and everybody knows what the others know."""

    async def look() -> list[Line]:
        return (await Restore(service, site).reconcile())[1]

    await eventually(look, lambda found: not found, within=SETTLED_WITHIN)


async def _nobody(_: Restore) -> list[tuple[str, UUID]]:
    return []


async def _lost_charges(restore: Restore) -> list[asyncpg.Record]:
    known = {row["entry_id"] for row in await restore.rows("point", _CHARGES)}
    return [row for row in await restore.rows(restore.lost, _CHARGES) if row["entry_id"] not in known]


async def _unpaid(restore: Restore) -> list[tuple[str, UUID]]:
    """The checkouts that have spent what was charged, and only the lost database knew of the charge."""
    users = {row["user_id"] for row in await _lost_charges(restore)}
    spent = {row["saga_id"] for row in await restore.rows("reservation", _SPENT)}
    return [
        ("point.spend", row["checkout_id"])
        for row in await restore.rows("payment", _USERS)
        if row["user_id"] in users and row["checkout_id"] in spent
    ]


async def _charge_again(restore: Restore) -> None:
    """Whoever keeps the money knows what was charged, and enters it again."""
    for row in await _lost_charges(restore):
        fan = Fan(restore.site.system)
        fan.token = restore.site.system.token(row["user_id"])
        answer = await fan.post("point", "/points/charge", {"amount": row["amount"]})
        assert answer.status_code == OK, answer.text
    status, told = await restore.reconcile("--say-again", "--yes", "--while-running")
    assert status == 0, told


async def _lost_withdrawals(restore: Restore) -> set[int]:
    lost = {row["seat_id"] for row in await restore.rows(restore.lost, _WITHDRAWN)}
    return lost - {row["seat_id"] for row in await restore.rows("seat", _WITHDRAWN)}


async def _refused(restore: Restore) -> list[tuple[str, UUID]]:
    """The checkouts that were refused because their seat was withdrawn, which only the lost database knew."""
    withdrawn = await _lost_withdrawals(restore)
    refused = [row["saga_id"] for row in await restore.rows("payment", _REFUSED)]
    of = {row["checkout_id"]: row["payment_id"] for row in await restore.rows("payment", "SELECT * FROM checkout")}
    seats = {
        row["payment_id"]: row["seat_id"] for row in await restore.rows("reservation", "SELECT * FROM reservation")
    }
    return [("seat.reserve", one) for one in refused if seats[of[one]] in withdrawn]


async def _withdraw_again(restore: Restore) -> None:
    """The operators know which seats they have taken off sale; one may have been sold since, to whoever waited."""
    for seat_id in await _lost_withdrawals(restore):
        answer = await Operator(restore.site.system).withdraw(seat_id)
        assert answer.status_code == OK or "seat-reserved" in answer.text, answer.text


async def _unheard_of(restore: Restore) -> list[tuple[str, UUID]]:
    """Nothing can be listed of checkouts that were accepted and that nobody has heard of; they count as lost."""
    known = {row["checkout_id"] for row in await restore.rows("payment", _CHECKOUTS)}
    lost = {row["checkout_id"] for row in await restore.rows(restore.lost, _CHECKOUTS)} - known
    heard = {row["saga_id"] for row in await restore.rows("point", _REQUESTED)}
    assert not lost & heard, "a checkout is lost that point_svc has heard of"
    restore.site.accepted.difference_update(lost)
    return []


Expected = Callable[[Restore], Coroutine[Any, Any, list[tuple[str, UUID]]]]
EXPECTED: Mapping[str, Expected] = {
    "point": _unpaid,
    "reservation": _nobody,
    "payment": _unheard_of,
    "seat": _refused,
}
PEOPLE: Mapping[str, Callable[[Restore], Coroutine[Any, Any, None]]] = {
    "point": _charge_again,
    "seat": _withdraw_again,
}
assert EXPECTED.keys() == set(SERVICES)


def _tool(name: str) -> Path:
    folder = binaries()
    assert folder is not None
    return folder / name
