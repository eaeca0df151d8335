"""The progress of a checkout or a refund as Server-Sent Events (WHATWG HTML, section 9.2).

What a saga has gone through, as far as this service has heard, is what its inbox says; nothing else has to be
written down. The events of one saga come in one order, so their moments, in microseconds, serve as ids, and a
client that lost its connection goes on after the last that it saw, also when earlier ones are forgotten meanwhile.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel

from chassis.run import Runtime
from chassis.store import Transaction
from chassis.web import CurrentClaims, CurrentRuntime, CurrentStreams, CurrentUser, documented, not_found
from contracts import checkout, refund
from payment_svc.models import Checkout, CheckoutStatus, Refund, RefundStatus

progress_router = APIRouter()

_MEDIA_TYPE = "text/event-stream"
_ID = re.compile(r"[0-9]{1,16}")
_MICROSECOND = timedelta(microseconds=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
QUIET_SECONDS = 15
LONGEST_STREAM_SECONDS = 300
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "A stream of `Happening`s, each with its name as `event:`", "content": {_MEDIA_TYPE: {}}},
    204: {"description": "Nothing more will come"},
    **documented(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS),
}

LastEventId = Annotated[str | None, Header()]
Subject = Checkout | Refund


class Happening(BaseModel):
    """One event of a saga: what happened, and when this service knew; `at` is later than that of the one before."""

    event: str
    at: datetime
    checkout_id: UUID
    reason: str | None = None

    @property
    def id(self) -> int:
        """The id of the event in its stream."""
        return (self.at - _BEGINNING) // _MICROSECOND


@dataclass(frozen=True)
class Course:
    """How a kind of saga begins, and how it ends in which state of its row."""

    name: str
    model: type[Checkout] | type[Refund]
    begins: str
    ends: Mapping[str, str]


CHECKOUT = Course(
    "checkout",
    Checkout,
    checkout.Requested.name,
    {CheckoutStatus.COMPLETED: checkout.Completed.name, CheckoutStatus.FAILED: checkout.Failed.name},
)
REFUND = Course(
    "refund",
    Refund,
    refund.Requested.name,
    {RefundStatus.COMPLETED: refund.Completed.name, RefundStatus.FAILED: refund.Failed.name},
)


@dataclass(frozen=True)
class Progress:
    """What happens to one saga, for whoever `may_see` what belongs to its user."""

    runtime: Runtime
    course: Course
    saga_id: UUID
    may_see: Callable[[str], bool]

    async def history(self) -> list[Happening]:
        """What has happened so far; raises Problem 404 when it is nothing for whoever asks."""

        async def work(transaction: Transaction) -> list[Happening]:
            row: Subject | None = await transaction.find_one(self.course.model, self.saga_id)
            if row is None or not self.may_see(row.user_id):
                raise not_found(self.course.name)
            heard = await transaction.heard(self.saga_id)
            return _happenings(self.course, row, [(one.event, one.at) for one in heard])

        return await self.runtime.requests.run(work)

    def is_over(self, history: list[Happening]) -> bool:
        """Whether nothing more will happen."""
        return history[-1].event in self.course.ends.values()

    async def answer(self, streams: CurrentStreams, user_id: str, last_event_id: str | None) -> Response:
        """What comes after the event that the client saw last, as it happens."""
        seen = int(last_event_id) if last_event_id and _ID.fullmatch(last_event_id) else 0
        history = await self.history()
        if self.is_over(history) and seen >= history[-1].id:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return streams.open(user_id, self._stream(seen))

    async def _stream(self, seen: int) -> AsyncIterator[bytes]:
        """The events after `seen`; ends with the saga, the process or five minutes, and clients reconnect."""
        ends, waiters = asyncio.get_running_loop().time() + LONGEST_STREAM_SECONDS, self.runtime.waiters

        async def look() -> list[Happening] | None:
            history = await self.history()
            return history if history[-1].id > seen or self.is_over(history) else None

        while asyncio.get_running_loop().time() < ends and not waiters.ended:
            history = await waiters.until(self.saga_id, look, QUIET_SECONDS)
            if history is None:
                yield KEEPALIVE_COMMENT
                continue
            for happening in (one for one in history if one.id > seen):
                yield _encode(happening)
            seen = max(seen, history[-1].id)
            if self.is_over(history):
                return


@progress_router.get(
    "/checkouts/{checkout_id}/events", tags=["checkouts"], response_class=StreamingResponse, responses=ANSWERS
)
async def events(
    checkout_id: UUID,
    user_id: CurrentUser,
    runtime: CurrentRuntime,
    streams: CurrentStreams,
    last_event_id: LastEventId = None,
) -> Response:
    """What happens to the checkout, as it happens, until it has ended."""
    progress = Progress(runtime, CHECKOUT, checkout_id, lambda owner: owner == user_id)
    return await progress.answer(streams, user_id, last_event_id)


@progress_router.get(
    "/refunds/{refund_id}/events", tags=["refunds"], response_class=StreamingResponse, responses=ANSWERS
)
async def refund_events(
    refund_id: UUID,
    who: CurrentClaims,
    runtime: CurrentRuntime,
    streams: CurrentStreams,
    last_event_id: LastEventId = None,
) -> Response:
    """What happens to the refund, as it happens, until it has ended."""
    return await Progress(runtime, REFUND, refund_id, who.speaks_for).answer(streams, who.sub, last_event_id)


def _happenings(course: Course, row: Subject, heard: list[tuple[str, datetime]]) -> list[Happening]:
    """The request, what the others said about it, and the end if there is one."""
    names = [(course.begins, row.created_at)]
    names += [(name, at) for name, at in heard if name not in course.ends.values()]
    names += [(course.ends[row.status], row.finished_at)] if row.finished_at is not None else []
    happenings, before = list[Happening](), _BEGINNING
    for name, at in names:
        before = max(at, before + _MICROSECOND)
        happenings.append(Happening(event=name, at=before, checkout_id=row.checkout_id))
    if row.finished_at is not None:
        happenings[-1].reason = row.reason
    return happenings


def _encode(happening: Happening) -> bytes:
    data = json.dumps(happening.model_dump(mode="json"))
    return format_sse_event(data_str=data, event=happening.event, id=str(happening.id))
