"""The external data platform, small but real: takes signed webhooks, and fails when it is told to.

`python -m stack.platform`, configured by PLATFORM_HOST, PLATFORM_PORT, PLATFORM_DATA, and PLATFORM_SECRET or
PLATFORM_SECRET_FILE.
"""

import asyncio
import json
import math
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from stack.platform.deliveries import Attempt, Delivery, Received, Store


class Settings(BaseSettings):
    """Where the platform listens, whom it believes and where it keeps what it received."""

    model_config = SettingsConfigDict(env_prefix="PLATFORM_")

    host: str = "127.0.0.1"
    port: int = 8100
    secret: str = ""
    secret_file: Path | None = None
    data: Path

    def secrets(self) -> list[str]:
        """The secrets, one of which has to have signed a delivery."""
        return (self.secret_file.read_text() if self.secret_file else self.secret).split()


class Failures(BaseModel):
    """How the next `count` deliveries fail, all of them while it is None; `seconds` later none does, if that is given.

    error: answers `status` and stores nothing; slow: waits `delay` seconds before it acts; after-store:
    stores, and then answers `status`; refuse: answers 422 and stores nothing.
    """

    mode: Literal["error", "slow", "after-store", "refuse"]
    count: Annotated[int, Field(ge=1)] | None = None
    status: Annotated[int, Field(ge=400, le=599)] = 503
    delay: Annotated[float, Field(ge=0, le=600)] = 5.0
    seconds: Annotated[float, Field(gt=0, le=3600)] | None = None


@dataclass
class Group:
    """Requests that are noted together, and the statuses to answer with."""

    requests: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


class Platform:
    """What the handlers share."""

    def __init__(self, settings: Settings) -> None:
        """Work as it should, until told to fail."""
        self.store = Store(settings.data)
        self._secrets = settings.secrets
        self._failures: Failures | None = None
        self._well_at = math.inf
        self._group = Group()
        self._writing = asyncio.Lock()

    @property
    def failures(self) -> Failures | None:
        """How deliveries fail now."""
        if time.monotonic() >= self._well_at:
            self._failures = None
        return self._failures

    def fail(self, failures: Failures | None) -> None:
        """Fail from now on, or no longer."""
        self._failures = failures
        self._well_at = time.monotonic() + (failures.seconds if failures and failures.seconds else math.inf)

    def next_failure(self) -> Failures | None:
        """How the delivery at hand fails; counts it."""
        failures = self.failures
        if failures is not None and failures.count is not None:
            left = failures.count - 1
            self._failures = failures.model_copy(update={"count": left}) if left else None
        return failures

    async def receive(self, request: Request) -> int:
        """Take one delivery; the status to answer with."""
        body = (await request.body()).decode(errors="replace")
        webhook_id = request.headers.get("webhook-id", "")
        if not self._is_genuine(body, request):
            return await self._note(Received(webhook_id, None, HTTPStatus.UNAUTHORIZED))
        match self.next_failure():
            case Failures(mode="error", status=status):
                return await self._note(Received(webhook_id, None, status))
            case Failures(mode="refuse"):
                return await self._note(Received(webhook_id, None, HTTPStatus.UNPROCESSABLE_ENTITY))
            case Failures(mode="after-store", status=status):
                return await self._note(Received(webhook_id, body, status))
            case Failures(mode="slow", delay=delay):
                await asyncio.sleep(delay)
        return await self._note(Received(webhook_id, body))

    async def _note(self, received: Received) -> int:
        """Store a request in one commit with all that arrive meanwhile; returns the status to answer with.

        When that fails, all of them are answered 500.
        """
        group, number = self._group, len(self._group.requests)
        group.requests.append(received)
        async with self._writing:
            if group is self._group:
                self._group = Group()
                group.statuses = await run_in_threadpool(self.store.note, group.requests)
        return group.statuses[number]

    def _is_genuine(self, body: str, request: Request) -> bool:
        return any(_has_signed(Webhook(secret), body, request) for secret in self._secrets())


def _has_signed(webhook: Webhook, body: str, request: Request) -> bool:
    try:
        webhook.verify(body, dict(request.headers))
    except (WebhookVerificationError, json.JSONDecodeError):
        return False
    return True


def create_app(settings: Settings) -> FastAPI:
    """Build the application over the memory in `settings.data`."""
    app = FastAPI(title="External data platform")
    app.state.platform = Platform(settings)
    _add_deliveries(app, app.state.platform)
    _add_failures(app, app.state.platform)
    _add_health(app, app.state.platform)
    app.add_exception_handler(StarletteHTTPException, _problem_of_http)
    app.add_exception_handler(RequestValidationError, _problem_of_request)
    return app


def _add_deliveries(app: FastAPI, platform: Platform) -> None:
    @app.post("/deliveries")
    async def deliver(request: Request) -> JSONResponse:
        """Take a delivery signed as Standard Webhooks says: 201 the first time, 200 when it was there."""
        status = await platform.receive(request)
        if status >= HTTPStatus.BAD_REQUEST:
            return _problem(request, status)
        return JSONResponse({"webhook_id": request.headers["webhook-id"]}, status)

    @app.get("/deliveries")
    def list_deliveries() -> list[Delivery]:
        """All deliveries, each once, the earliest first."""
        return platform.store.deliveries()

    @app.get("/deliveries/{webhook_id}")
    def show_delivery(webhook_id: str) -> Delivery:
        """One delivery."""
        delivery = platform.store.delivery(webhook_id)
        if delivery is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return delivery

    @app.get("/attempts")
    def list_attempts() -> list[Attempt]:
        """All attempts to deliver, refused ones too."""
        return platform.store.attempts()


def _add_failures(app: FastAPI, platform: Platform) -> None:
    @app.get("/failures")
    async def show_failures() -> Failures | None:
        """How deliveries fail at the moment; null when they do not."""
        return platform.failures

    @app.put("/failures")
    async def set_failures(failures: Failures) -> Failures:
        """Fail from now on."""
        platform.fail(failures)
        return failures

    @app.delete("/failures", status_code=HTTPStatus.NO_CONTENT)
    async def end_failures() -> None:
        """Work as it should again."""
        platform.fail(None)


def _add_health(app: FastAPI, platform: Platform) -> None:
    @app.get("/livez")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        """The memory can be read."""
        platform.store.delivery("")
        return {"status": "ok"}


def _problem(request: Request, status: int, detail: str | None = None) -> JSONResponse:
    """An answer as RFC 9457 has it."""
    title = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "instance": request.url.path}
    if detail is not None:
        body["detail"] = detail
    return JSONResponse(body, status, media_type="application/problem+json")


def _problem_of_http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, StarletteHTTPException) else 500
    return _problem(request, status)


def _problem_of_request(request: Request, error: Exception) -> JSONResponse:
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def main() -> None:
    """Serve until SIGTERM."""
    # Validation takes what is not given from the environment.
    settings = Settings.model_validate({})
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
