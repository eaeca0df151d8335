"""Routers: all pages, for an application that has `SigningIn` around it."""

from collections.abc import Sequence

import httpx2
from fastapi import APIRouter
from fastapi.staticfiles import StaticFiles

from window.choreography import Choreography
from window.filling import Filled, Filling
from window.looks import Looks
from window.operations import Operations
from window.pages import aside, audit, now, saga, sagas
from window.pages.live import Live
from window.pages.templates import STATIC
from window.pages.view import Links, View


def routers(
    looks: Looks,
    choreography: Choreography,
    links: Links,
    client: httpx2.AsyncClient,
    filled: Filled | None = None,
    live: Live | None = None,
) -> Sequence[APIRouter]:
    """The routes of all pages, and of what they are made of; services are asked through `client`."""
    view, live = View(looks, choreography, links), live or Live()
    operations = Operations(links.services, client)
    made = APIRouter()
    made.mount("/static", StaticFiles(directory=STATIC))
    return [
        made,
        now.router(view, live),
        sagas.router(view),
        saga.router(view, live),
        aside.router(view, operations),
        audit.router(view, Filling(looks, operations, filled)),
    ]
