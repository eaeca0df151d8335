"""The site that the scripts of this folder share, and the table of what they have found."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.containers import named_site
from tests.chaos.drill import Drill
from tests.chaos.ledger import Ledger
from tests.chaos.site import Site

SCRIPT_SECONDS = 300
_LEDGER = pytest.StashKey[Ledger]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A script takes longer than other tests, and the first one brings the stack up."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(SCRIPT_SECONDS))


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """The ledger of this run."""
    return pytestconfig.stash.setdefault(_LEDGER, Ledger())


@pytest.fixture(scope="package")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A stack that is there to be broken: the containers that STACK_ENV names, else one of its own."""
    named = os.environ.get("STACK_ENV")
    with pytest.MonkeyPatch.context() as patch:
        # What is killed writes no coverage, and what is started a hundred times should not wait for its measuring.
        for variable in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
            patch.delenv(variable, raising=False)
        async with named_site(Path(named)) if named else Site.of(tmp_path_factory.mktemp("chaos")) as running:
            yield running


@pytest.fixture(scope="package")
def drill(site: Site, ledger: Ledger) -> Drill:
    """Runs the scripts."""
    return Drill(site, ledger)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    ledger = config.stash.get(_LEDGER, Ledger())
    if ledger.rows:
        terminalreporter.section("chaos")
        for line in ledger.table():
            terminalreporter.write_line(line)
