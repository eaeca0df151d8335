"""The stage: acts as fans, breaks the running stack within bounds, and mends it again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from stack.directory import Directory
from stack.stage.app import create_app
from stack.stage.processes import NAMES
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.platform import Platform
from tests.end_to_end.system import System

VICTIM = "payment_svc"


class Stage:
    """The stage as an operator uses it, and one fan on it."""

    def __init__(self, system: System) -> None:
        self.fan = f"stage-{uuid4().hex[:8]}"
        self._system = system
        self._token = system.token("operator-stage", scope="operator")

    async def ask(self, method: str, path: str, json: Any = None, token: str | None = None) -> httpx2.Response:
        """The answer to one request."""
        return await self._system.ask(method, "stage", path, self._token if token is None else token, json=json)

    async def do(self, path: str, json: Any = None, method: str = "POST") -> Any:
        """What comes of a request that has to be granted."""
        answer = await self.ask(method, path, json)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def view(self) -> dict[str, Any]:
        """What the page would show."""
        return dict(await self.do(f"/view?fan={self.fan}", method="GET"))

    async def seat(self, seat_id: int) -> str:
        """What a seat is to the fan; it is looked for on its page."""
        date_id, page = (seat_id - 1) // 500 + 1, (seat_id - 1) % 500 // 100
        found = await self.do(f"/view?fan={self.fan}&date_id={date_id}&page={page}", method="GET")
        return str(next(seat["state"] for seat in found["seats"] if seat["seat_id"] == seat_id))

    async def hold(self, seat_id: int) -> str:
        """Charge what a seat costs and hold it; the payment."""
        await self.do(f"/fans/{self.fan}/charge", {"amount": CHEAP})
        held = await self.do(f"/fans/{self.fan}/hold", {"seat_ids": [seat_id]})
        assert held["status"] == "temp", held
        return str(held["payment_id"])

    async def pay(self, payment_id: str) -> UUID:
        """Begin to pay."""
        return UUID((await self.do(f"/fans/{self.fan}/pay", {"payment_id": payment_id}))["checkout_id"])

    async def end(self) -> dict[str, Any]:
        """The fan's last checkout, once it has ended."""

        async def look() -> dict[str, Any]:
            return dict((await self.view())["checkouts"][0])

        return await eventually(look, lambda checkout: checkout["status"] != "pending")

    async def condition(self, name: str) -> str:
        """What a service does at the moment."""
        return str(next(one["condition"] for one in (await self.view())["processes"] if one["name"] == name))


@pytest.fixture
async def stage(system: System, platform: Platform) -> AsyncIterator[Stage]:
    """The stage of the running stack; whatever a test has broken is mended in the end."""
    if "STAGE_URL" not in system.environment:
        pytest.skip("only the stack of make up has a stage")
    playing = Stage(system)
    yield playing
    for name in NAMES:
        await playing.ask("POST", f"/processes/{name}/resume")
    await eventually(lambda: _all_are_ready(system))


async def _all_are_ready(system: System) -> bool:
    return all([await _is_ready(system, name) for name in NAMES])


async def _is_ready(system: System, name: str) -> bool:
    try:
        answer = await system.ask("GET", name.removesuffix("_svc"), "/readyz", timeout=1)
    except httpx2.TransportError:
        return False
    return answer.is_success


async def test_fan_charges_holds_and_pays(stage: Stage, catalogue: Catalogue) -> None:
    """A fan on the stage buys a seat, and sees it become theirs."""
    (seat_id,) = await catalogue.free()
    before = await stage.seat(seat_id)

    payment_id = await stage.hold(seat_id)
    held, view = await stage.seat(seat_id), await stage.view()
    checkout_id = await stage.pay(payment_id)
    end = await stage.end()

    assert (before, held, await stage.seat(seat_id)) == ("available", "yours", "bought")
    assert [(one["payment_id"], one["total"], one["payment"]) for one in view["holds"]] == [
        (payment_id, CHEAP, "published")
    ]
    assert (end["checkout_id"], end["status"]) == (str(checkout_id), "completed")
    after = await stage.view()
    assert (view["balance"], after["balance"]) == (CHEAP, 0)
    assert [saga["kind"] for saga in after["sagas"]] == ["checkout", "hold"]


