"""Service: the FastAPI application around a runtime, its health, and the process that runs it."""

import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from chassis.choreography.declaration import Service
from chassis.choreography.graph import Choreography
from chassis.documents import asyncapi, asyncapi_page
from chassis.run.runtime import Job, Runtime
from chassis.settings import ServiceSettings
from chassis.store import revision
from chassis.store.failures import DATABASE_ERRORS, is_outage
from chassis.telemetry import logs
from chassis.telemetry.tracing import ContinueTrace
from chassis.web import problem
from chassis.web.health import health_router
from chassis.web.problem import Problem, ProblemDocument
from chassis.web.scrape import Unfinished, metrics_router

log = structlog.get_logger(__name__)

GRACE_SECONDS = 2
"""How long requests that were being answered at the end may still take"""


@dataclass(frozen=True)
class Definition:
    """All that makes a service what it is. Dependencies that are async context managers live as long as the service."""

    service: Service
    settings: ServiceSettings
    router: APIRouter
    migrations: Path
    dependencies: Mapping[type, Any] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    unfinished: Unfinished | None = None


def run(definition: Definition) -> None:
    """Bring the database up to date and serve until SIGTERM or SIGINT."""
    logs.configure(f"{definition.service.name}_svc")
    settings = definition.settings
    revision.ensure(settings.database_url.get_secret_value(), definition.migrations)
    config = uvicorn.Config(
        create_app(definition),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Server(config).run()


class Server(uvicorn.Server):
    """Sends away clients who wait for an outcome before it counts the seconds until it cuts off requests."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has been asked, and ask the application to end."""
        self.config.app.state.runtime.waiters.end()  # type: ignore[union-attr]  # the application of `run`
        await super().shutdown(sockets)


def create_app(definition: Definition) -> FastAPI:
    """The application; nothing is opened before it starts."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for resource in definition.dependencies.values():
                if hasattr(resource, "__aexit__"):
                    await stack.enter_async_context(resource)
            runtime = Runtime(definition.service, definition.settings, definition.dependencies, definition.jobs)
            app.state.runtime = runtime
            runtime.start()
            # What is there now stays for good: the garbage collector need not look through it again and again.
            gc.freeze()
            stack.push_async_callback(runtime.stop)
            yield

    app = FastAPI(title=f"{definition.service.name}_svc", lifespan=lifespan)
    app.state.token_secret = definition.settings.token_secret.get_secret_value()
    app.state.head = revision.head(definition.migrations)
    app.add_middleware(ContinueTrace)
    problem.install(app)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _on_database_error)
    app.include_router(definition.router)
    app.state.unfinished = definition.unfinished
    app.include_router(health_router)
    app.include_router(metrics_router)
    _document_problems(app)
    _document_events(app, definition.service)
    return app


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


CurrentRuntime = Annotated[Runtime, Depends(_runtime)]
"""The runtime of the service that answers."""


async def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    if not is_outage(error):
        raise error
    log.warning("database out of reach", path=request.url.path, error=str(error))
    detail = "The database is out of reach; try again shortly."
    unavailable = Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})
    return problem.response(request, unavailable)


def _document_problems(app: FastAPI) -> None:
    """Let the OpenAPI document say that errors are problems; FastAPI's own error schemas are not used."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents to extend the document


def _document_events(app: FastAPI, service: Service) -> None:
    """Serve what the service hears and says, as a page for people and as AsyncAPI for programs."""
    document = asyncapi.document(Choreography((service,)), title=app.title, version=app.version)
    page = asyncapi_page.render(document)

    @app.get("/asyncapi", include_in_schema=False)
    async def asyncapi_html() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": asyncapi_page.POLICY})

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_json() -> JSONResponse:
        return JSONResponse(document)
