"""App: the FastAPI application around what the window knows."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware import Middleware

from chassis.errors import describe
from chassis.store.failures import DATABASE_ERRORS, is_outage
from chassis.web import outcome, problem
from chassis.web.admission import App, Message, Receive, Send, address_of
from chassis.web.bearer import Bearers, CurrentMonitor
from chassis.web.problem import Problem
from chassis.web.rates import Rates
from window.settings import Settings

log = structlog.get_logger(__name__)

AUDIENCE = "window"
Troubles = Callable[[], Awaitable[dict[str, str]]]
"""What is wrong, by what it is wrong with; empty when the window does its part"""
Life = Callable[[], contextlib.AbstractAsyncContextManager[None]]
"""What lives as long as the application"""


def bearers_of(settings: Settings) -> Bearers:
    """Tells who bears a token for the window."""
    return Bearers(settings.token_keys, settings.token_issuer, AUDIENCE)


def application(
    settings: Settings,
    routers: Sequence[APIRouter],
    bearers: Bearers,
    life: Life = contextlib.nullcontext,
    troubles: Troubles | None = None,
    middleware: Sequence[Middleware] = (),
) -> FastAPI:
    """The application; `middleware` stands between whoever asks and the routes, the first outside of the others."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with life():
            yield

    rates = Rates(settings.user_requests, settings.address_requests)
    app = FastAPI(
        title="window",
        lifespan=lifespan,
        openapi_url=None,
        middleware=[Middleware(CountAddress, rates=rates), *middleware],
    )
    app.state.bearers = bearers
    problem.install(app)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _on_database_error)
    app.include_router(_health(troubles))
    for router in routers:
        app.include_router(router)
    return app


class CountAddress:
    """ASGI middleware: turns away an address that asks too often."""

    def __init__(self, app: App, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let the request in, or turn it away."""
        if scope["type"] == "http":
            try:
                await self._rates.count_address(address_of(scope))
            except Problem as turned_away:
                await problem.answer(scope["path"], turned_away)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _health(troubles: Troubles | None) -> APIRouter:
    health = APIRouter()

    @health.get("/livez")
    async def livez() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @health.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        """Whether the window sees, stores and tells."""
        found = await troubles() if troubles else {}
        if found:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return {"status": "not ready" if found else "ready", **found}

    @health.get("/metrics")
    async def metrics(_: CurrentMonitor) -> Response:
        """What this process has seen, in the text format of Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return health


async def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    if not is_outage(error):
        raise error
    log.warning("archive out of reach", path=request.url.path, error=describe(error))
    return problem.response(request, outcome.unavailable("The archive is out of reach; try again shortly."))
