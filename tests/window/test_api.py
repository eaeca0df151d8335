"""The API of the window tells operators what its pages show, and fills gaps for them."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from chassis.web import problem
from tests.window.sagas import checkout
from tests.window_pages.browsing import Services
from tests.window_pages.fakes import CHOREOGRAPHY, FakeBearers, FakeLooks
from window.api import router
from window.filling import Filling
from window.looks import Gap
from window.operations import Operations

SINCE = datetime.now(UTC) - timedelta(hours=2)
LOOKS = FakeLooks(checkout(fails_at="seat.reserve"), missing=[Gap(3, SINCE, SINCE + timedelta(minutes=1), 5, None)])
SAGA = LOOKS.messages[0].saga_id


class Noted:
    """Remembers which gaps were filled, and by whom."""

    def __init__(self) -> None:
        self.filled: list[tuple[int, str]] = []

    async def note(self, number: int, operator: str) -> None:
        """One more."""
        self.filled.append((number, operator))


async def _ask(
    method: str, path: str, services: Services | None = None, noted: Noted | None = None, bearer: str | None = None
) -> httpx2.Response:
    app = FastAPI()
    app.state.bearers = FakeBearers()
    problem.install(app)
    addresses = {name: f"http://{name}" for name in ("point", "payment")}
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(services or Services())) as client:
        filling = Filling(LOOKS, Operations(addresses, client), (noted or Noted()).note)
        app.include_router(router(LOOKS, CHOREOGRAPHY, filling))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://window") as asking:
            return await asking.request(method, path, headers={"Authorization": f"Bearer {bearer or 'operator'}"})


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/api/sagas/{SAGA}", '"reason":"seat-withdrawn"'),
        (f"/api/sagas/{SAGA}/text", "+0.000 s  ▸ checkout.requested"),
        (f"/api/sagas/{SAGA}/mermaid", "sequenceDiagram"),
        ("/api/sagas?user=7&saga=checkout", str(SAGA)),
        ("/api/gaps", '"lost":5'),
    ],
)
async def test_operators_are_told(path: str, shown: str) -> None:
    """Nobody else is."""
    answer = await _ask("GET", path)
    assert (answer.status_code, shown in answer.text) == (200, True), answer.text
    assert (await _ask("GET", path, bearer="fan")).status_code == 403
    assert (await _ask("GET", path, bearer="nobody")).status_code == 401


@pytest.mark.parametrize("form", ["", "/text", "/mermaid"])
async def test_a_saga_that_nobody_saw_is_not_found(form: str) -> None:
    """In no form."""
    assert (await _ask("GET", f"/api/sagas/{'0' * 32}{form}")).status_code == 404


async def test_a_gap_is_filled_by_all_services() -> None:
    """Each is asked with the operator's own token for what it said since a little before, and it is noted who asked."""
    services, noted, asked_at = Services(events=[], hours=2), Noted(), datetime.now(UTC)
    answer = await _ask("POST", "/api/gaps/3/fill", services, noted)
    assert (answer.status_code, len(answer.json()["asked"])) == (200, 2)
    assert {request.url.host for request, _ in services.asked} == {"point", "payment"}
    for request, body in services.asked:
        assert (request.method, request.url.path) == ("POST", "/operations/resay")
        assert request.headers["authorization"] == "Bearer operator"
        assert request.headers["idempotency-key"]
        assert SINCE - timedelta(minutes=10) < asked_at - timedelta(hours=body["hours"]) < SINCE
    assert noted.filled == [(3, "ops")]


async def test_a_gap_that_a_service_does_not_fill_stays_open() -> None:
    """And is said why."""
    noted = Noted()
    answer = await _ask("POST", "/api/gaps/3/fill", Services(503, detail="busy"), noted)
    assert answer.status_code == 502
    assert "payment answered 503: busy" in answer.json()["detail"]
    assert not noted.filled


@pytest.mark.parametrize(("bearer", "status"), [("fan", 403), ("nobody", 401)])
async def test_only_operators_fill(bearer: str, status: int) -> None:
    """No service is asked for anybody else."""
    services = Services()
    assert (await _ask("POST", "/api/gaps/3/fill", services, bearer=bearer)).status_code == status
    assert not services.asked


async def test_there_has_to_be_a_gap() -> None:
    """Nothing is said again for none."""
    services = Services()
    assert (await _ask("POST", "/api/gaps/4/fill", services)).status_code == 404
    assert not services.asked
