"""The frame logs what it does; in thousands of worlds nobody reads it."""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
import structlog

LOOKING = pytest.StashKey[tuple[Executor, Iterable[Any]]]()
"""What the processors are at, and what comes of it"""


def be_quiet() -> None:
    """Log nothing from now on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def be_quiet_and_nice() -> None:
    """As well, let everybody else go first: Linux weighs sessions against each other, and not only processes."""
    be_quiet()
    os.nice(19)
    with contextlib.suppress(OSError):
        os.setsid()
        Path("/proc/self/autogroup").write_text("19")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage: it would take three times as long, and everything is run elsewhere too."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin with what takes longest before anything else runs, unless another process may be the one that needs it."""
    asking = [item for item in session.items if isinstance(item, pytest.Function) and "every_seed" in item.fixturenames]
    if asking and not session.config.option.collectonly and "PYTEST_XDIST_WORKER" not in os.environ:
        session.config.stash[LOOKING] = asking[0].module.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nobody at work, however the session ends."""
    if LOOKING in session.config.stash:
        session.config.stash[LOOKING][0].shutdown(wait=False, cancel_futures=True)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is logged while the worlds of a module run."""
    be_quiet()
    yield
    structlog.reset_defaults()
