"""Breaking: the routes that break what this stack runs, and mend it."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from chassis.web.problem import documented
from contracts.event import SeatId
from stack.run.rest import MAX_SECONDS
from stack.stage.poison import Poisoned
from stack.stage.processes import Process
from stack.stage.props import OperatorsProps
from stack.stage.services import environment

router = APIRouter(
    tags=["breaking"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)
_CONFLICT = documented(HTTPStatus.CONFLICT)
Name = Annotated[str, Path(max_length=64)]


class Failing(BaseModel):
    """How the platform is to fail: answers 500, or takes some seconds for each delivery; and for how long."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["error", "slow"]
    seconds: float = Field(default=60, gt=0, le=MAX_SECONDS)


class Stop(BaseModel):
    """For how many seconds a service is not to run."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(default=20, ge=1, le=MAX_SECONDS)


class Spoiled(BaseModel):
    """The step that is to meet a message which it cannot understand."""

    model_config = ConfigDict(extra="forbid")

    step: str = Field(default="point.spend", max_length=64)


@router.post("/seats/{seat_id}/withdraw", responses=_CONFLICT)
async def withdraw(seat_id: SeatId, request: Request, props: OperatorsProps) -> dict[str, Any]:
    """Take a seat off sale, or back from its buyer, as the operator who asks."""
    return await _operate(request, props, f"seats/{seat_id}/withdraw")


@router.post("/seats/{seat_id}/return", responses=_CONFLICT)
async def put_back(seat_id: SeatId, request: Request, props: OperatorsProps) -> dict[str, Any]:
    """Put a withdrawn seat back on sale, as the operator who asks."""
    return await _operate(request, props, f"seats/{seat_id}/return")


@router.post("/dates/{date_id}/cancel", responses=_CONFLICT)
async def call_off(
    date_id: Annotated[int, Path(ge=1, le=2**31 - 1)], request: Request, props: OperatorsProps
) -> dict[str, Any]:
    """Call an evening off, for good, as the operator who asks; how many seats are still to be given back."""
    return await _operate(request, props, f"dates/{date_id}/cancel")


@router.put("/platform")
async def fail(body: Failing, props: OperatorsProps) -> dict[str, Any]:
    """Have the platform fail from now on; it is well again by itself."""
    failures = {"mode": body.mode, "status": 500, "delay": 3, "seconds": body.seconds}
    return dict(await props.services.ask("PUT", "platform", "/failures", json=failures))


@router.delete("/platform", status_code=HTTPStatus.NO_CONTENT)
async def recover(props: OperatorsProps) -> None:
    """Have the platform work as it should."""
    await props.services.ask("DELETE", "platform", "/failures")


@router.post("/processes/{name}/pause", responses=_CONFLICT)
async def pause(name: Name, props: OperatorsProps) -> Process:
    """Have a service stand still, for a minute at most: it has its connections, and answers nobody."""
    return await props.processes.pause(name)


@router.post("/processes/{name}/resume", responses=_CONFLICT)
async def resume(name: Name, props: OperatorsProps) -> Process:
    """Have a service go on that was paused or stopped."""
    return await props.processes.resume(name)


@router.post("/processes/{name}/kill", responses=_CONFLICT)
async def kill(name: Name, props: OperatorsProps) -> Process:
    """End a service in the middle of whatever it does; it is started again at once."""
    return props.processes.kill(name)


@router.post("/processes/{name}/stop", responses=_CONFLICT)
async def stop(name: Name, body: Stop, props: OperatorsProps) -> Process:
    """End a service in order, and start it again some seconds later."""
    return props.processes.stop(name, body.seconds)


@router.post("/poison")
async def poison(body: Spoiled, props: OperatorsProps) -> Poisoned:
    """Put a broken message into the queue of a step; its service parks it, and it stays there until somebody acts."""
    return await props.poison.pour(environment(props.directory)["RABBITMQ_URL"], body.step)


async def _operate(request: Request, props: OperatorsProps, what: str) -> dict[str, Any]:
    headers = {"Authorization": request.headers["authorization"], "Idempotency-Key": str(uuid4())}
    return dict(await props.services.ask("POST", "seat_svc", f"/operations/{what}", headers))
