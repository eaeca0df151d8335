"""Routes: `/stage`, what is alive on it, and its buttons."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from chassis.web.problem import not_found
from window.pages.saga import shown
from window.pages.templates import TEMPLATES, secure
from window.pages.view import View
from window.signing_in import SignedIn, form
from window.stage.acts import ACTS, Asked
from window.stage.asking import Asks, StageError
from window.stage.scene import STATES, Scene, now, rows, steady

MAX_SAID = 100
"""How many outcomes are remembered until somebody has seen them"""
FAN = "stage-fan"
STEPS = ("point.spend", "reservation.confirm", "payment.pay", "seat.reserve", "payment.complete")
"""Which steps can be poisoned with a button"""

Fan = Annotated[str, Query(pattern=r"^[A-Za-z0-9._@:-]{1,64}$")]
DateId = Annotated[int, Query(ge=1, le=2**31 - 1)]
Page = Annotated[int, Query(ge=0, le=100)]


class Said:
    """What came of the last buttons, each until the page after it is shown; a link alone can make it say nothing."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, tuple[bool, str]] = OrderedDict()

    def note(self, text: str, *, is_good: bool) -> str:
        """Remember an outcome; the key to it."""
        key = uuid4().hex
        self._said[key] = is_good, text
        while len(self._said) > MAX_SAID:
            self._said.popitem(last=False)
        return key

    def take(self, key: str) -> tuple[bool, str] | None:
        """The outcome, the first time."""
        return self._said.pop(key, None)


def router(ask: Asks, view: View) -> APIRouter:
    """The routes of the page; everybody who comes here is signed in."""
    routes, said = APIRouter(include_in_schema=False), Said()

    @routes.get("/stage")
    async def stage(request: Request, operator: SignedIn, fan: Fan = FAN, date: DateId = 1, page: Page = 0) -> Response:
        seen = await scene(ask, view, operator.token, fan, date, page)
        outcome = said.take(request.query_params.get("said", ""))
        return await view.page(request, "stage.html", **_context(seen), said=outcome)

    @routes.get("/stage/live")
    async def live(request: Request, operator: SignedIn, fan: Fan = FAN, date: DateId = 1, page: Page = 0) -> Response:
        seen = await scene(ask, view, operator.token, fan, date, page)
        return secure(TEMPLATES.TemplateResponse(request, "stage_live.html", _context(seen)))

    @routes.post("/stage/{act}")
    async def do(act: str, request: Request, operator: SignedIn) -> Response:
        if act not in ACTS:
            raise not_found("button")
        asked = Asked(ask, operator.token, await form(request))
        try:
            key = said.note(await ACTS[act](asked), is_good=True)
        except StageError as error:
            key = said.note(str(error), is_good=False)
        back = {name: asked.text(name) for name in ("fan", "date", "page") if asked.text(name)}
        return RedirectResponse(f"/stage?{urlencode(back | {'said': key})}", HTTPStatus.SEE_OTHER)

    return routes


async def scene(ask: Asks, view: View, token: str, fan: str, date_id: int, page: int) -> Scene:
    """What there is to see; where the stage does not answer, why."""
    moment = now()
    seen = Scene(fan=fan, date_id=date_id, page=page, now=moment.isoformat())
    try:
        query = urlencode({"fan": fan, "date_id": date_id, "page": page})
        told = steady(await ask(token, "GET", f"/view?{query}"), moment)
    except StageError as error:
        return replace(seen, trouble=str(error))
    saga = next(iter(told["sagas"]), None)
    story = await view.looks.story(UUID(saga["saga_id"])) if saga else None
    return replace(
        seen,
        view=told,
        rows=rows(told["seats"]),
        invariants=await _invariants(ask, token),
        saga=saga,
        timeline=await shown(view, story) if story else {},
    )


async def _invariants(ask: Asks, token: str) -> list[Mapping[str, Any]]:
    """The invariants; none while they cannot be asked."""
    try:
        return list(await ask(token, "GET", "/invariants"))
    except StageError:
        return []


def _context(seen: Scene) -> dict[str, Any]:
    return {"scene": seen, "states": STATES, "steps": STEPS, **seen.timeline}
