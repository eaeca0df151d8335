"""Operators see what a service has put aside, put it back, discard it and have events said again, over REST."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from stack.services import SERVICES
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import MARK
from tests.end_to_end.system import System

SERVICE, STEP, OTHER_STEP = "point", "point.spend", "point.refund"
PARKED = "/operations/parked"


@pytest.fixture(autouse=True)
async def nothing_left(operator: Operator) -> AsyncIterator[None]:
    """What the tests have parked is discarded when they are over."""
    yield
    for one in await _listed(operator):
        await _discard(operator, one["id"])


async def _poison(broker: Broker, step: str = STEP, event_id: str | None = None) -> str:
    """Have a step park a message that it cannot read; its id."""
    event_id = event_id or str(uuid.uuid4())
    headers = {"ce-type": "checkout.requested.v1", "ce-id": event_id}
    await broker.publish(step, b'{"user_id": "ann"', headers, f"{MARK}operations")
    return event_id


async def _listed(operator: Operator, query: str = "") -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await operator.get(SERVICE, PARKED + query))["messages"]
    return messages


async def _attempts(operator: Operator, *ids: str) -> list[dict[str, Any]]:
    """The messages with these ids, as they are parked now."""
    return [one for one in await _listed(operator) if one["id"] in ids]


async def _parked(operator: Operator, *ids: str) -> list[dict[str, Any]]:
    """The messages with these ids, once all of them are parked."""
    return await eventually(partial(_attempts, operator, *ids), lambda found: len(found) >= len(ids))


async def _discard(operator: Operator, event_id: str, key: str | None = None, query: str = "") -> Any:
    return await operator.post(SERVICE, f"{PARKED}/{event_id}/discard{query}", {"reason": "made for\na test"}, key)


async def _history(operator: Operator, query: str = "") -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = (await operator.get(SERVICE, f"{PARKED}/history{query}"))["operations"]
    return done


async def test_parked_message_is_listed_and_shown(broker: Broker, operator: Operator) -> None:
    """The list says why it is there; with its id it is shown with headers and body, and stays where it is."""
    event_id = await _poison(broker)

    (listed,) = await _parked(operator, event_id)
    shown = await operator.get(SERVICE, f"{PARKED}/{event_id}")

    assert (listed["where"], listed["queue"], listed["attempt"]) == ("parked", STEP, 1)
    assert listed["saga_id"] == f"{MARK}operations"
    assert "ForgedMessageError" in listed["last_error"]
    assert listed["first_failed_at"]
    assert shown.items() >= listed.items()
    assert (shown["body"], shown["headers"]["ce-id"]) == ('{"user_id": "ann"', event_id)
    assert await _attempts(operator, event_id) == [listed]


async def test_list_says_that_there_is_more(broker: Broker, operator: Operator) -> None:
    """Only so many are listed, in their order, and looking does not change it."""
    ids = [await _poison(broker) for _ in range(3)]
    await _parked(operator, *ids)

    order = [one["id"] for one in await _listed(operator)]
    first = await operator.get(SERVICE, f"{PARKED}?limit=2")

    assert [one["id"] for one in first["messages"]] == order[:2]
    assert first["cut"] is True
    assert (await operator.get(SERVICE, PARKED))["cut"] is False
    assert [one["id"] for one in await _listed(operator)] == order


async def test_parked_message_is_put_back(broker: Broker, operator: Operator) -> None:
    """It comes to its step again, which parks it again; what is not there is named."""
    event_id, nobody = await _poison(broker), str(uuid.uuid4())
    await _parked(operator, event_id)

    async with broker.observe([f"{SERVICE}.retry"], f"parked.{STEP}") as observer:
        answer = await operator.post(SERVICE, f"{PARKED}/redrive", {"ids": [event_id, nobody], "rate": 1_000})
        await observer.counted(1)

    assert (answer.status_code, answer.json()) == (200, {"redriven": [event_id], "missing": [nobody], "left": []})
    assert observer.messages[0].headers["ce-id"] == event_id


async def test_same_key_acts_once(broker: Broker, operator: Operator) -> None:
    """Sent again it gets its answer again, and nothing moves; the key is for nothing else."""
    event_id, key = await _poison(broker), uuid.uuid4().hex
    await _parked(operator, event_id)

    first = await _discard(operator, event_id, key)
    await _parked(operator, await _poison(broker, event_id=event_id))
    again = await _discard(operator, event_id, key)
    other = await operator.post(SERVICE, f"{PARKED}/redrive", {"ids": [event_id]}, key)

    assert (first.status_code, first.json()) == (200, {"id": event_id, "discarded": 1})
    assert again.json() == first.json()
    assert (other.status_code, other.json()["type"]) == (422, "urn:problem:idempotency-key-reused")
    assert len(await _attempts(operator, event_id)) == 1


async def test_same_event_of_two_steps_is_discarded_for_one(broker: Broker, operator: Operator) -> None:
    """Several steps may have parked the same event; `queue` says which is meant."""
    event_id = await _poison(broker)
    await _poison(broker, OTHER_STEP, event_id)
    await _parked(operator, event_id, event_id)

    shown = await operator.get(SERVICE, f"{PARKED}/{event_id}?queue={OTHER_STEP}")
    answer = await _discard(operator, event_id, query=f"?queue={OTHER_STEP}")

    assert shown["queue"] == OTHER_STEP
    assert answer.json()["discarded"] == 1
    assert [one["queue"] for one in await _attempts(operator, event_id)] == [STEP]


async def test_resting_message_is_listed_shown_and_discarded(broker: Broker, operator: Operator) -> None:
    """What waits for another attempt is within reach as well."""
    event_id = str(uuid.uuid4())
    await broker.rest(STEP, "2m", event_id)

    async def resting() -> list[dict[str, Any]]:
        return [one for one in await _listed(operator, "?where=resting") if one["id"] == event_id]

    (listed,) = await eventually(resting)
    shown = await operator.get(SERVICE, f"{PARKED}/{event_id}?where=resting")
    answer = await _discard(operator, event_id, query="?where=resting")

    assert (listed["where"], listed["queue"]) == ("2m", STEP)
    assert shown["body"] == "{"
    assert answer.status_code == 200
    assert await resting() == []


async def test_history_says_who_did_what_and_why(system: System, broker: Broker, operator: Operator) -> None:
    """The latest first, page by page, for every operator to see; it names no user, and nobody can change it."""
    colleague, event_id = Operator(system), await _poison(broker)
    await _parked(operator, event_id)

    await operator.post(SERVICE, f"{PARKED}/redrive", {"ids": [event_id]})
    await _parked(operator, event_id)
    await _discard(colleague, event_id)

    mine = [one for one in await _history(operator) if one["message_id"] == event_id]
    assert [(one["action"], one["who"]) for one in mine] == [
        ("discard", colleague.user_id),
        ("redrive", operator.user_id),
    ]
    assert [one["reason"] for one in mine] == ["made for\\na test", None]
    assert mine[0]["subject"]["queue"] == STEP
    assert mine[0]["subject"]["body"].startswith("17 bytes with the SHA-256 ")
    first = await operator.get(SERVICE, f"{PARKED}/history?limit=1")
    second = await operator.get(SERVICE, f"{PARKED}/history?limit=1&before={first['before']}")
    assert [*first["operations"], *second["operations"]] == mine


async def test_event_is_said_again(system: System, broker: Broker, hold: Hold, operator: Operator) -> None:
    """An observer that has missed an event hears it after all; who asked for it is recorded."""
    query = "SELECT count(*) FROM said WHERE saga_id = $1 AND routing_key = 'seat.held'"
    await eventually(partial(system.databases.value, "seat", query, hold.payment_id))

    async with broker.observe(["seat"]) as observer:
        answer = await operator.post("seat", "/operations/resay", {"events": ["seat.held"], "hours": 1})
        await observer.heard(hold.payment_id, "seat.held")

    assert (answer.status_code, answer.json()) == (202, {"events": ["seat.held"], "hours": 1})
    (latest,) = (await operator.get("seat", f"{PARKED}/history?limit=1"))["operations"]
    assert (latest["action"], latest["who"], latest["subject"]) == ("resay", operator.user_id, answer.json())


async def test_event_of_another_service_is_not_said_again(operator: Operator) -> None:
    """The answer names those that this one says."""
    answer = await operator.post("seat", "/operations/resay", {"events": ["point.spent"]})

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:problem:unknown-event")
    assert "seat.held" in answer.json()["detail"]


async def test_what_is_not_there_is_missing(operator: Operator) -> None:
    """A message that nobody has put aside can neither be shown nor discarded."""
    nobody = uuid.uuid4()
    shown = await operator.ask("GET", SERVICE, f"{PARKED}/{nobody}")
    discarded = await _discard(operator, str(nobody))

    assert (shown.status_code, discarded.status_code) == (404, 404)


async def test_operators_take_turns(broker: Broker, operator: Operator) -> None:
    """Those who look at once are told to come again, or wait for nobody; no message is hidden or moved by that."""
    ids = [await _poison(broker) for _ in range(5)]
    await _parked(operator, *ids)
    order = [one["id"] for one in await _listed(operator)]

    answers = await asyncio.gather(*(operator.ask("GET", SERVICE, PARKED) for _ in range(8)))

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert 200 in {answer.status_code for answer in answers}
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
    for answer in answers:
        assert answer.status_code == 503 or [one["id"] for one in answer.json()["messages"]] == order


@pytest.mark.parametrize("service", SERVICES)
async def test_only_operators_operate(system: System, fan: Fan, service: str) -> None:
    """Not strangers, and not fans."""
    asked = [
        ("GET", PARKED, None),
        ("GET", f"{PARKED}/history", None),
        ("GET", f"{PARKED}/1", None),
        ("POST", f"{PARKED}/redrive", {"ids": ["1"]}),
        ("POST", f"{PARKED}/1/discard", {"reason": "mine"}),
        ("POST", "/operations/resay", {}),
    ]
    for method, path, body in asked:
        stranger = await system.ask(method, service, path, json=body)
        known = await fan.ask(method, service, path, json=body, headers={"Idempotency-Key": "1"})
        assert (stranger.status_code, known.status_code) == (401, 403), path


async def test_what_moves_needs_a_key_and_a_bound(operator: Operator) -> None:
    """Without a key nothing moves; no more can be asked for than a body has room for."""
    without = await operator.ask("POST", SERVICE, f"{PARKED}/redrive", json={"ids": ["1"]})
    many = await operator.post(SERVICE, f"{PARKED}/redrive", {"ids": [str(uuid.uuid4()) for _ in range(201)]})
    full = await operator.post(SERVICE, f"{PARKED}/redrive", {"ids": [str(uuid.uuid4()) for _ in range(200)]})

    assert (without.status_code, without.json()["type"]) == (400, "urn:problem:idempotency-key-missing")
    assert many.status_code == 422
    assert (full.status_code, len(full.json()["missing"])) == (200, 200)
