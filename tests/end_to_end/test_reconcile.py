"""What a step has missed is found by comparing memories, and said again on command."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from chassis.cli import reconcile
from chassis.cli.app import app
from chassis.run import comparing
from chassis.store import memory
from tests.end_to_end.broker import Broker
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.missed import EVENT, STEP, missed
from tests.end_to_end.quiet import quiet
from tests.end_to_end.system import System

LEFT = "INSERT INTO said SELECT $1, $1, '', false, '{}', '', clock_timestamp()"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is too young to be compared, and three rows make a page."""
    for module in (comparing, reconcile):
        monkeypatch.setattr(module, "SETTLED", timedelta())
    monkeypatch.setattr(memory, "PAGE", 3)


async def _run(system: System, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The status of the command, and the objects that it writes."""

    def run() -> tuple[int, list[dict[str, Any]]]:
        result = CliRunner().invoke(app, ["reconcile", "--json", *options], env=dict(system.environment))
        assert result.exit_code in (0, 1), result.output
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]

    return await asyncio.to_thread(run)


async def _others(system: System) -> set[str]:
    """What the tests before have left unheard, on purpose."""
    return {one["event_id"] for one in (await _run(system))[1]}


async def test_nothing_differs_when_all_is_well(system: System, broker: Broker, fan: Fan, hold: Hold) -> None:
    """All that was said in a checkout was heard, and all that was heard was said, page after page."""
    await fan.charge(hold.total)
    checkout_id = (await fan.check_out(hold))["checkout_id"]
    await quiet(system, broker)

    _, found = await _run(system)

    assert [one for one in found if one["saga"] in (checkout_id, str(hold.payment_id))] == []


async def test_event_that_a_step_has_missed_is_listed_and_said_again(
    system: System, broker: Broker, fan: Fan, hold: Hold
) -> None:
    """It is in the list of what is unheard until the command has had it said again; then there is no more to do."""
    before = await _others(system)
    async with missed(system, broker, fan, hold) as checkout_id:
        status, listed = await _run(system)
        new = [one for one in listed if one["event_id"] not in before]
        assert status == 1
        assert [(one["what"], one["step"], one["event"], one["saga"]) for one in new] == [
            ("unheard", STEP, EVENT, str(checkout_id))
        ]
        _, done = await _run(system, "--say-again", "--yes")
        assert {"what": "said again", "service": "point", "count": 1} in done or before
    await quiet(system, broker)
    assert str(checkout_id) not in {one["saga"] for one in (await _run(system))[1]}


async def test_what_the_witness_of_older_code_has_left_is_no_event(system: System) -> None:
    """It has neither a name nor a time, and was said by nobody."""
    left, gone = uuid4(), "DELETE FROM said WHERE event_id = $1"
    await system.databases.change("point", LEFT, left)
    try:
        _, found = await _run(system)
    finally:
        await system.databases.change("point", gone, left)

    assert str(left) not in {one["event_id"] for one in found}


async def test_pipe_needs_a_yes(system: System) -> None:
    """Nobody can be asked there, so nothing is done without a word."""
    result = await asyncio.to_thread(
        lambda: CliRunner().invoke(app, ["reconcile", "--say-again"], env=dict(system.environment))
    )

    assert result.exit_code == 2
    assert "give --yes" in result.output
