"""The progress of a checkout as Server-Sent Events (WHATWG HTML, section 9.2).

What a checkout has gone through, as far as this service has heard, is what its inbox says; nothing else has to be
written down. The events of one checkout come in one order, so their moments, in microseconds, serve as ids, and a
client that lost its connection goes on after the last that it saw, also when earlier ones are forgotten meanwhile.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel

from chassis.run import Runtime
from chassis.store import Transaction
from chassis.web import CurrentRuntime, CurrentStreams, CurrentUser, documented, not_found
from contracts import checkout
from payment_svc.models import Checkout, CheckoutStatus

progress_router = APIRouter(tags=["checkouts"])

_MEDIA_TYPE = "text/event-stream"
_ID = re.compile(r"[0-9]{1,16}")
_MICROSECOND = timedelta(microseconds=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
QUIET_SECONDS = 15
LONGEST_STREAM_SECONDS = 300


class Happening(BaseModel):
    """One event of a checkout: what happened, and when this service knew; `at` is later than that of the one before."""

    event: str
    at: datetime
    checkout_id: UUID
    reason: str | None = None

    @property
    def id(self) -> int:
        """The id of the event in its stream."""
        return (self.at - _BEGINNING) // _MICROSECOND


@progress_router.get(
    "/checkouts/{checkout_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A stream of `Happening`s, each with its name as `event:`", "content": {_MEDIA_TYPE: {}}},
        204: {"description": "Nothing more will come"},
        **documented(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS),
    },
)
async def events(
    checkout_id: UUID,
    user_id: CurrentUser,
    runtime: CurrentRuntime,
    streams: CurrentStreams,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """What happens to the checkout, as it happens, until it has ended."""
    seen = int(last_event_id) if last_event_id and _ID.fullmatch(last_event_id) else 0
    history = await _history(runtime, checkout_id, user_id)
    if _is_over(history) and seen >= history[-1].id:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return streams.open(user_id, _stream(runtime, checkout_id, user_id, seen))


async def _stream(runtime: Runtime, checkout_id: UUID, user_id: str, seen: int) -> AsyncIterator[bytes]:
    """The events after `seen`; ends with the checkout, the process or five minutes, and clients reconnect."""
    ends = asyncio.get_running_loop().time() + LONGEST_STREAM_SECONDS

    async def look() -> list[Happening] | None:
        history = await _history(runtime, checkout_id, user_id)
        return history if history[-1].id > seen or _is_over(history) else None

    while asyncio.get_running_loop().time() < ends and not runtime.waiters.ended:
        history = await runtime.waiters.until(checkout_id, look, QUIET_SECONDS)
        if history is None:
            yield KEEPALIVE_COMMENT
            continue
        for happening in (one for one in history if one.id > seen):
            yield _encode(happening)
        seen = max(seen, history[-1].id)
        if _is_over(history):
            return


async def _history(runtime: Runtime, checkout_id: UUID, user_id: str) -> list[Happening]:
    """What has happened so far; raises Problem 404 when it is not the user's."""

    async def work(transaction: Transaction) -> list[Happening]:
        attempt = await transaction.find_one(Checkout, checkout_id)
        if attempt is None or attempt.user_id != user_id:
            raise not_found("checkout")
        heard = await transaction.heard(checkout_id)
        return _happenings(attempt, [(one.event, one.at) for one in heard])

    return await runtime.requests.run(work)


def _happenings(attempt: Checkout, heard: list[tuple[str, datetime]]) -> list[Happening]:
    """The request, what the others said about it, and the end if there is one."""
    ends = {CheckoutStatus.COMPLETED: checkout.Completed.name, CheckoutStatus.FAILED: checkout.Failed.name}
    names = [(checkout.Requested.name, attempt.created_at)]
    names += [(name, at) for name, at in heard if name != checkout.Completed.name]
    names += [(ends[attempt.status], attempt.finished_at)] if attempt.finished_at is not None else []
    happenings, before = list[Happening](), _BEGINNING
    for name, at in names:
        before = max(at, before + _MICROSECOND)
        happenings.append(Happening(event=name, at=before, checkout_id=attempt.checkout_id))
    if attempt.finished_at is not None:
        happenings[-1].reason = attempt.reason
    return happenings


def _is_over(history: list[Happening]) -> bool:
    return history[-1].event in (checkout.Completed.name, checkout.Failed.name)


def _encode(happening: Happening) -> bytes:
    data = json.dumps(happening.model_dump(mode="json"))
    return format_sse_event(data_str=data, event=happening.event, id=str(happening.id))
