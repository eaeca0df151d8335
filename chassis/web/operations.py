"""What operators ask of every service: what is put aside, who did what with it, and to say something again."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from chassis.run.desk import MAX_ID, chosen_of
from chassis.run.runtime import Runtime
from chassis.store import operations
from chassis.store.transaction import Transaction
from chassis.web.bearer import CurrentOperator
from chassis.web.current import CurrentRuntime
from chassis.web.idempotency import IdempotencyKey, Keyed, once
from chassis.web.problem import Problem, documented, not_found
from chassis.web.put_aside import (
    Aside,
    Discard,
    Discarded,
    Done,
    History,
    Listed,
    MessageId,
    Redrive,
    Redriven,
    Resaid,
    Resay,
    Told,
)

MAX_LISTED, MAX_HISTORY = 1_000, 200
_READ = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_ACT = (*_READ, HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

operations_router = APIRouter(prefix="/operations", tags=["operations"], responses=documented(*_READ))

Where = Annotated[Literal["parked", "resting"], Query()]
FromQueue = Annotated[str | None, Query(max_length=MAX_ID)]
Answer = TypeVar("Answer", bound=BaseModel)
Act = Callable[[Transaction], Awaitable[Answer | Problem]]


@dataclass(frozen=True)
class Asked:
    """What an operator asks for."""

    keyed: Keyed


@operations_router.get("/parked")
async def list_aside(
    operator_id: CurrentOperator,
    runtime: CurrentRuntime,
    where: Where = "parked",
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 100,
) -> Listed:
    """The messages of this service that need a person, or that rest before another attempt."""
    async with runtime.desk.look(where, limit) as found:
        messages = [Aside.of(one) for one in found.messages[:limit]]
        return Listed(messages=messages, cut=bool(found.cut) or len(found.messages) > limit)


@operations_router.get("/parked/history")
async def history(
    operator_id: CurrentOperator,
    runtime: CurrentRuntime,
    limit: Annotated[int, Query(ge=1, le=MAX_HISTORY)] = 50,
    before: UUID | None = None,
) -> History:
    """What operators did with messages put aside, and what they had said again."""

    async def work(transaction: Transaction) -> list[Done]:
        return [Done(**one) for one in await operations.latest(transaction, limit, before)]

    done = await runtime.requests.run(work)
    return History(operations=done, before=done[-1].operation_id if len(done) == limit else None)


@operations_router.post("/parked/redrive", responses=documented(*_ACT))
async def redrive(
    wanted: Redrive, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime
) -> Redriven:
    """Put parked messages back to the queues that they came from; what cannot be reached in 8 s is `left`."""

    async def act(_: Transaction) -> Redriven:
        return Redriven(**asdict(await runtime.desk.redrive(operator_id, wanted.ids, wanted.rate)))

    return await _once(
        runtime, Keyed(operator_id, key, f"redrive {wanted.model_dump_json()}"), Redriven, _remembering(act)
    )


@operations_router.get("/parked/{message_id}", responses=documented(HTTPStatus.NOT_FOUND))
async def show(
    message_id: Annotated[MessageId, Path()],
    operator_id: CurrentOperator,
    runtime: CurrentRuntime,
    where: Where = "parked",
    queue: FromQueue = None,
) -> Told:
    """One message with its headers and its body; the first with this id, if several steps have put it aside."""
    async with runtime.desk.look(where) as found:
        chosen = chosen_of(found, message_id, queue)
        if not chosen:
            raise not_found("message")
        return Told.of(chosen[0])


@operations_router.post("/parked/{message_id}/discard", responses=documented(*_ACT, HTTPStatus.NOT_FOUND))
async def discard(
    message_id: Annotated[MessageId, Path()],
    wanted: Discard,
    operator_id: CurrentOperator,
    key: IdempotencyKey,
    runtime: CurrentRuntime,
    where: Where = "parked",
    queue: FromQueue = None,
) -> Discarded:
    """Remove a message for good, for each step that has put it aside, unless `queue` names one."""

    async def act(_: Transaction) -> Discarded | Problem:
        count = await runtime.desk.discard(operator_id, where, message_id, queue, wanted.reason)
        return Discarded(id=message_id, discarded=count) if count else not_found("message")

    body = f"discard {where} {queue} {message_id} {wanted.reason}"
    return await _once(runtime, Keyed(operator_id, key, body), Discarded, _remembering(act))


@operations_router.post("/resay", status_code=HTTPStatus.ACCEPTED, responses=documented(*_ACT))
async def resay(wanted: Resay, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime) -> Resaid:
    """Say again what this service has said, for an observer that has missed it; no step does anything twice."""
    known = runtime.desk.says
    events = sorted(known if wanted.events is None else set(wanted.events))
    if not known.issuperset(events):
        detail = f"{runtime.service.name}_svc does not say all of these. It says {', '.join(sorted(known))}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "unknown-event")

    async def act(transaction: Transaction) -> Resaid:
        hours = await runtime.desk.resay(transaction, operator_id, events, wanted.hours)
        return Resaid(events=events, hours=hours)

    return await _once(runtime, Keyed(operator_id, key, f"resay {wanted.model_dump_json()}"), Resaid, act)


async def _once(
    runtime: Runtime,
    keyed: Keyed,
    answer: type[Answer],
    act: Act[Answer],
) -> Answer:
    """The answer to a request, which acts once for its key.

    The transaction that remembers the answer is open while the messages move: so the same request that comes meanwhile,
    to another process, is told to wait.
    """

    async def work(transaction: Transaction, requests: Sequence[Asked]) -> list[Answer | Problem]:
        async def begin(fresh: Sequence[Asked]) -> list[Answer | Problem]:
            return [await act(transaction) for _ in fresh]

        return await once(transaction, requests, answer, begin)

    return await runtime.requests.alone(work, Asked(keyed))


def _remembering(act: Act[Answer]) -> Act[Answer]:
    """Acts once also where its transaction is tried again: what has moved has moved."""
    outcome: Answer | Problem | None = None

    async def once_only(transaction: Transaction) -> Answer | Problem:
        nonlocal outcome
        if outcome is None:
            outcome = await act(transaction)
        return outcome

    return once_only
