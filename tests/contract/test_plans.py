"""No statement takes the longer, the more was sold: each is run beside 200,000 rows a table, and its plan judged."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from chassis.choreography.loading import packages
from tests.contract.filling import ROWS
from tests.contract.performing import big_database, perform, told
from tests.contract.plans import Plan
from tests.contract.playing import Play

SERVICES = packages(Path(__file__).parents[2])
pytestmark = pytest.mark.timeout(300)  # the tables have to be filled first


@pytest.fixture(scope="module")
async def urls(postgres_admin_url: str) -> Mapping[str, str]:
    """The databases of all services, each with many rows in every table."""
    made = await asyncio.gather(*(big_database(postgres_admin_url, package, ROWS) for package in SERVICES))
    return dict(zip(SERVICES, made, strict=True))


@pytest.fixture(scope="module")
async def performed(urls: Mapping[str, str]) -> AsyncIterator[tuple[Play, list[Plan]]]:
    """Services that have done everything that they can do, and the plans of their statements."""
    with told() as plans:
        play = Play.of(urls)
        await perform(play, urls)
        yield play, plans
        await play.close()


async def test_every_endpoint_and_every_step_was_looked_at(performed: tuple[Play, list[Plan]]) -> None:
    """What is added to a service is added here too, or this fails."""
    play, _ = performed
    for name, player in play.players.items():
        assert play.asked[name] == player.endpoints
        assert player.ran == {step.queue for step in player.runtime.service.listening}


async def test_every_retention_was_looked_at(performed: tuple[Play, list[Plan]]) -> None:
    """What its function does has a plan too."""
    play, plans = performed
    deleted_from = {table for plan in plans if plan.sql.startswith("DELETE") for table in plan.tables}
    for player in play.players.values():
        assert {one.table for one in player.runtime._upkeep._roles.retentions} <= deleted_from


async def test_no_statement_reads_or_sorts_what_an_index_could_give(performed: tuple[Play, list[Plan]]) -> None:
    """Each reads a bounded number of rows by an index, and sorts no more than its arguments name."""
    _, plans = performed
    faults = {(plan.sql, fault) for plan in plans for fault in plan.faults}
    assert not faults, "\n".join(f"{fault}: {sql}" for sql, fault in sorted(faults))
