"""Aside: messages that rest or are parked, and what an operator may do about them."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from window.filling import Note
from window.looks import PutAside
from window.message import Place
from window.operations import Operations, RefusedError
from window.pages.saga import pretty
from window.pages.view import View
from window.signing_in import Operator, SignedIn, form

PAGE, LOOKED_AT = 50, 500
"""How many are shown, and how many are looked through for those of one step"""
RATE, MAX_RATE, MAX_REASON = 50, 1000, 500


def router(view: View, operations: Operations) -> APIRouter:
    """The pages of what is put aside."""
    routes = APIRouter(include_in_schema=False)

    async def listed(request: Request, step: str, after: int | None, notes: Sequence[Note]) -> Response:
        found = await _found(view, step, after)
        older = found[PAGE - 1].message.number if len(found) > PAGE else None
        steps = [one.name for one in view.choreography.steps.values() if not one.hears_nothing]
        shown: dict[str, Any] = {"aside": found[:PAGE], "older": older, "after": after, "steps": steps, "step": step}
        return await view.page(request, "parked.html", **shown, notes=notes, key=uuid4(), rate=RATE)

    @routes.get("/parked")
    async def parked(
        request: Request,
        step: Annotated[str, Query(max_length=200)] = "",
        after: Annotated[int | None, Query(ge=0, lt=1 << 63)] = None,
    ) -> Response:
        return await listed(request, step, after, ())

    @routes.get("/parked/history")
    async def history(request: Request, operator: SignedIn) -> Response:
        done, notes = await _history(operations, operator)
        return await view.page(request, "history.html", done=done, notes=notes)

    @routes.get("/parked/{step}/{event_id:uuid}")
    async def one(request: Request, step: str, event_id: UUID) -> Response:
        chosen = [one for one in await _found(view, step, None) if one.message.event_id == event_id]
        if not chosen:
            return await view.missing(request, "message put aside", "It may have gone back to its step meanwhile.")
        body = pretty(chosen[0].message.body)
        is_known = step in view.choreography.steps
        return await view.page(
            request, "aside.html", one=chosen[0], body=body, key=uuid4(), rate=RATE, is_known=is_known
        )

    @routes.post("/parked/redrive")
    async def redrive(request: Request, operator: SignedIn) -> Response:
        sent = await form(request)
        notes = await _redrive(operations, operator, sent)
        return await listed(request, _first(sent, "step"), None, notes)

    @routes.post("/parked/discard")
    async def discard(request: Request, operator: SignedIn) -> Response:
        notes = [await _discard(view, operations, operator, await form(request))]
        return await listed(request, "", None, notes)

    return routes


async def _found(view: View, step: str, after: int | None) -> list[PutAside]:
    """What is put aside, one more than a page has; those of one step are picked out of the newest."""
    if not step:
        return list(await view.looks.put_aside(after, PAGE + 1))
    return [one for one in await view.looks.put_aside(after, LOOKED_AT) if one.message.step == step][: PAGE + 1]


async def _redrive(operations: Operations, operator: Operator, sent: Mapping[str, list[str]]) -> Sequence[Note]:
    """Ask each service to redrive those of the chosen messages that its steps have parked."""
    chosen: dict[str, list[str]] = {}
    for step, _, event_id in (one.partition(" ") for one in sent.get("id", [])):
        chosen.setdefault(step.partition(".")[0], []).append(event_id)
    if not chosen:
        return [(False, "Nothing was chosen, so nothing was done.")]
    rate, key = _rate(_first(sent, "rate")), _first(sent, "key")
    asked = (_redriven(operations, operator, service, ids, rate, key) for service, ids in chosen.items())
    return await asyncio.gather(*asked)


async def _redriven(
    operations: Operations, operator: Operator, service: str, ids: Sequence[str], rate: int, key: str
) -> Note:
    try:
        done = await operations.redrive(service, operator, ids, rate, key)
    except RefusedError as error:
        return False, str(error)
    counts = {name: len(done.get(name) or ()) for name in ("redriven", "missing", "left")}
    words = f"{service}: {counts['redriven']} redriven"
    words += f", {counts['missing']} no longer there" if counts["missing"] else ""
    words += f", {counts['left']} left for want of time" if counts["left"] else ""
    return not counts["left"], f"{words}."


async def _discard(view: View, operations: Operations, operator: Operator, sent: Mapping[str, list[str]]) -> Note:
    step, _, event_id = _first(sent, "id").partition(" ")
    reason, where = _first(sent, "reason").strip()[:MAX_REASON], _first(sent, "where")
    if not reason:
        return False, "A reason is needed, so nothing was discarded."
    where = "resting" if where == Place.RESTING else "parked"
    try:
        await operations.discard(step, operator, event_id, where, reason, _first(sent, "key"))
    except RefusedError as error:
        return False, str(error)
    await _forget(view, step, event_id)
    return True, f"{step}: discarded {event_id}, because: {reason}"


async def _forget(view: View, step: str, event_id: str) -> None:
    """List it no more; nothing is said when a message is discarded, so nothing else would tell."""
    with contextlib.suppress(ValueError):  # what has no id of its own is not listed by one
        await view.looks.discarded(step, UUID(event_id))


async def _history(operations: Operations, operator: Operator) -> tuple[Sequence[Mapping[str, Any]], Sequence[Note]]:
    """What operators did at all services, the newest first, and who does not tell."""
    names = list(operations.services)
    answers = await asyncio.gather(*(operations.history(name, operator) for name in names), return_exceptions=True)
    done: list[Mapping[str, Any]] = []
    notes: list[Note] = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, RefusedError):
            notes.append((False, str(answer)))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            done += [{**one, "service": name} for one in answer]
    return sorted(done, key=lambda one: str(one.get("at")), reverse=True), notes


def _first(sent: Mapping[str, list[str]], name: str) -> str:
    return sent.get(name, [""])[0]


def _rate(text: str) -> int:
    return min(MAX_RATE, max(1, int(text))) if text.isascii() and text.isdigit() and len(text) < 9 else RATE  # noqa: PLR2004
