"""The frame logs what it does; in thousands of worlds nobody reads it."""

import logging
from collections.abc import Iterator

import pytest
import structlog


def be_quiet() -> None:
    """Log nothing from now on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is logged while the worlds of a module run."""
    be_quiet()
    yield
    structlog.reset_defaults()
