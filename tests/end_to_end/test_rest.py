"""REST: every answer in its form."""

import uuid
from typing import Any

import pytest

from stack.services import SERVICES
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.system import System

PROBLEM = "application/problem+json"
MISSING = "/01890000-0000-7000-8000-000000000000"

PROBLEMS = [
    ("GET", "point", "/points", 401, False),
    ("GET", "point", "/nowhere", 404, True),
    ("DELETE", "point", "/points", 405, True),
    ("POST", "point", "/points/charge", 422, True),
    ("GET", "reservation", f"/reservations{MISSING}", 404, True),
    ("GET", "reservation", "/reservations/no-id", 422, True),
    ("PUT", "reservation", "/reservations", 405, True),
    ("DELETE", "reservation", f"/reservations{MISSING}", 404, True),
    ("DELETE", "reservation", "/reservations/no-id", 422, True),
    ("GET", "payment", f"/payments{MISSING}", 404, True),
    ("GET", "payment", f"/checkouts{MISSING}/events", 404, True),
    ("POST", "payment", "/checkouts", 400, True),
    ("GET", "seat", "/concerts/999999/dates", 404, False),
    ("GET", "seat", "/dates/0/seats", 422, False),
    ("POST", "seat", "/operations/seats/1/withdraw", 403, True),
    ("POST", "seat", "/operations/dates/1/cancel", 403, True),
    ("GET", "seat", "/operations/dates/1", 403, True),
]

BAD_WISHES: list[Any] = [
    {},
    [],
    {"seat_ids": []},
    {"seat_ids": [1, 1]},
    {"seat_ids": list(range(1, 12))},
    {"seat_ids": ["1"]},
    {"seat_ids": [0]},
    {"seat_ids": [2**31]},
    {"seat_ids": [1], "user_id": "somebody"},
]

BAD_CHARGES: list[Any] = [
    {},
    {"amount": 0},
    {"amount": -1},
    {"amount": 1.5},
    {"amount": "1"},
    {"amount": True},
    {"amount": 10**9 + 1},
    {"amount": 1, "user_id": "somebody"},
]


