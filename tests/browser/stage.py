"""The stage in a browser: what a fan sees there and clicks on."""

from typing import Final
from uuid import uuid4

from playwright.async_api import Locator, Page, expect

from tests.end_to_end.catalogue import CHEAP

_A_DATE, _A_PAGE = 500, 100
"""Seats of a seeded date, and of a page of it"""


def seats_page(fan: str, seat_id: int) -> str:
    """The path of the page on which a fan sees a seat of a seeded date."""
    date, place = divmod(seat_id - 1, _A_DATE)
    return f"/stage?fan={fan}&date={date + 1}&page={place // _A_PAGE}"


class StagePage:
    """The page, one fan on it, and one seat."""

    def __init__(self, page: Page, seat_id: int) -> None:
        self.page: Final = page
        self.fan: Final = f"browser-{uuid4().hex[:8]}"
        self._tick = page.locator(f"#seat-{seat_id}")
        self.seat: Final = page.locator("label.seat").filter(has=self._tick)
        self.holds: Final = self.region("holds")
        self.saga: Final = self.region("saga")

    def region(self, name: str) -> Locator:
        """A part of the page."""
        return self.page.locator(f"[data-region={name}]")

    async def press(self, name: str) -> None:
        """Click on a button, and wait until it is said what came of it."""
        await self.page.get_by_role("button", name=name, exact=True).click()
        await expect(self.page.locator("#said")).to_have_class("stage-said good")

    async def charge(self) -> None:
        """Charge what the seat costs."""
        await self.page.get_by_label("Points", exact=True).fill(str(CHEAP))
        await self.press("Charge")
        await expect(self.region("wallet")).to_contain_text(f"{CHEAP:,} points")

    async def tick(self) -> None:
        """Choose the seat."""
        await self._tick.check()

    async def hold(self) -> None:
        """Charge, choose the seat and hold it."""
        await self.charge()
        await self.tick()
        await self.press("Hold")
        await expect(self.seat).to_contain_text("held by you")

    async def pay(self) -> None:
        """Pay for the hold."""
        await self.holds.get_by_role("button", name="Pay").click()
        await expect(self.saga).to_contain_text("Your latest checkout")

    async def follow(self) -> Page:
        """Open the saga's own page beside this one."""
        beside = await self.page.context.new_page()
        path = await self.saga.locator("#saga-link").get_attribute("href")
        await beside.goto(path or "")
        return beside
