"""Says at once what the machine lacks, before hundreds of tests trip over it."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

import stack
from stack.errors import StackError

TESTS = Path(__file__).parent
LONGEST_FIRST = ("end_to_end", "attacks", "contract", "chaos", "simulation")
"""The folders that take longest; who begins with one of them late is waited for in the end"""
WITHOUT_SERVERS = ("simulation", "unit", "window_pages", "memory", "bench", "supply")
"""Of these folders each module may go to another process"""
HALVED = {"end_to_end": "test_o"}
"""Folders that take twice as long as any other: from this module on their tests have servers of their own"""
# The tests in these folders bring a stack up, unless STACK_ENV names one that runs.
ON_A_STACK = (TESTS / "end_to_end", TESTS / "chaos", TESTS / "attacks", TESTS / "browser")


class ByServers(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Where several processes share the tests out (`make test`), those of one folder share its servers.

    The marker `xdist_group` would say the same, and is not heard by every release of pytest.
    """

    def _split_scope(self, nodeid: str) -> str:
        _, folder, module, *_ = nodeid.split("/")
        if folder in WITHOUT_SERVERS:
            return nodeid.partition("::")[0]
        is_second = folder in HALVED and module >= HALVED[folder]
        return f"{folder}, second half" if is_second else folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServers:
    """Who shares the tests out."""
    return ByServers(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, where several share the tests out."""
    if _is_one_of_several():
        items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, int]:
    """What waits for processes of its own begins first."""
    folder = item.path.relative_to(TESTS).parts[0]
    waits = "every_seed" in getattr(item, "fixturenames", ())
    return not waits, LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


def _is_one_of_several() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or install what a stack needs, if one of the chosen tests needs a stack; else end the run."""
    # `make test` has prepared everything for all of them.
    if session.config.option.collectonly or _is_one_of_several() or "STACK_ENV" in os.environ:
        return
    if any(item.path.is_relative_to(folder) for item in session.items for folder in ON_A_STACK):
        try:
            stack.prepare()
        except StackError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """What a command of ours sets for its own process would outlive the test that ran it in this one."""
    level, handlers = logging.root.level, logging.root.handlers[:]
    yield
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers
