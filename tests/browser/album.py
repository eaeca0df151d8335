"""Album: pictures of each page of the window, while much goes on and while something is broken.

make up && python -m tests.browser.album docs/window
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, StorageState, async_playwright, expect

from stack.directory import Directory
from stack.progress import Progress
from stack.servers import packages
from tests.browser.browsing import MILLISECONDS
from tests.browser.stage import seats_page
from tests.browser.stuck import stuck
from tests.chaos.node import OwnNode
from tests.chaos.programs import Programs
from tests.chaos.shoppers import Shoppers
from tests.chaos.site import Site
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Operator
from tests.end_to_end.system import System

RATE, UNDER_LOAD, BROKEN = 8.0, 45.0, 12.0
"""Fans in a second, and the seconds that a picture waits for something to be seen on it"""
BROKEN_SERVICE: Final = "seat_svc"
SIZES: Final = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LOOKS: Final = {
    "load": (("light", "desk"), ("dark", "phone")),
    "break": (("dark", "desk"), ("light", "phone")),
}
"""Of each page four pictures: in either light and of either size, twice each"""
SETTLED = 1_500
"""Milliseconds that a page has to fill in what it asks for by itself"""


class Album:
    """Takes the pictures, and puts them into a folder."""

    def __init__(self, folder: Path, browser: Browser, state: StorageState, base: str) -> None:
        self._folder = folder
        self._browser = browser
        self._state = state
        self._base = base

    async def take(self, when: str, paths: Mapping[str, str]) -> None:
        """Each page, as it is now."""
        for scheme, size in LOOKS[when]:
            options: dict[str, Any] = {"color_scheme": scheme, "viewport": SIZES[size], "base_url": self._base}
            context = await self._browser.new_context(storage_state=self._state, **options)
            for name, path in paths.items():
                page = await context.new_page()
                await page.goto(path)
                await page.wait_for_timeout(SETTLED)
                file = self._folder / f"{name}-{when}-{scheme}-{size}.png"
                await page.screenshot(path=file, full_page=size == "desk" and name in ("now", "saga"))
                print(file)  # noqa: T201  # it is a command
                await page.close()
            await context.close()


async def main(folder: Path) -> None:
    """Take all pictures of the stack that runs."""
    directory = Directory.of()
    environment = directory.environment()
    programs = Programs(directory.path)
    async with System.of(environment) as system, _browser(directory) as browser:
        site, operator = Site.around(system, programs, OwnNode(programs)), Operator(system)
        album = Album(folder, browser, await _signed_in(browser, environment, operator), environment["WINDOW_URL"])
        async with Broker.of(environment) as broker, stuck(system, broker, site.catalogue, operator):
            fan = Fan(system)
            seat_id = (await site.catalogue.free())[0]
            hold = await fan.hold(seat_id)
            await fan.charge(hold.total)
            async with Shoppers(site, RATE).shopping():
                await asyncio.sleep(UNDER_LOAD)
                stage = seats_page(fan.user_id, seat_id)
                await album.take("load", _paths(await _saga(operator, "state=failed"), stage))
                frozen = asyncio.create_task(programs.freeze(BROKEN_SERVICE, BROKEN + 60))
                try:
                    await fan.begin(hold)
                    await asyncio.sleep(BROKEN)
                    await album.take("break", _paths(await _saga(operator, "state=out"), stage))
                finally:
                    frozen.cancel()
                    await asyncio.gather(frozen, return_exceptions=True)


def _paths(saga_id: str, stage: str) -> dict[str, str]:
    return {
        "now": "/",
        "sagas": "/sagas",
        "saga": f"/sagas/{saga_id}",
        "parked": "/parked",
        "audit": "/audit",
        "stage": stage,
    }


async def _saga(operator: Operator, wanted: str) -> str:
    """The newest checkout that is so, and has more than a beginning."""

    async def look() -> list[str]:
        found = (await operator.get("window", f"/api/sagas?saga=checkout&{wanted}"))["sagas"]
        return [one["saga_id"] for one in found if one["events"] > 3]

    return (await eventually(look))[0]


@contextlib.asynccontextmanager
async def _browser(directory: Directory) -> AsyncIterator[Browser]:
    path = packages.found("chromium", "chromium", directory.log("chromium"), Progress())
    expect.set_options(timeout=MILLISECONDS)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        await running.close()


async def _signed_in(browser: Browser, environment: Mapping[str, str], operator: Operator) -> StorageState:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{environment['WINDOW_URL']}/sign-in#token={operator.token}")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    state = await context.storage_state()
    await context.close()
    return state


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
