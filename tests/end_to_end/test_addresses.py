"""A service that is told of several hosts uses one that is there, and goes to another when that one dies."""

import contextlib
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.eventually import eventually
from tests.end_to_end.starting import HERE, forwarding, free_port, readiness, started
from tests.end_to_end.system import System

SOON = 10.0
"""Seconds: far more than it takes to be let in elsewhere, and less than a node would have to answer"""


def at(url: str, *ports: int) -> str:
    """The address with these hosts."""
    parts = urlsplit(url)
    login, sign, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}{sign}{','.join(f'{HERE}:{port}' for port in ports)}").geturl()


def port_of(url: str) -> int:
    """The port of an address."""
    return urlsplit(url).port or 0


@pytest.fixture
def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What a second process of point_svc needs. The stack's administrator stands in for the service at the broker."""
    names = ("POINT_DATABASE_URL", "TOKEN_KEYS")
    broker = {"POINT_RABBITMQ_URL": environment["RABBITMQ_URL"], "POINT_PORT": str(free_port())}
    return {name: environment[name] for name in names} | broker


async def test_dead_hosts_do_not_keep_a_service_from_its_part(system: System, settings: dict[str, str]) -> None:
    """Of the broker's two nodes and the database's two servers, the first is dead."""
    # given
    for name in ("POINT_RABBITMQ_URL", "POINT_DATABASE_URL"):
        settings[name] = at(settings[name], free_port(), port_of(settings[name]))
    async with started(settings):
        # when
        seen = await eventually(
            lambda: readiness(int(settings["POINT_PORT"]), system), lambda seen: seen.get("status") == "ready"
        )
    # then
    assert (seen["broker"], seen["database"], seen["consumers"]) == ("ok", "ok", "ok")


async def test_service_goes_to_another_node_when_its_own_dies(system: System, settings: dict[str, str]) -> None:
    """It is ready there within seconds, and consumes there."""
    # given
    target, ways = port_of(settings["POINT_RABBITMQ_URL"]), (free_port(), free_port())
    settings["POINT_RABBITMQ_URL"] = at(settings["POINT_RABBITMQ_URL"], *ways)

    async def look() -> dict[str, object]:
        return await readiness(int(settings["POINT_PORT"]), system)

    async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as second, started(settings):
        await first.enter_async_context(forwarding(ways[0], target))
        await eventually(look, lambda seen: seen.get("status") == "ready")
        # when
        await second.enter_async_context(forwarding(ways[1], target))
        await first.aclose()
        # then
        await eventually(look, lambda seen: seen.get("status") == "ready", within=SOON)
        await second.aclose()
        await eventually(look, lambda seen: seen.get("broker") not in (None, "ok"))  # it was there, and nowhere else
