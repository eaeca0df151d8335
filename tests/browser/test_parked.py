"""What was put aside is found, shown, redriven and discarded by clicking."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.stage import StagePage
from tests.browser.stuck import STEP, Stuck, stuck
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.fan import Operator
from tests.end_to_end.system import System

pytestmark = pytest.mark.browser


POISONED = "reservation.confirm"


@pytest.fixture
async def waiting(system: System, broker: Broker, catalogue: Catalogue, operator: Operator) -> AsyncIterator[Stuck]:
    """A checkout that is parked, and would succeed now."""
    async with stuck(system, broker, catalogue, operator) as one:
        yield one


async def test_parked_message_is_redriven_and_succeeds(page: Page, waiting: Stuck, operator: Operator) -> None:
    """Found in the list, shown with its error and body, and put back, it lets its checkout complete."""
    checkout_id = waiting.checkout_id
    await page.goto("/")
    await page.get_by_role("link", name="Parked", exact=True).click()
    await _found(page, STEP, checkout_id).get_by_role("link", name="payment.paid").click()
    await expect(page.locator("dd.error")).to_contain_text("unsellable")
    await expect(page.get_by_label("Body")).to_contain_text(checkout_id)
    saga = await page.context.new_page()
    await saga.goto(f"/sagas/{checkout_id}")
    await expect(saga.locator(".wait-line")).to_contain_text("is parked: needs a person")

    await page.get_by_role("button", name="Redrive", exact=True).click()

    await expect(page.get_by_role("status").filter(has_text="redriven")).to_contain_text("seat: 1 redriven.")
    await expect(saga.locator("#saga-head .pill")).to_have_text("completed")
    await page.goto("/parked/history")
    await expect(_done(page, "redrive", operator)).to_be_visible()


async def test_poison_is_discarded_with_a_reason(stage: StagePage, operator: Operator) -> None:
    """It is gone from the list, and the history names the operator and the reason."""
    page, reason = stage.page, f"made for a test {uuid4().hex}"
    await page.get_by_label("Step to poison").select_option(POISONED)
    await stage.press("Send it a broken message")
    await expect(page.locator("#said")).to_contain_text("it will be among what is parked")
    await page.get_by_role("link", name="Parked", exact=True).click()
    await _found(page, POISONED).get_by_role("link").first.click()
    await expect(page.get_by_label("Body")).to_contain_text("this is where somebody stopped wri")

    await page.get_by_label("Reason").fill(reason)
    await page.get_by_role("button", name="Discard").click()

    await expect(page.get_by_role("status").filter(has_text=reason)).to_contain_text(f"{POISONED}: discarded")
    await page.get_by_role("link", name="Who did what").click()
    await expect(_done(page, "discard", operator).filter(has_text=reason)).to_be_visible()


def _found(page: Page, step: str, text: str = "") -> Locator:
    """The row of a message that is put aside."""
    table = page.get_by_role("region", name="Table of messages put aside")
    return table.get_by_role("row").filter(has_text=step).filter(has_text=text)


def _done(page: Page, what: str, operator: Operator) -> Locator:
    """What an operator did, in the history."""
    return page.get_by_role("row").filter(has_text=what).filter(has_text=operator.user_id)
