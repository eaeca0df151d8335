"""The system that the tests of this folder share, and the people who use it."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

import stack
from stack.demo.invariants import examine
from stack.directory import read_environment
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.stores import KINDS, Store, opened
from tests.end_to_end.system import System

STACK_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of all brings the stack up, which on a new machine may have to install the broker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(STACK_SECONDS))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The env file of the stack that STACK_ENV names, else of one that lives as long as the tests."""
    if named := os.environ.get("STACK_ENV"):
        yield read_environment(Path(named))
        return
    path = tmp_path_factory.mktemp("stack")
    try:
        yield stack.up(path)
    finally:
        stack.down(path)


@pytest.fixture(scope="session")
async def system(environment: Mapping[str, str]) -> AsyncIterator[System]:
    """The running system."""
    async with System.of(environment) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
async def invariants(system: System) -> AsyncIterator[None]:
    """Whatever the tests have done, all invariants hold in the end."""
    yield

    async def violated() -> list[str]:
        findings = await examine(system.environment)
        return [f"{one.invariant}: {violation}" for one in findings for violation in one.violations]

    await eventually(violated, lambda violations: not violations)


@pytest.fixture
async def broker(environment: Mapping[str, str]) -> AsyncIterator[Broker]:
    """The running system's broker."""
    async with Broker.of(environment) as running:
        yield running


@pytest.fixture
async def observer(broker: Broker) -> AsyncIterator[Observer]:
    """Hears everything that the services say during a test."""
    async with broker.observe() as listening:
        yield listening


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, environment: Mapping[str, str]) -> AsyncIterator[Store]:
    """The database of point_svc, or one in memory, in which ann and bob have a wallet."""
    async with opened(request.param, environment) as tested:
        await tested.furnish()
        yield tested
        await tested.clear()


@pytest.fixture(scope="session")
def catalogue(system: System) -> Catalogue:
    """Free seats."""
    return Catalogue(system)


@pytest.fixture
async def platform(system: System) -> AsyncIterator[Platform]:
    """The external platform, which works again when a test is over."""
    outside = Platform(system)
    yield outside
    await outside.recover()


@pytest.fixture
def fan(system: System) -> Fan:
    """A fan whom nobody else is."""
    return Fan(system)


@pytest.fixture
def operator(system: System) -> Operator:
    """An operator."""
    return Operator(system)


@pytest.fixture
async def hold(fan: Fan, catalogue: Catalogue) -> Hold:
    """Two seats that the fan holds and has not paid for."""
    return await fan.hold(*await catalogue.free(2))
