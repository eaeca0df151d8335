"""Serving: what the facades have in common, however they do a checkout: settings, and a process behind REST."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.web import problem
from chassis.web.bearer import Bearers
from stack.tokens import ISSUER

LIFETIME = timedelta(seconds=60)


class Settings(BaseSettings):
    """Where the database and the platform are; from variables that begin with `FACADE_`."""

    model_config = SettingsConfigDict(env_prefix="FACADE_")

    database_url: SecretStr
    database_pool: int = 10
    """As many as each of the four services has"""
    platform_url: str
    platform_secret: SecretStr
    token_keys: str
    token_issuer: str = ISSUER
    port: int = 0


def create_app(settings: Settings, opened: Callable[[Settings], AbstractAsyncContextManager[Any]]) -> FastAPI:
    """An application around a facade that is open while it serves; what is asked of it is still to be added."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as app.state.facade:
            yield

    app = FastAPI(title="facade", lifespan=lifespan)
    app.state.bearers = Bearers(settings.token_keys, settings.token_issuer, "payment_svc")
    problem.install(app)

    @app.get("/livez")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    return app


async def current(request: Request) -> Any:
    """The facade that serves a request."""
    return request.app.state.facade


def serve(create: Callable[[Settings], FastAPI]) -> None:
    """Serve until SIGTERM, as the four services do."""
    settings = Settings.model_validate({})
    uvicorn.run(create(settings), host="127.0.0.1", port=settings.port, log_config=None, access_log=False)
