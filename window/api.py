"""The JSON API of the window, for operators only."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from chassis.web.bearer import CurrentOperator
from chassis.web.problem import not_found
from window.choreography import Choreography
from window.looks import Filter, Looks, StepNumbers
from window.rendering import as_json, as_mermaid, as_text
from window.story import Story

MAX_LISTED = 100
Limit = Annotated[int, Query(ge=1, le=MAX_LISTED)]
Text = Annotated[str, Query(max_length=64)]


def router(looks: Looks, choreography: Choreography) -> APIRouter:
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

    @api.get("/gaps")
    async def gaps(_: CurrentOperator) -> dict[str, Any]:
        """Times of which not everything was seen."""
        return {"gaps": [asdict(one) for one in await looks.gaps()]}

    return api


async def _known(looks: Looks, saga_id: UUID) -> Story:
    story = await looks.story(saga_id)
    if story is None:
        raise not_found("saga")
    return story


async def _numbers(looks: Looks, story: Story) -> Mapping[str, StepNumbers]:
    """Those of all steps, where a wait is to be explained."""
    return await looks.steps() if story.waits else {}
