"""A browser, an operator who is signed in, and the system that the tests of this folder have of their own."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, StorageState, async_playwright, expect

from stack.progress import Progress
from stack.servers import packages
from tests.browser.browsing import MILLISECONDS, opened
from tests.browser.stage import StagePage, seats_page
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.conftest import (
    STACK_SECONDS,
    broker,
    catalogue,
    environment,
    invariants,
    system,
)
from tests.end_to_end.fan import Operator
from tests.end_to_end.system import System

__all__ = ["broker", "catalogue", "environment", "invariants", "system"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test brings the stack up."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(STACK_SECONDS))


@pytest.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """The machine's Chromium, installed if it is missing."""
    path = packages.found("chromium", "chromium", tmp_path_factory.mktemp("chromium") / "log", Progress())
    expect.set_options(timeout=MILLISECONDS)
    async with async_playwright() as playwright:
        # Its sandbox wants rights that root in a container lacks; it shows nothing here but our own pages.
        running = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture(scope="session")
def operator(system: System) -> Operator:
    """The operator who looks at the pages."""
    return Operator(system)


@pytest.fixture(scope="session")
def window(environment: Mapping[str, str]) -> str:
    """The address of the window."""
    if "WINDOW_URL" not in environment:
        pytest.skip("this system has no window")
    return environment["WINDOW_URL"]


@pytest.fixture(scope="session")
async def signed_in(browser: Browser, window: str, operator: Operator) -> StorageState:
    """What a browser keeps of an operator who has followed a link with a token."""
    async with opened(browser) as context:
        page = await context.new_page()
        await page.goto(f"{window}/sign-in#token={operator.token}")
        await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        return await context.storage_state()


@pytest.fixture
async def page(browser: Browser, window: str, signed_in: StorageState) -> AsyncIterator[Page]:
    """A page of an operator, from which paths lead into the window."""
    async with opened(browser, storage_state=signed_in, base_url=window) as context:
        yield await context.new_page()


@pytest.fixture
async def stage(page: Page, catalogue: Catalogue, environment: Mapping[str, str]) -> StagePage:
    """The stage, with a fan whom nobody else is, before a seat that is free."""
    if "STAGE_URL" not in environment:
        pytest.skip("only the stack of make up has a stage")
    (seat_id,) = await catalogue.free()
    playing = StagePage(page, seat_id)
    await page.goto(seats_page(playing.fan, seat_id))
    await expect(playing.seat).to_contain_text("available")
    return playing
