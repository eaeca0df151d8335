"""Saga: the page of one saga, its timeline, its events and what to copy of it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from window import rendering, waits
from window.drawing.sequence import sequence
from window.looks import StepNumbers
from window.message import Message
from window.pages.live import Live
from window.pages.view import View
from window.signing_in import SignedIn
from window.story import Story, Way

KEPT = "It may be older than what the window keeps, or nothing of it was seen yet."


def router(view: View, live: Live) -> APIRouter:
    """The routes of one saga."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/sagas/{saga_id:uuid}")
    async def saga(request: Request, saga_id: UUID) -> Response:
        story = await view.looks.story(saga_id)
        if story is None:
            return await view.missing(request, "saga", KEPT)
        return await view.page(request, "saga.html", **await shown(view, story))

    @routes.get("/sagas/{saga_id:uuid}/events/{event_id:uuid}")
    async def event(request: Request, saga_id: UUID, event_id: UUID) -> Response:
        seen = await view.looks.message(saga_id, event_id)
        if not seen:
            return await view.missing(request, "event", KEPT)
        return await view.page(request, "event.html", saga_id=saga_id, **described(view, seen))

    @routes.get("/schemas/{event}.v{version:int}.schema.json")
    async def schema(event: str, version: int) -> Response:
        path = view.links.schema(event, version)
        return _gone() if path is None else FileResponse(path, media_type="application/schema+json")

    @routes.get("/live/sagas/{saga_id:uuid}")
    async def moves(saga_id: UUID, operator: SignedIn) -> Response:
        return live.open(operator.name, _changes(view, live, saga_id))

    routes.include_router(_copies(view))
    return routes


def _copies(view: View) -> APIRouter:
    """The routes of what may be copied."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/sagas/{saga_id:uuid}.txt")
    async def text(saga_id: UUID) -> Response:
        story = await view.looks.story(saga_id)
        if story is None:
            return _gone()
        return PlainTextResponse(rendering.as_text(story, *await _known(view)))

    @routes.get("/sagas/{saga_id:uuid}.mmd")
    async def mermaid(saga_id: UUID) -> Response:
        story = await view.looks.story(saga_id)
        return _gone() if story is None else PlainTextResponse(rendering.as_mermaid(story))

    @routes.get("/sagas/{saga_id:uuid}.json")
    async def data(saga_id: UUID) -> Response:
        story = await view.looks.story(saga_id)
        return _gone() if story is None else JSONResponse(rendering.as_json(story, *await _known(view)))

    return routes


async def shown(view: View, story: Story) -> Mapping[str, Any]:
    """What the page of a story shows; `parts/timeline.html` shows it anywhere."""
    now, numbers, delays = await _known(view)
    trace = next((one.message.traceparent for one in story.happenings if one.message.traceparent), "")
    return {
        "story": story,
        "drawing": sequence(story, view.choreography.services, f"/sagas/{story.saga_id}"),
        "waits": [
            (wait, waits.sentence(wait, numbers.get(wait.step), now, delays), view.links.queue(wait.step))
            for wait in story.waits
        ],
        "trace": view.links.trace_of(trace),
        "is_over": is_over(story),
        "queue": view.links.queue,
    }


async def _known(view: View) -> tuple[datetime, Mapping[str, StepNumbers], Mapping[str, timedelta]]:
    """What the words of a wait are made of: the time, the numbers of the steps and how long a message rests."""
    return datetime.now(UTC), await view.looks.steps(), view.choreography.delays


def is_over(story: Story) -> bool:
    """Whether nothing more is to be expected of a saga."""
    return story.way is Way.ENDED and not story.waits


def described(view: View, seen: Sequence[Message]) -> Mapping[str, Any]:
    """What is shown of an event that was seen, perhaps several times."""
    message = seen[0]
    return {
        "message": message,
        "seen": seen,
        "body": pretty(message.body),
        "schema": view.links.schema(message.event, message.version),
        "trace": view.links.trace_of(message.traceparent),
        "hearers": [(step, view.links.queue(step.name)) for step in view.choreography.hearing(message.event)],
    }


def pretty(body: str) -> str:
    """JSON over several lines; what is none as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


async def _changes(view: View, live: Live, saga_id: UUID) -> AsyncIterator[bytes]:
    """A signal whenever there is more of the saga, until nothing more is to be expected."""
    last: object = None
    async for _ in live.moves(view.looks):
        story = await view.looks.story(saga_id)
        if story is None:
            continue
        mark = (len(story.happenings), story.way, story.is_late, story.waits)
        if mark != last:
            last = mark
            yield format_sse_event(event="moved", data_str="")
        if is_over(story):
            yield format_sse_event(event="over", data_str="")
            return


def _gone() -> Response:
    return PlainTextResponse(f"It is not here. {KEPT}\n", HTTPStatus.NOT_FOUND)
