"""What `requests.http` asks for is there to be asked for."""

import re

import httpx2

from stack.services import EACH
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.fan import Fan, Operator
from tests.end_to_end.requests import Request, requests, variables
from tests.end_to_end.system import System

IDS = ("payment_id", "checkout_id", "refund_id")


def test_requests_go_to_the_usual_ports() -> None:
    """Where no port is taken, nothing has to be changed at the top of the file."""
    usual = {service.name: f"http://127.0.0.1:{service.port}" for service in EACH}
    assert {name: url for name, url in variables().items() if name in usual}.items() <= usual.items()
    assert {request.service for request in requests()} <= variables().keys() & usual.keys()


async def test_requests_are_answered_from_top_to_bottom(
    system: System, fan: Fan, operator: Operator, catalogue: Catalogue
) -> None:
    """Whoever sends one after the other, and fills in what the answers tell, meets no error."""
    # given
    (seat_id,) = await catalogue.free()
    values = variables() | {"token": fan.token, "operator_token": operator.token, "seat_id": str(seat_id)}
    # when
    for request in requests():
        answer = await _send(system, request.filled(values))
        # then
        assert answer.is_success, f"{request.method} {request.path}: {answer.text}"
        values |= {name: value for name, value in _told(answer).items() if name in IDS}
    # then
    outcome = await fan.get("payment", f"/checkouts/{values['checkout_id']}")
    assert outcome["status"] == "completed"
    assert (await fan.get("payment", f"/refunds/{values['refund_id']}"))["status"] == "completed"


async def _send(system: System, request: Request) -> httpx2.Response:
    return await system.ask(
        request.method, request.service, request.path, content=request.body, headers=request.headers
    )


def _told(answer: httpx2.Response) -> dict[str, str]:
    return dict(re.findall(r'"(\w+)":"([^"]+)"', answer.text))
