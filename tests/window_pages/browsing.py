"""Browsing: an application with all pages, and a client that is signed in."""

from typing import Any

import httpx2
from fastapi import FastAPI

from chassis.web import problem
from tests.window_pages.fakes import CHOREOGRAPHY, FakeBearers, FakeLooks
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


def application(looks: FakeLooks, links: Links = LINKS, **more: Any) -> FastAPI:
    """All pages over a fake."""
    app = FastAPI()
    for router in routers(looks, CHOREOGRAPHY, links, Live(pace=0.01, life=0.2), **more):
        app.include_router(router)
    problem.install(app)
    app.add_middleware(SigningIn, bearers=FakeBearers())
    return app


def stranger(looks: FakeLooks, links: Links = LINKS, **more: Any) -> httpx2.AsyncClient:
    """A browser that nobody has signed in with."""
    transport = httpx2.ASGITransport(application(looks, links, **more))
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN)


def browser(looks: FakeLooks, links: Links = LINKS, **more: Any) -> httpx2.AsyncClient:
    """A browser of an operator; what it posts comes from a page of the window."""
    client = stranger(looks, links, **more)
    client.cookies.set(COOKIE, "operator")
    client.headers["origin"] = ORIGIN
    return client
