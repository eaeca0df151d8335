"""The JSON API of the window, for operators only."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse

from chassis.web.bearer import CurrentOperator
from chassis.web.problem import Problem, not_found
from window.choreography import Choreography
from window.filling import Filling
from window.looks import Filter, Looks, StepNumbers
from window.rendering import as_json, as_mermaid, as_text
from window.signing_in import Operator
from window.story import Story

MAX_LISTED = 100
Limit = Annotated[int, Query(ge=1, le=MAX_LISTED)]
Number = Annotated[int, Path(ge=0, lt=1 << 63)]
Text = Annotated[str, Query(max_length=64)]


def router(looks: Looks, choreography: Choreography, filling: Filling) -> APIRouter:
    """The routes, over what the window knows."""
    api = APIRouter(prefix="/api", tags=["api"])

    @api.get("/sagas")
    async def sagas(
        _: CurrentOperator,
        text: Text = "",
        state: Text = "",
        saga: Text = "",
        user: Text = "",
        after: int | None = None,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """Sagas, the newest first; the next page begins after the `key` of the last one."""
        found = await looks.sagas(Filter(text, state, saga, user), after, limit)
        return {"sagas": [asdict(one) for one in found]}

    @api.get("/resolve")
    async def resolve(_: CurrentOperator, text: Text) -> dict[str, Any]:
        """The sagas that something names, the newest first."""
        return {"sagas": list(await looks.resolve(text))}

    @api.get("/now")
    async def now(_: CurrentOperator, limit: Limit = 20) -> dict[str, Any]:
        """Numbers of each step, the last hour, and the sagas in flight, the slowest first."""
        steps = await looks.steps()
        return {
            "steps": {step: asdict(numbers) for step, numbers in steps.items()},
            "hour": [asdict(minute) for minute in await looks.hour()],
            "slowest": [asdict(one) for one in await looks.slowest(limit)],
        }

    @api.get("/aside")
    async def aside(_: CurrentOperator, after: int | None = None, limit: Limit = 50) -> dict[str, Any]:
        """What rests or is parked, the newest first."""
        return {"messages": [asdict(one) for one in await looks.put_aside(after, limit)]}

    @api.get("/audit")
    async def audit(_: CurrentOperator) -> dict[str, Any]:
        """The rules of conservation, and whether what was seen keeps them."""
        return {"findings": [asdict(one) for one in await looks.audit()]}

    api.include_router(_one_saga(looks, choreography))
    api.include_router(_gaps(looks, filling))
    return api


def _one_saga(looks: Looks, choreography: Choreography) -> APIRouter:
    api = APIRouter()

    @api.get("/sagas/{saga_id}")
    async def story(_: CurrentOperator, saga_id: UUID) -> Mapping[str, Any]:
        """The whole of a saga."""
        found = await _known(looks, saga_id)
        return as_json(found, datetime.now(UTC), await _numbers(looks, found), choreography.delays)

    @api.get("/sagas/{saga_id}/text", response_class=PlainTextResponse)
    async def text(_: CurrentOperator, saga_id: UUID) -> str:
        """The whole of a saga, for a terminal."""
        found = await _known(looks, saga_id)
        return as_text(found, datetime.now(UTC), await _numbers(looks, found), choreography.delays)

    @api.get("/sagas/{saga_id}/mermaid", response_class=PlainTextResponse)
    async def mermaid(_: CurrentOperator, saga_id: UUID) -> str:
        """The whole of a saga, as a sequence diagram."""
        return as_mermaid(await _known(looks, saga_id))

    return api


def _gaps(looks: Looks, filling: Filling) -> APIRouter:
    api = APIRouter()

    @api.get("/gaps")
    async def gaps(_: CurrentOperator) -> dict[str, Any]:
        """Times of which not everything was seen."""
        return {"gaps": [asdict(one) for one in await looks.gaps()]}

    @api.post("/gaps/{number}/fill")
    async def fill(operator_id: CurrentOperator, request: Request, number: Number) -> dict[str, Any]:
        """Have all services say again what a gap may have swallowed, with the operator's own token."""
        token = request.headers["authorization"].partition(" ")[2].strip()
        notes = await filling.fill(number, Operator(operator_id, token), str(uuid4()))
        if notes is None:
            raise not_found("gap")
        if refused := [text for is_good, text in notes if not is_good]:
            raise Problem(HTTPStatus.BAD_GATEWAY, " ".join(refused), "not-filled")
        return {"asked": [text for _, text in notes]}

    return api


async def _known(looks: Looks, saga_id: UUID) -> Story:
    story = await looks.story(saga_id)
    if story is None:
        raise not_found("saga")
    return story


async def _numbers(looks: Looks, story: Story) -> Mapping[str, StepNumbers]:
    """Those of all steps, where a wait is to be explained."""
    return await looks.steps() if story.waits else {}
