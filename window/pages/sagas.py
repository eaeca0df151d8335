"""Sagas: all that the window keeps, searched and filtered, page by page."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from window.looks import Filter
from window.pages.view import View

PAGE = 50
MAX_TEXT = 200
_STATES = ("out", "back", "ended", "late", "odd", "retrying", "parked")


def router(view: View) -> APIRouter:
    """The table of sagas."""
    routes = APIRouter(include_in_schema=False)
    outcomes = sorted(set(view.choreography.outcomes.values()))
    states = [*_STATES, *(one for one in outcomes if one not in _STATES)]

    @routes.get("/sagas")
    async def sagas(
        request: Request,
        text: Annotated[str, Query(max_length=MAX_TEXT)] = "",
        state: Annotated[str, Query(max_length=MAX_TEXT)] = "",
        saga: Annotated[str, Query(max_length=MAX_TEXT)] = "",
        after: Annotated[int | None, Query(ge=0, lt=1 << 63)] = None,
    ) -> Response:
        wanted = Filter(text.strip(), state, saga)
        if after is None and (only := await _only(view, wanted)):
            return RedirectResponse(only, 303)
        found = await view.looks.sagas(wanted, after, PAGE + 1)
        older = _older(wanted, found[PAGE - 1].key) if len(found) > PAGE else None
        return await view.page(
            request,
            "sagas.html",
            wanted=wanted,
            sagas=found[:PAGE],
            older=older,
            is_first=after is None,
            states=states,
            kinds=list(view.choreography.sagas),
        )

    return routes


async def _only(view: View, wanted: Filter) -> str | None:
    """The page of the saga that is meant where an id was looked for that names a single one."""
    if "-" not in wanted.text or wanted.state or wanted.saga:
        return None
    found = await view.looks.resolve(wanted.text)
    return f"/sagas/{found[0]}" if len(found) == 1 else None


def _older(wanted: Filter, key: int) -> str:
    asked = {"text": wanted.text, "state": wanted.state, "saga": wanted.saga, "after": str(key)}
    return "/sagas?" + urlencode({name: value for name, value in asked.items() if value})
