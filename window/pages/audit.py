"""Audit: the rules of conservation, who breaks them, and what the window has missed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from window.looks import Gap
from window.operations import Operations, RefusedError
from window.pages.aside import Note
from window.pages.view import View
from window.signing_in import Operator, SignedIn, form

MARGIN = timedelta(minutes=5)
"""How much more than a gap is said again: services say again by hours of their own clocks"""
Filled = Callable[[int], Awaitable[object]]
"""Notes that a gap was asked to be filled"""


def router(view: View, operations: Operations, filled: Filled | None) -> APIRouter:
    """The page of findings and gaps."""
    routes = APIRouter(include_in_schema=False)

    async def shown(request: Request, notes: Sequence[Note] = ()) -> Response:
        findings, gaps = await view.looks.audit(), await view.looks.gaps()
        return await view.page(request, "audit.html", judged=findings, gaps=gaps, notes=notes, key=uuid4())

    @routes.get("/audit")
    async def audit(request: Request) -> Response:
        return await shown(request)

    @routes.post("/audit/gaps/{number:int}/fill")
    async def fill(request: Request, number: int, operator: SignedIn) -> Response:
        sent = await form(request)
        gap = next((one for one in await view.looks.gaps() if one.number == number), None)
        if gap is None:
            return await shown(request, [(False, "There is no such gap.")])
        notes = await _fill(operations, operator, gap, sent.get("key", [""])[0])
        if filled is not None and all(is_good for is_good, _ in notes):
            await filled(number)
        return await shown(request, notes)

    return routes


async def _fill(operations: Operations, operator: Operator, gap: Gap, key: str) -> Sequence[Note]:
    """Have all services say again what they said since the gap began."""
    hours = max(0.1, (datetime.now(UTC) - gap.since + MARGIN) / timedelta(hours=1))
    asked = (_resaid(operations, operator, service, round(hours, 2), key) for service in operations.services)
    return await asyncio.gather(*asked) or [(False, "The window knows no service to ask.")]


async def _resaid(operations: Operations, operator: Operator, service: str, hours: float, key: str) -> Note:
    try:
        await operations.resay(service, operator, hours, key)
    except RefusedError as error:
        return False, str(error)
    return True, f"{service} says again what it said in the last {hours:g} hours."