def _is_problem(answer: Any, status: int, path: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    document = answer.json()
    assert document.keys() >= {"type", "title", "status", "detail", "instance"}
    assert (document["status"], document["instance"]) == (status, path)
    assert document["type"].startswith("urn:problem:")
    assert document["title"]
    assert document["detail"]


@pytest.mark.parametrize(("method", "service", "path", "status", "known"), PROBLEMS)
async def test_every_error_is_a_problem(
    system: System, fan: Fan, method: str, service: str, path: str, status: int, known: bool
) -> None:
    """Whatever is wrong, the answer is a problem document that says what and where."""
    headers = {"Idempotency-Key": "any"} if status != 400 else {}
    body = {"payment_id": MISSING[1:]} if service == "payment" else {}

    answer = await system.ask(method, service, path, fan.token if known else None, json=body, headers=headers)

    _is_problem(answer, status, path)


async def test_conflict_is_a_problem(fan: Fan, hold: Hold) -> None:
    """A checkout of a payment that is being paid, or is paid, is a problem that says which."""
    await fan.charge(hold.total)
    await fan.check_out(hold)

    answer = await fan.order(hold.payment_id)

    _is_problem(answer, 409, "/checkouts")
    assert answer.json()["type"] == "urn:problem:payment-paid"


@pytest.mark.parametrize("wish", BAD_WISHES, ids=str)
async def test_malformed_wish_is_a_problem(fan: Fan, wish: Any) -> None:
    """A wish for no seat, for one twice, for too many, for impossible ones, or with a user in it is refused."""
    answer = await fan.post("reservation", "/reservations", wish)

    _is_problem(answer, 422, "/reservations")
    assert all(error.keys() == {"where", "message"} for error in answer.json()["errors"])


@pytest.mark.parametrize("charge", BAD_CHARGES, ids=str)
async def test_malformed_charge_is_a_problem(fan: Fan, charge: Any) -> None:
    """A charge of nothing, of less, of too much, of a part of a point, or with a user in it is refused."""
    answer = await fan.post("point", "/points/charge", charge)

    _is_problem(answer, 422, "/points/charge")
    assert await fan.balance() == 0


@pytest.mark.parametrize(("body", "status"), [(b"", 422), (b"{", 422), (b"amount=1", 422), (b"\xff\xfe\x00", 400)])
async def test_broken_body_is_a_problem(fan: Fan, body: bytes, status: int) -> None:
    """A body that is no JSON, or no text at all, is refused with a problem document."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": "any"}

    answer = await fan.ask("POST", "point", "/points/charge", content=body, headers=headers)

    _is_problem(answer, status, "/points/charge")


@pytest.mark.parametrize("prefer", ["wait=5", "respond-async, wait=5", "Wait = 5; foo", 'wait="5"'])
async def test_hold_is_answered_when_it_is_done(fan: Fan, catalogue: Catalogue, prefer: str) -> None:
    """Whoever prefers to wait for a hold gets 200 with its final state, and is told that the wish was granted."""
    body, headers = {"seat_ids": list(await catalogue.free())}, {"Prefer": prefer, "Idempotency-Key": "any"}

    answer = await fan.ask("POST", "reservation", "/reservations", json=body, headers=headers)

    assert answer.status_code == 200
    assert answer.json()["status"] == "temp"
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert answer.headers["Location"] == f"/reservations/{answer.json()['payment_id']}"
    assert "Retry-After" not in answer.headers


async def test_checkout_is_answered_when_it_is_done(fan: Fan, hold: Hold) -> None:
    """Whoever prefers to wait for a checkout gets 200 with its final state."""
    await fan.charge(hold.total)

    answer = await fan.order(hold.payment_id, wait=5)

    assert answer.status_code == 200
    assert answer.json()["status"] == "completed"
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert answer.headers["Location"] == f"/checkouts/{answer.json()['checkout_id']}"
    assert await fan.get("payment", answer.headers["Location"]) == answer.json()


async def test_ids_sort_by_time(fan: Fan, catalogue: Catalogue) -> None:
    """The ids of payments are UUIDs of version 7, so a later one is greater."""
    seat_ids = await catalogue.free(2)

    first, second = [await fan.hold(seat_id) for seat_id in seat_ids]

    assert (first.payment_id.version, second.payment_id.version) == (7, 7)
    assert first.payment_id < second.payment_id


async def test_history_shows_the_newest_first(fan: Fan) -> None:
    """The history of a wallet begins with the latest movement, and ends where the client wants."""
    for amount in (1, 2, 3):
        await fan.charge(amount)

    history = await fan.get("point", "/points/history?limit=2")

    assert [(entry["type"], entry["amount"], entry["balance_after"]) for entry in history] == [
        ("CHARGE", 3, 6),
        ("CHARGE", 2, 3),
    ]


async def test_unknown_user_has_nothing(fan: Fan) -> None:
    """A user who never charged has an empty wallet and an empty history."""
    assert await fan.balance() == 0
    assert await fan.get("point", "/points/history") == []


async def test_catalogue_is_complete(system: System) -> None:
    """There are two concerts with three dates of 500 seats each, at four prices."""
    concerts = (await system.ask("GET", "seat", "/concerts")).json()
    dates = [(await system.ask("GET", "seat", f"/concerts/{one['concert_id']}/dates")).json() for one in concerts]
    seats = (await system.ask("GET", "seat", "/dates/1/seats")).json()

    seeded = [date for evenings in dates for date in evenings if date["date_id"] <= 6]
    assert len(concerts) == 2
    assert [date["concert_id"] for date in seeded] == [1, 1, 1, 2, 2, 2]
    assert len({seat["label"] for seat in seats}) == 500
    assert {seat["price"] for seat in seats} == {50_000, 70_000, 100_000, 300_000}


@pytest.mark.parametrize("service", SERVICES)
async def test_service_tells_how_it_is(system: System, service: str) -> None:
    """A service says that it lives and that all it needs is there, and shows its documentation."""
    live = await system.ask("GET", service, "/livez")
    ready = await system.watch(service, "/readyz")
    docs = await system.ask("GET", service, "/docs")
    document = await system.ask("GET", service, "/openapi.json")

    assert (live.status_code, live.json()) == (200, {"status": "alive"})
    assert ready.status_code == 200
    wanted = {
        "status": "ready",
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
        "consumers": "ok",
        "background": "ok",
    }
    assert ready.json() | wanted == ready.json()
    assert docs.status_code == 200
    assert "text/html" in docs.headers["Content-Type"]
    assert document.json()["info"]["title"] == f"{service}_svc"
    assert "HTTPValidationError" not in document.text


async def test_unknown_preference_is_ignored(fan: Fan, catalogue: Catalogue) -> None:
    """A preference that nobody knows changes nothing: the answer is 202."""
    body = {"seat_ids": list(await catalogue.free())}
    headers = {"Prefer": f"handling=lenient; wait=soon, x={uuid.uuid4().hex}", "Idempotency-Key": "any"}

    answer = await fan.ask("POST", "reservation", "/reservations", json=body, headers=headers)

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    assert answer.headers["Retry-After"] == "1"
