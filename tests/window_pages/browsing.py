"""Browsing: an application with all pages, and a client that is signed in."""

import json
from typing import Any

import httpx2
from fastapi import FastAPI

from chassis.web import problem
from tests.window_pages.fakes import CHOREOGRAPHY, FakeBearers, FakeLooks
from window.filling import Filled
from window.pages.live import Live
from window.pages.routers import routers
from window.pages.view import Links
from window.signing_in import COOKIE, SigningIn

ORIGIN = "http://window"
LINKS = Links(
    services={"payment": "http://payment"},
    management="http://rabbit/ui",
    virtual_host="/",
    trace="http://traces/{trace_id}",
)


class Services:
    """Answers as services would, and remembers what it was asked."""

    def __init__(self, status: int = 200, **answer: Any) -> None:
        self.asked: list[tuple[httpx2.Request, Any]] = []
        self._status = status
        self._answer = answer

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to any request."""
        self.asked.append((request, json.loads(request.content) if request.content else None))
        return httpx2.Response(self._status, json=self._answer)


def application(
    looks: FakeLooks, links: Links = LINKS, services: Services | None = None, filled: Filled | None = None
) -> FastAPI:
    """All pages over a fake."""
    app = FastAPI()
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(services or Services()))
    live = Live(pace=0.01, life=0.2)
    for router in routers(looks, CHOREOGRAPHY, links, client, filled, live):
        app.include_router(router)
    problem.install(app)
    app.add_middleware(SigningIn, bearers=FakeBearers())
    return app


def stranger(
    looks: FakeLooks, links: Links = LINKS, services: Services | None = None, filled: Filled | None = None
) -> httpx2.AsyncClient:
    """A browser that nobody has signed in with."""
    transport = httpx2.ASGITransport(application(looks, links, services, filled))
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN)


def browser(
    looks: FakeLooks, links: Links = LINKS, services: Services | None = None, filled: Filled | None = None
) -> httpx2.AsyncClient:
    """A browser of an operator; what it posts comes from a page of the window."""
    client = stranger(looks, links, services, filled)
    client.cookies.set(COOKIE, "operator")
    client.headers["origin"] = ORIGIN
    return client
