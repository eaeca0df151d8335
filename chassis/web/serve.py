"""Serve: the process of a service, from its settings to its end."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from chassis.settings import SETTINGS, ServiceSettings, read
from chassis.telemetry import export, logs
from chassis.web.admission import Admission, App
from chassis.web.app import Definition, create_app
from chassis.web.headers import SafeHeaders
from chassis.web.last_resort import LastResort
from chassis.web.protocol import BoundedProtocol, Peers

GRACE_SECONDS = 2
"""How long requests that were being answered at the end may still take"""
BACKLOG = 2048


def run(define: Callable[[SETTINGS], Definition], settings: type[SETTINGS]) -> None:
    """Read the settings, define the service and serve it until SIGTERM or SIGINT.

    A start that fails ends the process with status 1 and one line that says why.
    """
    definition = define(read(settings))
    name = f"{definition.service.name}_svc"
    logs.configure(name)
    spans = export.configure(name)
    listening = listen(name, definition.settings.host, definition.settings.port)
    app = create_app(definition)
    server = Server(app, definition.settings, spans)
    server.run(sockets=[listening])
    if app.state.failure is not None:
        sys.exit(f"{name}: {app.state.failure}")
    if not server.started:
        sys.exit(1)


def listen(name: str, host: str, port: int) -> socket.socket:
    """The socket of a process, bound before anything else begins; ends the process when that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        prefix = name.removesuffix("_svc").upper()
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        sys.exit(f"{name} cannot listen on {host}:{port}: {reason}; is it running already? Else set {prefix}_PORT")


class Limits(Protocol):
    """How many connections a process serves, and how long."""

    @property
    def max_connections(self) -> int:
        """All together."""

    @property
    def address_connections(self) -> int:
        """From one address."""

    @property
    def keep_alive_seconds(self) -> int:
        """How long one without a request stays open."""


def bounded(app: App, limits: Limits) -> uvicorn.Config:
    """How an application is served: over HTTP alone, within its limits, without a word about the server."""
    return uvicorn.Config(
        SafeHeaders(LastResort(app)),
        http=partial(BoundedProtocol, peers=Peers(limits.address_connections)),  # type: ignore[arg-type]  # it is called as its class would be
        ws="none",
        limit_concurrency=limits.max_connections,
        server_header=False,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class Server(uvicorn.Server):
    """Ends when the service cannot begin, and sends away those who wait before it counts the seconds to the end."""

    def __init__(self, app: FastAPI, settings: ServiceSettings, spans: export.Exporting | None = None) -> None:
        super().__init__(bounded(Admission(app, app.state), settings))
        self._app = app
        self._spans = spans

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end."""
        return await super().on_tick(counter) or self._app.state.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has been asked, and ask the application to end."""
        self._app.state.runtime.waiters.end()
        await super().shutdown(sockets)
        await asyncio.to_thread(export.shutdown, self._spans)
