"""A full disk delays, and is blamed on nobody."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos import disks
from tests.chaos.drill import Drill
from tests.chaos.ledger import Ledger
from tests.chaos.programs import PROGRAMS
from tests.chaos.site import Site

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
async def cramped(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> AsyncIterator[Drill]:
    """Runs scripts on a site whose servers have small disks."""
    path: Path = tmp_path_factory.mktemp("cramped") / "stack"
    with disks.small_disks(path):
        async with Site.of(path) as site:
            yield Drill(site, ledger)


async def test_full_disk_of_the_databases_is_waited_for(cramped: Drill) -> None:
    """Nothing is sent to another attempt or parked, and clients get a 503."""
    await cramped.run("database: disk full", disks.of_the_database, spares=PROGRAMS)


async def test_broker_that_a_full_disk_has_broken_is_started_anew(cramped: Drill) -> None:
    """No service says meanwhile that it is ready."""
    await cramped.run("broker: disk full", disks.of_the_broker, spares=PROGRAMS)
