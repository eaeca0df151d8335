"""A broker that is not as the steps declare it is noticed."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import httpx2
from typer.testing import CliRunner

from chassis.choreography.loading import load
from chassis.cli.app import app
from chassis.documents.drift import compare, declared, live

GRAPH = load(Path(__file__).parents[2])
BINDING = "/api/bindings/%2F/e/point/q/reservation.confirm"


def test_the_running_broker_is_as_declared(environment: Mapping[str, str]) -> None:
    """What the services have set up is what their steps declare, permissions included."""
    assert compare(declared(GRAPH), live(environment["RABBITMQ_MANAGEMENT_URL"])) == []


def test_a_binding_that_an_operator_removed_is_named(environment: Mapping[str, str]) -> None:
    """The command names what is missing and fails; it succeeds again when the binding is back."""
    address = environment["RABBITMQ_MANAGEMENT_URL"]
    with httpx2.Client(base_url=address) as management:
        management.delete(f"{BINDING}/point.spent").raise_for_status()
        try:
            drifted = CliRunner().invoke(app, ["drift", "--url", address])
        finally:
            management.post(BINDING, json={"routing_key": "point.spent"}).raise_for_status()
    mended = CliRunner().invoke(app, ["drift", "--url", address])

    assert (drifted.exit_code, drifted.output) == (1, "missing binding: point —point.spent→ reservation.confirm\n")
    assert mended.exit_code == 0, mended.output


def test_a_queue_that_nobody_declares_is_named(environment: Mapping[str, str]) -> None:
    """What somebody left behind on the broker is extra."""
    address, queue = environment["RABBITMQ_MANAGEMENT_URL"], quote("left.behind")
    with httpx2.Client(base_url=address) as management:
        management.put(f"/api/queues/%2F/{queue}", json={"durable": True}).raise_for_status()
        try:
            found = compare(declared(GRAPH), live(address))
        finally:
            management.delete(f"/api/queues/%2F/{queue}").raise_for_status()

    assert found == ["extra queue: left.behind"]


def test_a_broker_that_cannot_be_asked_is_no_drift() -> None:
    """Without an answer the command says what to do, and its exit code is neither yes nor no."""
    result = CliRunner().invoke(app, ["drift", "--url", "http://127.0.0.1:1"])

    assert result.exit_code == 2
    assert "make up" in result.output
