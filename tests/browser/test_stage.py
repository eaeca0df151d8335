"""The stage in a browser: a fan buys, something breaks, and the saga's page says what became of it."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.browser.stage import StagePage
from tests.end_to_end.eventually import eventually
from tests.end_to_end.system import System

pytestmark = pytest.mark.browser


VICTIM = "seat_svc"
MIRRORED = [
    "checkout.failed undoes checkout.requested",
    "payment.reverted undoes payment.paid",
    "point.refunded undoes point.spent",
    "reservation.reverted undoes reservation.confirmed",
]


async def test_fan_buys_a_seat_by_clicking(stage: StagePage) -> None:
    """Charged, held and paid for, the seat is bought; the saga beside it has completed."""
    await stage.hold()
    await stage.pay()

    await expect(stage.holds).to_contain_text("✓ completed")
    await expect(stage.saga).to_contain_text("checkout.completed")
    await expect(stage.seat).to_contain_text("bought by you")
    await expect(stage.region("wallet")).to_contain_text("0 points")


async def test_withdrawn_seat_mirrors_what_was_done(stage: StagePage) -> None:
    """A checkout of a seat that was withdrawn rolls back: each undo is tied to what it undoes."""
    await stage.hold()
    await stage.tick()
    await stage.press("Withdraw")

    await stage.pay()
    await expect(stage.holds).to_contain_text("failed: seat-withdrawn")
    await stage.tick()
    await stage.press("Return")
    saga = await stage.follow()

    await expect(saga.locator("#saga-head .pill")).to_have_text("failed")
    await expect(saga.locator("#saga-head")).to_contain_text("seat-withdrawn")
    assert sorted(await saga.locator("svg.sequence .bracket title").all_text_contents()) == MIRRORED
    table = saga.get_by_role("region", name="Table of the timeline")
    await expect(table.get_by_text("↶ undoes")).to_have_count(len(MIRRORED))


@pytest.fixture
async def mended(system: System, stage: StagePage) -> AsyncIterator[None]:
    """Whatever a test has stopped runs again in the end."""
    yield
    token = system.token("operator-stage", scope="operator")
    await system.ask("POST", "stage", f"/processes/{VICTIM}/resume", token)

    async def ready() -> bool:
        return (await system.ask("GET", "seat", "/readyz")).is_success

    await eventually(ready)


@pytest.mark.usefixtures("mended")
async def test_stopped_service_is_waited_for(stage: StagePage) -> None:
    """The page of the saga says which step it waits for, and by itself that the saga has ended."""
    await stage.hold()
    await stage.press(f"stop {VICTIM}")
    await expect(stage.page.get_by_role("row", name=VICTIM)).to_contain_text("stopped")

    await stage.pay()
    saga = await stage.follow()
    wait = saga.locator(".wait-line")
    await expect(wait).to_contain_text(re.compile("seat.reserve has not answered payment.paid for .+"))
    await stage.press(f"resume {VICTIM}")

    await expect(saga.locator("#saga-head .pill")).to_have_text("completed")
    await expect(wait).to_have_count(0)
