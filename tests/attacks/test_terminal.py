"""What a message says is no order to whoever looks at it: attack 12."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from chassis.cli import parked
from chassis.cli.app import app
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually


async def _parked(*arguments: str) -> str:
    """What an operator is told."""
    result = await asyncio.to_thread(lambda: CliRunner().invoke(app, ["parked", *arguments]))
    assert result.exit_code == 0, result.output
    return result.output


async def test_what_a_message_says_is_no_order_to_the_terminal(
    environment: Mapping[str, str], broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markup and control characters in an id are shown as text, on a terminal and off it: attack 12."""
    mark = uuid.uuid4().hex
    hostile, audit = f"{mark}[/red]\x1b[2J\t\n", str(tmp_path / "audit.jsonl")
    await broker.publish("point.spend", b"{", {"ce-type": "checkout.requested.v1", "ce-id": hostile})
    await eventually(lambda: broker.depth("point.parked"))
    monkeypatch.setenv("RABBITMQ_URL", environment["RABBITMQ_URL"])

    lines = await _parked("list")
    monkeypatch.setattr(parked, "console", Console(force_terminal=True, width=400, color_system=None))
    table = await _parked("list")
    listed = f"{mark}[/red]\\x1b[2J\\t\\n"
    await _parked("discard", listed, "--reason", "made for a test", "--audit", audit)

    assert [line.split("\t")[0] for line in lines.splitlines() if mark in line] == [listed]
    assert listed in table
    assert "\x1b[2J" not in lines + table
