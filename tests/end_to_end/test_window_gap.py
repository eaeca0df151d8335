"""What the window has missed is shown, and said again when an operator asks for it."""

import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from stack.directory import Directory
from stack.run.rest import MAX_SECONDS, rest, wake
from stack.servers.definitions import WINDOW_QUEUE
from stack.services import WINDOW
from tests.chaos.programs import Programs
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.test_window import DONE

WITHIN = 90.0
"""Seconds: the window has to start, to catch up and to look at the broker's numbers until they are at rest"""


@contextlib.asynccontextmanager
async def _away(path: Path) -> AsyncIterator[None]:
    """The window does not run while the context lasts."""
    directory, programs = Directory.of(path), Programs(path)
    rest(directory, WINDOW, MAX_SECONDS)
    try:
        pid = await programs.send(WINDOW, signal.SIGKILL)
        yield
    finally:
        wake(directory, WINDOW)
    await programs.replaced(WINDOW, pid)


async def _ask(operator: Operator, path: str) -> Any:
    try:
        answer = await operator.ask("GET", WINDOW, f"/api/{path}")
    except httpx2.TransportError:
        return {}
    return answer.json() if answer.is_success else {}


async def _struck(environment: Mapping[str, str]) -> datetime | None:
    """When the window last found all that had come in taken out."""
    connection = await asyncpg.connect(environment["WINDOW_DATABASE_URL"])
    try:
        at: datetime | None = await connection.fetchval("SELECT at FROM balance")
        return at
    finally:
        await connection.close()


@pytest.mark.timeout(300)
async def test_what_was_purged_is_a_gap_until_it_is_said_again(
    environment: Mapping[str, str], broker: Broker, operator: Operator, fan: Fan, hold: Hold
) -> None:
    """A checkout whose messages an administrator has thrown away is whole after the gap was filled."""
    # given
    path = Path(environment["TOKEN_KEYS"]).parent
    if not path.joinpath("pids").is_dir():
        pytest.skip("these are containers")
    await fan.charge(hold.total)
    before = await _struck(environment)
    await eventually(lambda: _struck(environment), lambda at: at and at != before, WITHIN)
    known = {gap["number"] for gap in (await _ask(operator, "gaps"))["gaps"]}
    async with _away(path):
        checkout_id = (await fan.check_out(hold))["checkout_id"]
        await eventually(lambda: broker.depth(WINDOW_QUEUE), lambda depth: depth >= len(DONE))
        lost = await broker.purge(WINDOW_QUEUE)

    # when
    async def shown() -> list[dict[str, Any]]:
        return [one for one in (await _ask(operator, "gaps")).get("gaps", []) if one["number"] not in known]

    (gap,) = await eventually(shown, within=WITHIN)

    # then
    assert (gap["lost"], gap["filled_at"]) == (lost, None)
    assert await _ask(operator, f"sagas/{checkout_id}") == {}

    # when
    answer = await operator.ask("POST", WINDOW, f"/api/gaps/{gap['number']}/fill")

    # then
    assert answer.status_code == 200, answer.text
    story = await eventually(
        lambda: _ask(operator, f"sagas/{checkout_id}"), lambda found: len(found.get("happenings", ())) >= len(DONE)
    )
    assert [one["event"] for one in story["happenings"]] == DONE
    assert (story["outcome"], story["oddities"]) == ("completed", [])
    (gap,) = await shown()
    assert gap["filled_by"] == operator.user_id