async def test_fan_gives_back_a_hold_and_then_what_was_bought(stage: Stage, catalogue: Catalogue) -> None:
    """Each is on sale again, and the points are where they were."""
    (seat_id,) = await catalogue.free()
    given_back = await stage.do(f"/fans/{stage.fan}/holds/{await stage.hold(seat_id)}", method="DELETE")
    await eventually(lambda: stage.seat(seat_id), lambda state: state == "available")
    checkout_id = await stage.pay(await stage.hold(seat_id))
    await stage.end()

    wanted = await stage.do(f"/fans/{stage.fan}/refund", {"checkout_id": str(checkout_id)})

    await eventually(lambda: stage.seat(seat_id), lambda state: state == "available")
    view = await eventually(stage.view, lambda view: view["holds"][0]["payment"] == "refunded")
    assert (given_back["status"], view["balance"]) == ("cancelled", 2 * CHEAP)
    assert (view["sagas"][0]["kind"], view["sagas"][0]["saga_id"]) == ("refund", wanted["refund_id"])


async def test_withdrawn_seat_fails_the_checkout(stage: Stage, catalogue: Catalogue) -> None:
    """A seat that is withdrawn while it is held cannot be paid for, and the points come back."""
    (seat_id,) = await catalogue.free()
    payment_id = await stage.hold(seat_id)

    await stage.do(f"/seats/{seat_id}/withdraw")
    withdrawn = await stage.seat(seat_id)
    await stage.pay(payment_id)
    end = await stage.end()
    await stage.do(f"/seats/{seat_id}/return")

    assert (end["status"], end["reason"]) == ("failed", "seat-withdrawn")
    assert (withdrawn, await stage.seat(seat_id)) == ("withdrawn", "yours")
    assert (await stage.view())["balance"] == CHEAP


async def test_one_of_twenty_fans_gets_the_seat(stage: Stage, catalogue: Catalogue) -> None:
    """Nineteen are refused, and a seat that nobody can get any more is not rushed for again."""
    (seat_id,) = await catalogue.free()

    rush = await stage.do("/crowd", {"seat_id": seat_id})
    again = await stage.ask("POST", "/crowd", {"seat_id": seat_id})

    assert len(rush["bought_by"]) == 1
    assert rush["bought_by"] == rush["held_by"]
    assert sum(rush["refusals"].values()) == 19
    assert await stage.seat(seat_id) == "sold"
    assert again.status_code == 409


async def test_platform_fails_until_it_is_well(stage: Stage, catalogue: Catalogue, platform: Platform) -> None:
    """A checkout completes while the platform answers 500, and is delivered when it is well again."""
    (seat_id,) = await catalogue.free()
    payment_id = await stage.hold(seat_id)

    await stage.do("/platform", {"mode": "error"}, method="PUT")
    checkout_id = await stage.pay(payment_id)
    end = await stage.end()
    attempts = await eventually(lambda: platform.attempts(checkout_id))
    broken = (await stage.view())["platform"]
    await stage.do("/platform", method="DELETE")

    assert end["status"] == "completed"
    assert (set(attempts), broken) == ({500}, "error")
    await platform.delivered(checkout_id)
    assert (await stage.view())["platform"] == "well"


async def test_platform_is_well_again_by_itself(stage: Stage) -> None:
    """A failure ends when its time is over, whoever has forgotten it."""
    await stage.do("/platform", {"mode": "slow", "seconds": 0.5}, method="PUT")
    broken = (await stage.view())["platform"]

    async def look() -> str:
        return str((await stage.view())["platform"])

    assert broken == "slow"
    assert await eventually(look, lambda mode: mode == "well") == "well"


