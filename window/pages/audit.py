"""Audit: the rules of conservation, who breaks them, and what the window has missed."""

from collections.abc import Sequence
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from window.filling import Filling, Note
from window.pages.view import View
from window.signing_in import SignedIn, form


def router(view: View, filling: Filling) -> APIRouter:
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
        notes = await filling.fill(number, operator, sent.get("key", [""])[0])
        return await shown(request, [(False, "There is no such gap.")] if notes is None else notes)

    return routes
