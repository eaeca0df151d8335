"""A terminal is told where a saga is, by the window of a running system."""

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from chassis.cli.app import app
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator


async def _trace(environment: Mapping[str, str], *arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner(env=dict(environment)).invoke(app, ["trace", *arguments]))


async def test_a_checkout_is_followed_to_its_end(environment: Mapping[str, str], fan: Fan, hold: Hold) -> None:
    """By any of its ids, with the token that the env file holds."""
    # given
    await fan.charge(hold.total)
    checkout_id = str(await fan.begin(hold))
    # when
    followed = await _trace(environment, checkout_id, "--follow")
    # then
    assert followed.exit_code == 0, followed.output
    lines = followed.output.splitlines()
    assert lines[0].startswith(f"checkout {checkout_id}")
    assert "checkout.completed" in followed.output
    assert "seat.reserved" in followed.output
    for arguments in ([str(hold.payment_id)], ["--user", fan.user_id]):
        found = await eventually(partial(_trace, environment, *arguments), _is_done)
        assert f"checkout {checkout_id} ended: completed" in found.output


def _is_done(answer: Result) -> bool:
    return answer.exit_code == 0 and " ended: completed" in answer.output


async def test_the_way_back_is_told_to_programs(
    environment: Mapping[str, str], fan: Fan, hold: Hold, operator: Operator
) -> None:
    """With what each event undoes."""
    # given
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[0])
    checkout_id = (await fan.check_out(hold))["checkout_id"]
    await operator.put_back(hold.seat_ids[0])
    # when
    told = await _trace(environment, checkout_id, "--json", "--follow")
    drawn = await _trace(environment, checkout_id, "--mermaid")
    # then
    story = json.loads(told.output.splitlines()[-1])
    assert (story["outcome"], story["reason"]) == ("failed", "seat-withdrawn")
    undone = {
        one["event"]: story["happenings"][one["undoes"]]["event"]
        for one in story["happenings"]
        if one["undoes"] is not None
    }
    assert undone["point.refunded"] == "point.spent"
    assert drawn.output.startswith("sequenceDiagram")


@pytest.mark.parametrize("name", ["nobody", str(UUID(int=7))])
async def test_what_was_never_seen_is_an_error(environment: Mapping[str, str], name: str) -> None:
    """Neither a user nor a saga."""
    answer = await _trace(environment, name)
    assert answer.exit_code == 1
    assert "the window has seen nothing" in answer.output
