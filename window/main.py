"""The process of the window: listens, tells, and answers, until SIGTERM."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from yarl import URL

from chassis.addresses import first_of
from chassis.errors import MigrationError, describe
from chassis.run import startup
from chassis.settings import read
from chassis.store.roles import Roles
from chassis.telemetry import logs
from chassis.web.serve import bounded, listen
from window import api
from window.app import application, bearers_of
from window.auditing import Auditing
from window.broker_numbers import BrokerNumbers
from window.choreography import Choreography, load
from window.database import Pool, connect
from window.filling import Filling
from window.gaps import Gaps
from window.listening import Listening
from window.operations import Operations
from window.pages.routers import routers as pages
from window.pages.view import Links, View
from window.purging import RIGHTS, Purging, retentions
from window.retelling import Retelling
from window.settings import Settings
from window.signing_in import SigningIn
from window.stage import routes as stage
from window.stage.asking import Stage
from window.store_looks import StoreLooks
from window.storing import Storing

MIGRATIONS = Path(__file__).parent / "migrations"
GRACE_SECONDS, CHECK_SECONDS = 2, 3


class Window:
    """All that the process does, over one pool of connections."""

    def __init__(self, settings: Settings, pool: Pool, choreography: Choreography) -> None:
        self._settings = settings
        self._pool = pool
        self._ended: str | None = "not begun"
        broker = BrokerNumbers(settings)
        self._listening = Listening(settings.broker_url, Storing(pool))
        self._retelling = Retelling(pool, choreography)
        self._gaps = Gaps(pool, broker, exchanges(choreography))
        self._auditing = Auditing(pool)
        self._purging = Purging(pool, settings.keep)
        self.looks = StoreLooks(pool, choreography, broker, self._retelling, self._gaps, self._auditing)

    @contextlib.asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Listen and tell while the context lasts, from when the database is there and migrated."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.wait_for(self._pool.close(), GRACE_SECONDS)

    async def troubles(self) -> dict[str, str]:
        """What keeps the window from its part."""
        parts = {"work": self._ended, "broker": self._listening.trouble, "telling": self._retelling.trouble}
        found = {part: trouble for part, trouble in parts.items() if trouble}
        return found | await self._database_trouble()

    async def _database_trouble(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._pool.fetchval("SELECT pg_current_xact_id()::text")  # which a standby has none of
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
            return {"database": describe(error)}
        return {}

    async def _work(self) -> None:
        try:
            await startup.begin(
                self._settings.database_url.get_secret_value(), MIGRATIONS, roles(self._settings), self._wait
            )
            self._ended = None
            async with asyncio.TaskGroup() as tasks:
                for one in (self._listening, self._retelling, self._gaps, self._auditing, self._purging):
                    tasks.create_task(one.run())
        except Exception as error:
            self._ended = describe(error)
            raise

    def _wait(self, reason: str) -> None:
        self._ended = f"waits for the database: {reason}"


def exchanges(choreography: Choreography) -> list[str]:
    """The exchanges that everything goes over which the window is to see."""
    return [f"{service}{kind}" for service in choreography.services for kind in ("", ".retry", ".redeliver")]


def roles(settings: Settings) -> Roles:
    """The roles of the window's database, and what they may do."""
    user = URL(first_of(settings.database_url.get_secret_value())).user or ""
    return Roles(user, retentions(settings.keep), RIGHTS)


async def build(settings: Settings) -> FastAPI:
    """The application of the window, with what works behind it."""
    pool = await connect(settings.database_url.get_secret_value(), settings.database_pool)
    choreography = load(settings.published)
    window = Window(settings, pool, choreography)
    links = _links(settings)
    http = httpx2.AsyncClient(trust_env=False)

    @contextlib.asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with http, window.life():
            yield

    looks = window.looks
    filling = Filling(looks, Operations(links.services, http), looks.filled)
    routers = [api.router(looks, choreography, filling), *pages(looks, choreography, links, http, looks.filled)]
    if settings.stage_url:
        routers.append(stage.router(Stage(settings.stage_url, http), View(looks, choreography, links)))
    bearers = bearers_of(settings)
    signing_in = Middleware(SigningIn, bearers=bearers)
    return application(settings, routers, bearers, life, window.troubles, [signing_in])


def _links(settings: Settings) -> Links:
    return Links(
        services=settings.services,
        management=settings.management_page,
        virtual_host=settings.vhost,
        trace=settings.trace_url,
        published=settings.published,
        has_stage=bool(settings.stage_url),
    )


def serve() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read(Settings)
    logs.configure("window")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    listening = listen("window", settings.host, settings.port)
    asyncio.run(_serve(settings, listening))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    app = await build(settings)
    # What is there now stays for good: the garbage collector need not look through it again and again.
    gc.freeze()
    await uvicorn.Server(bounded(app, settings)).serve(sockets=[listening])


def migrate() -> None:
    """Bring the database up to date as its owner, whom WINDOW_MIGRATION_URL names, and end."""
    settings = read(Settings)
    logs.configure("window")
    owner_url = os.environ.get("WINDOW_MIGRATION_URL") or settings.database_url.get_secret_value()
    try:
        asyncio.run(startup.migrate(owner_url, MIGRATIONS, roles(settings), lambda _: None))
    except MigrationError as error:
        sys.exit(str(error))


def audit() -> None:
    """Print what the rules of conservation say; end with status 1 where one is broken."""
    findings = asyncio.run(_findings(read(Settings)))
    for one in findings:
        named = f": {', '.join(map(str, one.sagas))}" if one.sagas else ""
        print(f"{'holds   ' if one.holds else 'BROKEN  '} {one.rule:<12} {one.text}{named}")  # noqa: T201
    sys.exit(not all(one.holds for one in findings))


async def _findings(settings: Settings) -> Any:
    pool = await connect(settings.database_url.get_secret_value(), 1)
    async with pool:
        return await Auditing(pool).findings()
