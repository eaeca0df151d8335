"""Health: alive means that the process answers; ready, that nothing which can be seen from here keeps it from its part.

Seen from here: the database has the revision that the code expects, or a later one, and has committed something lately;
the broker has lately confirmed something that a majority of its nodes had to store; every step has its consumer, and
has committed something lately if it had work; no task in the background has ended. Where there was nothing to commit or
to confirm, something that concerns nobody is committed and confirmed: an open connection proves nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.datastructures import State

from chassis.errors import describe
from chassis.run.runtime import Runtime
from chassis.run.skew import SKEW
from chassis.store.revision import serves
from chassis.store.transaction import Transaction
from chassis.web.bearer import IsTrusted

CHECK_TIMEOUT = 3
OK = "ok"

Alarms = Callable[[Transaction], Awaitable[list[str]]]
"""What a service itself finds that needs somebody's attention"""

health_router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Standing(BaseModel):
    """Whether the service does its part."""

    status: str


class Readiness(Standing):
    """What the service needs, each `ok` or what is wrong with it."""

    database: str
    migrations: str
    broker: str
    consumers: str
    background: str
    alarms: list[str]
    """What needs somebody's attention, and would not be mended by taking this process out of service"""


@health_router.get("/livez")
async def livez() -> Alive:
    """The process answers."""
    return Alive()


@health_router.get("/readyz", responses={503: {"model": Readiness | Standing, "description": "Not ready"}})
async def readyz(request: Request, response: Response, is_trusted: IsTrusted) -> Readiness | Standing:
    """Whether the database, its migrations, the broker, all consumers and all background tasks are as needed.

    Which of them are, only operators and monitors are told.
    """
    checks = await checked(request.app.state.runtime, request.app.state.head)
    ready = all(state == OK for state in checks.values())
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    status = "ready" if ready else "not ready"
    if not is_trusted:
        return Standing(status=status)
    runtime: Runtime = request.app.state.runtime
    alarms = [*_alarms(runtime), *await _parked(runtime), *await _own_alarms(request.app.state)]
    return Readiness(status=status, alarms=alarms, **checks)


async def checked(runtime: Runtime, head: str) -> dict[str, str]:
    """What the service needs, each `ok` or what is wrong with it."""
    revision, database = await _ask_database(runtime)
    return {
        "database": database,
        "migrations": OK if serves(revision, head) else f"expected {head}, found {revision}",
        "broker": runtime.broker_trouble or OK,
        "consumers": _of_consumers(runtime) or OK,
        "background": f"ended: {', '.join(runtime.ended)}" if runtime.ended else OK,
    }


def _of_consumers(runtime: Runtime) -> str:
    """Which steps have no consumer, and which have work and make no progress."""
    missing = [consumer.step.queue for consumer in runtime.consumers if not consumer.consuming]
    troubles = [f"{one.step.queue} {trouble}" for one in runtime.consumers if (trouble := one.trouble)]
    return "; ".join([*([f"missing: {', '.join(missing)}"] if missing else []), *troubles])


async def _ask_database(runtime: Runtime) -> tuple[str, str]:
    """The revision of the database, and whether it commits."""
    if runtime.waits_for is not None:
        return "nothing yet", runtime.waits_for
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            revision = await runtime.database.run(_revision)
            trouble = await runtime.committing.trouble()
            return revision, OK if trouble is None else describe(trouble)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        return "nothing", describe(error)


def _alarms(runtime: Runtime) -> list[str]:
    failing = ((consumer.step.queue, consumer.struggling) for consumer in runtime.consumers)
    return [*(f"{queue} keeps failing for {count} messages" for queue, count in failing if count), *SKEW.alarms]


async def _parked(runtime: Runtime) -> list[str]:
    """That messages are parked, if some are, as far as the broker can be asked."""
    count = await runtime.parked()
    return [f"{count:.0f} messages are parked: python -m chassis parked list"] if count > 0 else []


async def _own_alarms(state: State) -> list[str]:
    """The alarms of the service itself; none while its database is out of reach, which is said elsewhere."""
    if state.alarms is None or state.runtime.waits_for is not None:
        return []
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            alarms: list[str] = await state.runtime.database.run(state.alarms)
            return alarms
    except Exception as error:  # noqa: BLE001  # readiness has an answer without it
        return [f"alarms unknown: {describe(error)}"]


async def _revision(transaction: Transaction) -> str:
    found = await transaction.fetch("SELECT version_num FROM alembic_version")
    return str(found[0]["version_num"] if found else None)
