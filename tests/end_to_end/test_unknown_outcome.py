"""A COMMIT whose answer gets lost: the client is told that nobody knows, and finds out with the same key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.door import door
from tests.end_to_end.fan import Fan
from tests.end_to_end.system import System

AMOUNT = 500


async def _charge(fan: Fan, catalogue: Catalogue) -> tuple[str, Mapping[str, Any]]:
    return "/points/charge", {"amount": AMOUNT}


async def _wish(fan: Fan, catalogue: Catalogue) -> tuple[str, Mapping[str, Any]]:
    return "/reservations", {"seat_ids": list(await catalogue.free())}


async def _order(fan: Fan, catalogue: Catalogue) -> tuple[str, Mapping[str, Any]]:
    return "/checkouts", {"payment_id": str((await fan.hold(*await catalogue.free())).payment_id)}


Requested = Callable[[Fan, Catalogue], Awaitable[tuple[str, Mapping[str, Any]]]]
REQUESTS: Mapping[str, Requested] = {"point": _charge, "reservation": _wish, "payment": _order}
EFFECTS = {
    "point": "SELECT count(*) FROM point_history WHERE user_id = $1",
    "reservation": "SELECT count(*) FROM reservation WHERE user_id = $1",
    "payment": "SELECT count(*) FROM checkout WHERE user_id = $1",
}


@pytest.mark.parametrize("service", REQUESTS)
async def test_unknown_outcome_is_told_and_found_out(
    system: System, fan: Fan, catalogue: Catalogue, service: str
) -> None:
    """Whoever loses the answer is told so, where it will be found, and gets it with the same key; it is done once."""
    path, body = await REQUESTS[service](fan, catalogue)
    headers = {"Authorization": f"Bearer {fan.token}", "Idempotency-Key": uuid4().hex}
    async with door(system.environment, service) as (client, source):
        source.lost = 1
        lost = await client.post(path, json=body, headers=headers)
        found = await client.post(path, json=body, headers=headers)

    assert (lost.status_code, lost.json()["type"]) == (503, "urn:problem:outcome-unknown")
    assert "same request" in lost.json()["detail"]
    assert found.is_success
    assert found.headers.get("Location") == lost.headers.get("Location")
    assert (lost.headers.get("Location") is None) == (service == "point")
    assert await system.databases.value(service, EFFECTS[service], fan.user_id) == 1


async def test_refusal_stands_whatever_becomes_of_its_commit(system: System, fan: Fan) -> None:
    """A request that was refused has changed nothing, so its answer does not depend on a COMMIT."""
    body, headers = {"payment_id": str(uuid4())}, {"Authorization": f"Bearer {fan.token}", "Idempotency-Key": "any"}
    async with door(system.environment, "payment") as (client, source):
        source.lost = 1
        answer = await client.post("/checkouts", json=body, headers=headers)

    assert answer.status_code == 404


async def test_looking_has_no_outcome(system: System, fan: Fan) -> None:
    """A request that only looks is told to try again, not that nobody knows."""
    async with door(system.environment, "point") as (client, source):
        source.lost = 1
        answer = await client.get("/points", headers={"Authorization": f"Bearer {fan.token}"})

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:problem:service-unavailable")