async def test_paused_service_answers_nobody_until_it_goes_on(
    system: System, stage: Stage, catalogue: Catalogue
) -> None:
    """While payment_svc stands still a checkout cannot begin; resumed, it goes on with what it has."""
    (seat_id,) = await catalogue.free()
    payment_id = await stage.hold(seat_id)

    paused = await stage.do(f"/processes/{VICTIM}/pause")
    silent = not await _is_ready(system, VICTIM)
    refused = await stage.ask("POST", f"/fans/{stage.fan}/pay", {"payment_id": payment_id})
    seen = await stage.condition(VICTIM)
    resumed = await stage.do(f"/processes/{VICTIM}/resume")

    assert (paused["condition"], seen, resumed["condition"]) == ("paused", "paused", "running")
    assert 0 < paused["seconds"] <= 60
    assert silent
    assert refused.status_code == 504
    assert refused.headers["content-type"] == "application/problem+json"
    assert "payment_svc has not answered" in refused.json()["detail"]
    await eventually(lambda: _is_ready(system, VICTIM))


async def test_killed_service_is_started_again(system: System, stage: Stage) -> None:
    """The supervisor notices, and the service has a new process."""
    before = {one["name"]: one["pid"] for one in (await stage.view())["processes"]}

    await stage.do(f"/processes/{VICTIM}/kill")

    async def look() -> bool:
        now = {one["name"]: (one["pid"], one["condition"]) for one in (await stage.view())["processes"]}
        pid, condition = now[VICTIM]
        return bool(condition == "running" and pid != before[VICTIM])

    await eventually(look)
    assert await _is_ready(system, VICTIM)


async def test_stopped_service_comes_back_in_its_time(system: System, stage: Stage) -> None:
    """It is not started before, unless somebody asks for that."""
    await stage.do(f"/processes/{VICTIM}/stop", {"seconds": 100})

    async def look() -> tuple[Any, ...]:
        (one,) = [one for one in (await stage.view())["processes"] if one["name"] == VICTIM]
        return one["condition"], one["seconds"]

    _, seconds = await eventually(look, lambda seen: seen[0] == "stopped")
    again = await stage.ask("POST", f"/processes/{VICTIM}/stop", {"seconds": 100})
    await stage.do(f"/processes/{VICTIM}/resume")

    assert 0 < seconds <= 100
    assert (again.status_code, again.json()["detail"]) == (409, f"{VICTIM} does not run at the moment.")
    await eventually(look, lambda seen: seen[0] == "running")


async def test_poison_is_parked(stage: Stage, broker: Broker) -> None:
    """A broken message in the queue of a step is put aside by its service."""
    poisoned = await stage.do("/poison", {"step": "seat.reserve"})
    unknown = await stage.ask("POST", "/poison", {"step": "seat.dance"})

    parked = await broker.unpark_saga("seat", f"stage:{poisoned['event_id']}")

    assert parked.headers["x-step"] == "seat.reserve"
    assert "Invalid JSON" in str(parked.headers["x-last-error"])
    assert unknown.status_code == 404


async def test_invariants_are_told(stage: Stage) -> None:
    """All of them, each with whether it holds."""
    found = await stage.do("/invariants", method="GET")

    assert [one["name"] for one in found] == [f"I{number}" for number in range(1, 14)]
    assert all(one["holds"] == (not one["violations"]) for one in found)


@pytest.mark.parametrize(("method", "path"), [("GET", "/view?fan=a"), ("POST", "/processes/seat_svc/kill")])
async def test_stage_is_for_operators(system: System, stage: Stage, method: str, path: str) -> None:
    """Without a token it answers 401, with the token of a fan 403, also when that is good at a service."""
    nobody = await system.ask(method, "stage", path)
    fan = await stage.ask(method, path, token=system.token("7"))

    assert (nobody.status_code, fan.status_code) == (401, 403)
    assert await stage.condition("seat_svc") == "running"


async def test_whatever_stands_still_goes_on_when_a_stage_begins(system: System, stage: Stage) -> None:
    """A stage that was killed could not mend what it had broken; the next one does."""
    await stage.do(f"/processes/{VICTIM}/pause")
    keys = system.environment["TOKEN_KEYS"]

    another = create_app(Directory.of(Path(keys).parent), keys)
    async with another.router.lifespan_context(another):
        condition = await stage.condition(VICTIM)

    assert condition == "running"
