"""App: the FastAPI application around the runtime of a service."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline

from chassis.choreography.declaration import Service
from chassis.choreography.graph import Choreography
from chassis.documents import asyncapi, asyncapi_page
from chassis.errors import BusyError, CommitUnknownError, OutcomeUnknownError, UnreachableBrokerError
from chassis.run.runtime import Job, Runtime
from chassis.run.under_way import Bound
from chassis.settings import ServiceSettings
from chassis.store import revision
from chassis.store.failures import DATABASE_ERRORS, is_outage
from chassis.store.retention import PURGE_INTERVAL, Retention, purging
from chassis.telemetry.serving import ContinueTrace
from chassis.web import outcome, problem
from chassis.web.admission import SAFE
from chassis.web.bearer import Bearers
from chassis.web.guard import Guard
from chassis.web.health import Alarms, health_router
from chassis.web.operations import operations_router
from chassis.web.presence import WhilePresent
from chassis.web.problem import ProblemDocument
from chassis.web.rates import Rates
from chassis.web.scrape import Unfinished, metrics_router
from chassis.web.streams import Streams

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Definition:
    """All that makes a service what it is. Dependencies that are async context managers live as long as the service."""

    service: Service
    settings: ServiceSettings
    router: APIRouter
    migrations: Path
    dependencies: Mapping[type, Any] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    retentions: tuple[Retention, ...] = ()
    """Which rows of its own go when"""
    rights: Mapping[str, str] = field(default_factory=dict)
    """What the role of the service may do with some of its tables, where that is not to read, add and change rows"""
    unfinished: Unfinished | None = None
    alarms: Alarms | None = None
    bound: Bound | None = None

    @property
    def purge(self) -> Job | None:
        """How old rows of its own go, if some do."""
        return Job(PURGE_INTERVAL, purging(*self.retentions)) if self.retentions else None


def create_app(definition: Definition) -> FastAPI:
    """The application; nothing is opened before it starts."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for resource in definition.dependencies.values():
                if hasattr(resource, "__aexit__"):
                    await stack.enter_async_context(resource)
            runtime = _runtime_of(definition)
            app.state.runtime = runtime
            stack.push_async_callback(runtime.stop)
            starting = asyncio.create_task(_start(app, runtime, definition.migrations))
            stack.push_async_callback(_end, starting)
            # What is there now stays for good: the garbage collector need not look through it again and again.
            gc.freeze()
            yield

    settings = definition.settings
    kind = FastAPIOffline if settings.docs else partial(FastAPI, openapi_url=None)
    app = kind(title=f"{definition.service.name}_svc", lifespan=lifespan)
    app.state.failure = None
    app.state.bearers = Bearers.of(definition.service.name, settings)
    app.state.rates = Rates(settings.user_requests, settings.address_requests)
    app.state.streams = Streams(settings.user_streams)
    app.state.head = revision.head(definition.migrations)
    app.add_middleware(ContinueTrace)
    app.add_middleware(WhilePresent)
    app.add_middleware(Guard, bearers=app.state.bearers, rates=app.state.rates)
    problem.install(app)
    _on_failures(app)
    app.include_router(definition.router)
    app.include_router(operations_router)
    app.state.unfinished = definition.unfinished
    app.state.alarms = definition.alarms
    app.include_router(health_router)
    app.include_router(metrics_router)
    _document_problems(app)
    if settings.docs:
        _document_events(app, definition.service)
    return app


def _runtime_of(of: Definition) -> Runtime:
    return Runtime(of.service, of.settings, of.dependencies, of.jobs, of.bound, of.retentions, of.rights)


async def _start(app: FastAPI, runtime: Runtime, migrations: Path) -> None:
    """Begin; what makes that impossible for good becomes the failure of the application, which ends its process."""
    try:
        await runtime.start(migrations)
    except Exception as error:  # noqa: BLE001  # whatever it is, a service that does not begin must not stand there
        app.state.failure = error


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _on_failures(app: FastAPI) -> None:
    """Answer what the database, the requests that share it and the broker may raise."""
    app.add_exception_handler(OutcomeUnknownError, _on_unknown_outcome)
    app.add_exception_handler(BusyError, _on_busy)
    app.add_exception_handler(UnreachableBrokerError, _on_unreachable_broker)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _on_database_error)


async def _on_unknown_outcome(request: Request, error: Exception) -> JSONResponse:
    location = getattr(getattr(error, "result", None), "location", None)
    log.warning("outcome unknown", path=request.url.path, location=location)
    return problem.response(request, outcome.unknown(location))


async def _on_busy(request: Request, error: Exception) -> JSONResponse:
    return problem.response(request, outcome.unavailable(f"Nothing was done: {error}. Try again shortly.", "busy"))


async def _on_unreachable_broker(request: Request, error: Exception) -> JSONResponse:
    log.warning("broker out of reach", path=request.url.path, error=str(error))
    return problem.response(request, outcome.unavailable("The broker is out of reach; try again shortly."))


async def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    if not is_outage(error):
        raise error
    log.warning("database out of reach", path=request.url.path, error=str(error))
    if isinstance(error, (CommitUnknownError, TimeoutError)) and request.method not in SAFE:
        return problem.response(request, outcome.unknown())
    return problem.response(request, outcome.unavailable("The database is out of reach; try again shortly."))


def _document_problems(app: FastAPI) -> None:
    """Describe errors as problems in the OpenAPI document; FastAPI's own error schemas are not used."""
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
