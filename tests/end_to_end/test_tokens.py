"""Bearer tokens: who asks is who the token says, and nobody sees what is somebody else's."""

import base64
import json
import uuid
from typing import Any

import pytest

from stack.signing import SigningKey
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.system import System

SOME_ID = uuid.UUID("01890000-0000-7000-8000-000000000000")

PROTECTED = [
    ("POST", "point", "/points/charge"),
    ("GET", "point", "/points"),
    ("GET", "point", "/points/history"),
    ("POST", "reservation", "/reservations"),
    ("GET", "reservation", f"/reservations/{SOME_ID}"),
    ("GET", "payment", f"/payments/{SOME_ID}"),
    ("POST", "payment", "/checkouts"),
    ("GET", "payment", f"/checkouts/{SOME_ID}"),
    ("GET", "payment", f"/checkouts/{SOME_ID}/events"),
    ("POST", "seat", "/operations/seats/1/withdraw"),
    ("POST", "seat", "/operations/seats/1/return"),
    ("POST", "seat", "/operations/dates/1/cancel"),
    ("GET", "seat", "/operations/dates/1"),
    ("DELETE", "reservation", f"/reservations/{SOME_ID}"),
]

BODIES: dict[str, Any] = {
    "/points/charge": {"amount": 1},
    "/reservations": {"seat_ids": [1]},
    "/checkouts": {"payment_id": str(SOME_ID)},
}
KEY = {"Idempotency-Key": "any"}


def _encoded(part: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _bad_tokens(system: System) -> dict[str, str]:
    good = system.token("somebody")
    return {
        "signed with another key": system.token("somebody", key=SigningKey.new()),
        "expired": system.token("somebody", expires_in=-60),
        "for an impossible user": system.token("no body"),
        "garbled": good[:-4] + "AAAA",
        "no token": "7",
        "unsigned": f"{_encoded({'alg': 'none'})}.{good.split('.')[1]}.",
    }


@pytest.mark.parametrize(("method", "service", "path"), PROTECTED)
async def test_without_a_token_nobody_is_let_in(system: System, method: str, service: str, path: str) -> None:
    """A request without a token is a 401 that asks for one."""
    answer = await system.ask(method, service, path, json=BODIES.get(path), headers=KEY)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "service", "path"), PROTECTED)
async def test_with_a_bad_token_nobody_is_let_in(system: System, method: str, service: str, path: str) -> None:
    """A token that is foreign, expired, garbled or unsigned is a 401 that says so."""
    for kind, token in _bad_tokens(system).items():
        answer = await system.ask(method, service, path, token, json=BODIES.get(path), headers=KEY)

        assert answer.status_code == 401, kind
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"', kind
        assert answer.json()["detail"] == "The bearer token is not valid.", kind


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("reservation", "/reservations/{payment_id}"),
        ("payment", "/payments/{payment_id}"),
        ("payment", "/checkouts/{checkout_id}"),
        ("payment", "/checkouts/{checkout_id}/events"),
    ],
)
async def test_what_is_not_yours_looks_missing(system: System, fan: Fan, hold: Hold, service: str, path: str) -> None:
    """Another user's reservation, payment or checkout is answered exactly as one that does not exist."""
    await fan.charge(hold.total)
    checkout_id = (await fan.check_out(hold))["checkout_id"]
    stranger = Fan(system)
    real = path.format(payment_id=hold.payment_id, checkout_id=checkout_id)
    missing = path.format(payment_id=SOME_ID, checkout_id=SOME_ID)

    mine = await fan.ask("GET", service, real)
    not_mine = await stranger.ask("GET", service, real)
    nobodys = await stranger.ask("GET", service, missing)

    assert (mine.status_code, not_mine.status_code, nobodys.status_code) == (200, 404, 404)
    assert not_mine.json().pop("instance") == real
    assert not_mine.json() | {"instance": ""} == nobodys.json() | {"instance": ""}
    assert _comparable(not_mine.headers) == _comparable(nobodys.headers)


def _comparable(headers: Any) -> dict[str, str]:
    # The path is in the body, so its length is in a header.
    return {name: value for name, value in headers.items() if name not in ("date", "content-length")}


async def test_payment_of_another_user_cannot_be_checked_out(system: System, fan: Fan, hold: Hold) -> None:
    """To check out another user's payment is the same as to check out one that does not exist."""
    stranger = Fan(system)
    await stranger.charge(hold.total)

    not_mine, nobodys = await stranger.order(hold.payment_id), await stranger.order(SOME_ID)

    assert (not_mine.status_code, not_mine.json()) == (404, nobodys.json())
    assert await stranger.balance() == hold.total
    assert (await fan.get("payment", f"/payments/{hold.payment_id}"))["status"] == "published"


@pytest.mark.parametrize("verb", ["withdraw", "return"])
@pytest.mark.parametrize("scope", ["", "fan", "operators", "no-operator"])
async def test_operations_are_for_operators(
    system: System, fan: Fan, catalogue: Catalogue, verb: str, scope: str
) -> None:
    """A token without the scope of an operator is a 403, and the seat stays as it is."""
    (seat_id,) = await catalogue.free()
    token = system.token(fan.user_id, scope=scope)

    answer = await system.ask("POST", "seat", f"/operations/seats/{seat_id}/{verb}", token)

    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await catalogue.seat(seat_id))["status"] == "available"


async def test_operator_among_other_scopes(system: System, operator: Operator, catalogue: Catalogue) -> None:
    """The scope of an operator may be one of several words."""
    (seat_id,) = await catalogue.free()
    token = system.token(operator.user_id, scope="audit operator fan")

    key = {"Idempotency-Key": uuid.uuid4().hex}
    answer = await system.ask("POST", "seat", f"/operations/seats/{seat_id}/withdraw", token, headers=key)

    assert answer.status_code == 200
    await operator.put_back(seat_id)


async def test_catalogue_is_for_everybody(system: System) -> None:
    """Concerts, dates and seats need no token."""
    paths = ["/concerts", "/concerts/1/dates", "/dates/1/seats"]

    statuses = [(await system.ask("GET", "seat", path)).status_code for path in paths]

    assert statuses == [200, 200, 200]
