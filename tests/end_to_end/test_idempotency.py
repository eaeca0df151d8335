"""Idempotency-Key: a request that is sent again gets the answer that it got the first time."""

import asyncio
import uuid

import pytest

from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System


async def _checkouts(system: System, hold: Hold) -> int:
    return int(
        await system.databases.value("payment", "SELECT count(*) FROM checkout WHERE payment_id = $1", hold.payment_id)
    )


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}])
@pytest.mark.parametrize(("service", "path"), [("point", "/points/charge"), ("reservation", "/reservations")])
async def test_key_is_needed_for_all_that_moves(
    system: System, fan: Fan, catalogue: Catalogue, service: str, path: str, headers: dict[str, str]
) -> None:
    """Without a key no points are charged and no seats held."""
    body = {"amount": 1} if service == "point" else {"seat_ids": list(await catalogue.free())}
    effects = {"point": "point_history", "reservation": "reservation"}

    answer = await fan.ask("POST", service, path, json=body, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:problem:idempotency-key-missing")
    query = f"SELECT count(*) FROM {effects[service]} WHERE user_id = $1"  # noqa: S608  # a name from above
    assert await system.databases.value(service, query, fan.user_id) == 0


async def test_same_charge_counts_once(fan: Fan) -> None:
    """A charge that is sent again is answered as the first time, whatever came since; another body is refused."""
    key = uuid.uuid4().hex
    first = await fan.charge(500, key)
    await fan.charge(100)

    again = await fan.charge(500, key)
    other = await fan.post("point", "/points/charge", {"amount": 501}, key)

    assert (first, again, await fan.balance()) == (500, 500, 600)
    assert (other.status_code, other.json()["type"]) == (422, "urn:problem:idempotency-key-reused")


async def test_same_wish_holds_once(fan: Fan, catalogue: Catalogue) -> None:
    """A wish that is sent again is answered with the first one's hold; another body is refused."""
    key, seat_ids = uuid.uuid4().hex, await catalogue.free(2)
    first = await fan.reserve(seat_ids[:1], wait=None, key=key)

    again = await fan.reserve(seat_ids[:1], wait=None, key=key)
    waited = await fan.reserve(seat_ids[:1], key=key)
    other = await fan.reserve(seat_ids[1:], key=key)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert (waited.status_code, waited.json()["status"]) == (200, "temp")
    assert (other.status_code, other.json()["type"]) == (422, "urn:problem:idempotency-key-reused")


async def test_retries_at_once_of_a_finished_request_all_get_its_answer(fan: Fan, hold: Hold) -> None:
    """Once a request has its answer, no retry is told that it is still being accepted."""
    key = uuid.uuid4().hex
    first = await fan.order(hold.payment_id, key)

    answers = await asyncio.gather(*(fan.order(hold.payment_id, key) for _ in range(12)))

    assert [(answer.status_code, answer.json()) for answer in answers] == [(202, first.json())] * 12
    await fan.end_of(first.json()["checkout_id"])


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}])
async def test_key_is_needed(system: System, fan: Fan, hold: Hold, headers: dict[str, str]) -> None:
    """Without a key nothing is begun, and the answer says that it is missing."""
    body = {"payment_id": str(hold.payment_id)}

    answer = await fan.ask("POST", "payment", "/checkouts", json=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:problem:idempotency-key-missing"
    assert await _checkouts(system, hold) == 0


async def test_same_request_gets_the_stored_answer(system: System, fan: Fan, hold: Hold) -> None:
    """The same request with the same key is answered as the first time, even after the checkout has ended."""
    await fan.charge(hold.total)
    key = uuid.uuid4().hex
    first = await fan.order(hold.payment_id, key)
    await fan.end_of(first.json()["checkout_id"])
    before = await standing(system, fan, hold)

    again = await fan.order(hold.payment_id, key)

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert await _checkouts(system, hold) == 1
    assert (await standing(system, fan, hold)).but(deliveries=()) == before.but(deliveries=())


async def test_same_request_may_wait_for_the_outcome(fan: Fan, hold: Hold) -> None:
    """A request that is sent again may also wait, and gets the final state of the first one's checkout."""
    await fan.charge(hold.total)
    key = uuid.uuid4().hex
    first = await fan.order(hold.payment_id, key)

    again = await fan.order(hold.payment_id, key, wait=30)

    assert again.status_code == 200
    assert again.json()["checkout_id"] == first.json()["checkout_id"]
    assert again.json()["status"] == "completed"


async def test_key_of_a_failed_checkout_is_used_up(fan: Fan, hold: Hold) -> None:
    """The same key does not begin anew after the fan has charged: it stands for the checkout that failed."""
    key = uuid.uuid4().hex
    failed = await fan.order(hold.payment_id, key, wait=30)
    await fan.charge(hold.total)

    again = await fan.order(hold.payment_id, key, wait=30)

    assert failed.json()["status"] == "failed"
    assert again.json() == failed.json()
    assert await fan.balance() == hold.total


async def test_key_is_for_one_request(system: System, fan: Fan, hold: Hold, catalogue: Catalogue) -> None:
    """The same key with another body is refused, and begins nothing."""
    key = uuid.uuid4().hex
    other = await fan.hold(*await catalogue.free())
    first = await fan.order(hold.payment_id, key)

    answer = await fan.order(other.payment_id, key)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:problem:idempotency-key-reused"
    assert await _checkouts(system, other) == 0
    await fan.end_of(first.json()["checkout_id"])


async def test_refused_request_does_not_use_up_its_key(fan: Fan, hold: Hold) -> None:
    """A key whose request was refused may be used for the right one."""
    key = uuid.uuid4().hex
    missing = await fan.order(uuid.uuid4(), key)

    answer = await fan.order(hold.payment_id, key)

    assert (missing.status_code, answer.status_code) == (404, 202)
    await fan.end_of(answer.json()["checkout_id"])


async def test_same_request_at_once_begins_one_checkout(system: System, fan: Fan, hold: Hold) -> None:
    """Of the same request many times at once, one begins a checkout; the others get its answer or a conflict."""
    await fan.charge(2 * hold.total)
    key = uuid.uuid4().hex

    answers = await asyncio.gather(*(fan.order(hold.payment_id, key) for _ in range(12)))

    accepted = [answer.json() for answer in answers if answer.status_code == 202]
    conflicts = [answer.json() for answer in answers if answer.status_code == 409]
    assert len(accepted) + len(conflicts) == 12
    assert len({state["checkout_id"] for state in accepted}) == 1
    assert {problem["type"] for problem in conflicts} <= {"urn:problem:key-in-use"}
    assert (await fan.end_of(accepted[0]["checkout_id"]))["status"] == "completed"
    assert await _checkouts(system, hold) == 1
    assert await fan.balance() == hold.total


async def test_keys_belong_to_their_user(system: System, fan: Fan, hold: Hold, catalogue: Catalogue) -> None:
    """Two users who choose the same key do not meet."""
    other = Fan(system)
    others = await other.hold(*await catalogue.free())
    key = uuid.uuid4().hex

    mine, theirs = await asyncio.gather(fan.order(hold.payment_id, key), other.order(others.payment_id, key))

    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["checkout_id"] != theirs.json()["checkout_id"]
    await fan.end_of(mine.json()["checkout_id"])
    await other.end_of(theirs.json()["checkout_id"])
