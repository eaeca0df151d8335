"""A broker that is not as the steps declare it is noticed."""

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
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


@contextlib.contextmanager
def changed(api: httpx2.Client, path: str, put: Mapping[str, Any], back: Mapping[str, Any] | None) -> Iterator[None]:
    """Something is put at the broker while the context lasts, and taken away again, or what it was put back."""
    api.put(path, json=put).raise_for_status()
    try:
        yield
    finally:
        (api.delete(path) if back is None else api.put(path, json=back)).raise_for_status()


EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
RIGHTS = [
    ("permissions/%2F/point", EVERYTHING, "different permissions: point is"),
    (
        "topic-permissions/%2F/point",
        {"exchange": "payment", "write": "", "read": ".*"},
        "different topic permissions: ",
    ),
    ("user-limits/point/max-channels", {"value": 65535}, "different limits: user point is"),
    ("vhost-limits/%2F/max-queues", {"value": 65535}, "different limits: virtual host is"),
    (
        "policies/%2F/point.steps",
        {"pattern": "^nothing$", "apply-to": "queues", "priority": 0, "definition": {"max-length": 1}},
        "different policy: point.steps is",
    ),
]


@pytest.mark.parametrize(("path", "put", "line"), RIGHTS, ids=[path for path, _, _ in RIGHTS])
def test_rights_and_limits_that_are_others_are_named(
    environment: Mapping[str, str], path: str, put: Mapping[str, Any], line: str
) -> None:
    """A permission, a topic permission, a limit of a user or of the virtual host, a policy."""
    address = environment["RABBITMQ_MANAGEMENT_URL"]
    wanted = declared(GRAPH)
    kept = {
        "permissions/%2F/point": wanted["permissions"]["point"],
        "topic-permissions/%2F/point": {"exchange": "payment", **wanted["topic permissions"]["point at payment"]},
        "user-limits/point/max-channels": {"value": wanted["limits"]["user point"]["max-channels"]},
        "vhost-limits/%2F/max-queues": {"value": wanted["limits"]["virtual host"]["max-queues"]},
        "policies/%2F/point.steps": wanted["policy"]["point.steps"],
    }
    with httpx2.Client(base_url=address) as api, changed(api, f"/api/{path}", put, kept[path]):
        (found,) = compare(wanted, live(address))
    assert found.startswith(line)
    assert compare(wanted, live(address)) == []


@pytest.mark.parametrize("tag", ["administrator", "impersonator", "monitoring"])
def test_a_service_with_a_tag_is_named(environment: Mapping[str, str], tag: str) -> None:
    """It could give itself rights, speak for others, or look at everything."""
    address, path = environment["RABBITMQ_MANAGEMENT_URL"], "/api/users/seat"
    with httpx2.Client(base_url=address) as api:
        hashed = api.get(path).raise_for_status().json()
        user = {"password_hash": hashed["password_hash"], "hashing_algorithm": hashed["hashing_algorithm"]}
        with changed(api, path, user | {"tags": tag}, user | {"tags": ""}):
            found = compare(declared(GRAPH), live(address))

    assert found == [f"different tags: seat is ['{tag}'], should be []"]


def test_a_service_with_more_rights_than_it_should_have_is_named(environment: Mapping[str, str]) -> None:
    """At an exchange that it has nothing to do with, and in another virtual host; other people's are their own."""
    address, vhost = environment["RABBITMQ_MANAGEMENT_URL"], f"other-{uuid.uuid4().hex}"
    with httpx2.Client(base_url=address) as api, contextlib.ExitStack() as undone:
        undone.enter_context(changed(api, f"/api/vhosts/{vhost}", {}, None))
        undone.enter_context(changed(api, f"/api/permissions/{vhost}/seat", EVERYTHING, None))
        undone.enter_context(changed(api, "/api/users/somebody", {"password": vhost, "tags": "monitoring"}, None))
        undone.enter_context(changed(api, "/api/permissions/%2F/somebody", EVERYTHING, None))
        right = {"exchange": "point", "write": ".*", "read": ".*"}
        api.put("/api/topic-permissions/%2F/seat", json=right).raise_for_status()
        undone.callback(lambda: api.delete("/api/topic-permissions/%2F/seat/point").raise_for_status())
        found = compare(declared(GRAPH), live(address))

    assert found == [f"extra permissions: seat in virtual host {vhost}", "extra topic permissions: seat at point"]


def test_a_broker_that_cannot_be_asked_is_no_drift() -> None:
    """Without an answer the command says what to do, and its exit code is neither yes nor no."""
    result = CliRunner().invoke(app, ["drift", "--url", "http://127.0.0.1:1"])

    assert result.exit_code == 2
    assert "make up" in result.output
