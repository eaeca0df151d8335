"""Routers: all pages, for an application that has `SigningIn` around it."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.staticfiles import StaticFiles

from window.choreography import Choreography
from window.looks import Looks
from window.pages import now, saga
from window.pages.live import Live
from window.pages.templates import STATIC
from window.pages.view import Links, View


def routers(looks: Looks, choreography: Choreography, links: Links, live: Live | None = None) -> Sequence[APIRouter]:
    """The routes of all pages, and of what they are made of."""
    view, live = View(looks, choreography, links), live or Live()
    made = APIRouter()
    made.mount("/static", StaticFiles(directory=STATIC))
    return [made, now.router(view, live), saga.router(view, live)]
