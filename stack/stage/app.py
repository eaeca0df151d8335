"""The application of the stage, for operators only: acts as a fan, and breaks what this stack runs, within bounds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from chassis.web import problem
from chassis.web.bearer import Bearers
from chassis.web.guard import Guard
from chassis.web.rates import Rates
from stack.directory import Directory
from stack.stage import breaking, playing
from stack.stage.crowd import Crowd
from stack.stage.fans import Fans
from stack.stage.judge import Judge
from stack.stage.poison import Poison
from stack.stage.processes import Processes
from stack.stage.props import Props
from stack.stage.services import Services, client
from stack.tokens import ISSUER, STAGE

REQUESTS_A_SECOND = 100


def create_app(directory: Directory, token_keys: str) -> FastAPI:
    """The application; nothing is opened before it starts. Whatever stands still goes on when it starts and ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client() as http:
            app.state.props = props = _props(directory, Services(directory, http))
            # One that was killed could not do it.
            props.processes.resume_all()
            try:
                yield
            finally:
                props.processes.resume_all()

    app = FastAPIOffline(title="stage", lifespan=lifespan)
    app.state.bearers = Bearers(token_keys, ISSUER, STAGE)
    rates = Rates(REQUESTS_A_SECOND, REQUESTS_A_SECOND)
    app.add_middleware(Guard, bearers=app.state.bearers, rates=rates)
    problem.install(app)
    app.include_router(playing.router)
    app.include_router(breaking.router)
    _add_health(app)
    return app


def _props(directory: Directory, services: Services) -> Props:
    fans = Fans(services)
    return Props(directory, services, fans, Crowd(fans), Processes(directory), Poison(), Judge(directory))


def _add_health(app: FastAPI) -> None:
    @app.get("/livez", tags=["health"])
    @app.get("/readyz", tags=["health"])
    async def ready() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}
