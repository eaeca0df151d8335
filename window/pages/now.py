"""Now: the map of each choreography, what is under way, and the last hour."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from window import waits
from window.drawing import hour
from window.drawing.map import choreography_map
from window.looks import Minute, StepNumbers, Summary
from window.pages.live import Live
from window.pages.view import View
from window.signing_in import SignedIn

MAX_SLOWEST = 10
"""How many sagas in flight are shown; each is told anew"""


def router(view: View, live: Live) -> APIRouter:
    """The first page, and what tells it that something has moved."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def now(request: Request) -> Response:
        numbers = await view.looks.steps()
        return await view.page(
            request,
            "now.html",
            maps=[
                (saga, choreography_map(saga, view.choreography, numbers)) for saga in view.choreography.sagas.values()
            ],
            numbers=numbers,
            queue=view.links.queue,
            flights=await _flights(view, numbers),
            **_charts(await view.looks.hour()),
        )

    @routes.get("/live/now")
    async def moves(operator: SignedIn) -> Response:
        return live.open(operator.name, live.signals(view.looks))

    return routes


async def _flights(view: View, numbers: Mapping[str, StepNumbers]) -> Sequence[tuple[Summary, Sequence[str]]]:
    """The slowest sagas in flight, with what they wait for."""
    found = []
    now = datetime.now(UTC)
    for summary in await view.looks.slowest(MAX_SLOWEST):
        story = await view.looks.story(summary.saga_id)
        waiting = story.waits if story else ()
        found.append(
            (summary, [waits.sentence(one, numbers.get(one.step), now, view.choreography.delays) for one in waiting])
        )
    return found


def _charts(minutes: Sequence[Minute]) -> Mapping[str, Any]:
    """The charts of an hour, and the numbers beside them."""
    last = minutes[-1] if minutes else None
    return {
        "minutes": minutes,
        "last": last,
        "throughput": hour.chart(minutes, hour.THROUGHPUT, "Sagas completed and failed in each of sixty minutes"),
        "throughput_peak": hour.peak(minutes, hour.THROUGHPUT),
        "latency": hour.chart(minutes, hour.LATENCY, "Median time from start to end in each of sixty minutes"),
        "latency_peak": hour.peak(minutes, hour.LATENCY),
    }
