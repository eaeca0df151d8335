"""Every page in a browser: readable by everybody, in light and dark, on a desk and on a phone."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from playwright.async_api import Browser, StorageState

from tests.browser.browsing import opened
from tests.browser.stuck import STEP, stuck
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Operator
from tests.end_to_end.system import System

pytestmark = pytest.mark.browser


PAGES = {
    "signing in": "/sign-in",
    "now": "/",
    "sagas": "/sagas",
    "a saga that failed": "/sagas/{failed}",
    "a saga that is stuck": "/sagas/{stuck}",
    "an event": "/sagas/{stuck}/events/{parked}",
    "what is parked": "/parked",
    "a message that is parked": f"/parked/{STEP}/{{parked}}",
    "who did what": "/parked/history",
    "audit": "/audit",
    "stage": "/stage?fan={fan}",
}
"""Their paths"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""By how much a page is wider than the browser"""


@pytest.fixture(scope="session")
async def shown(
    environment: Mapping[str, str], system: System, catalogue: Catalogue, operator: Operator
) -> AsyncIterator[Mapping[str, str]]:
    """A checkout that failed and one that is stuck, once the window knows of both; under the words of the paths."""
    fan = Fan(system)
    failed = await _failed(fan, catalogue, operator)
    async with Broker.of(environment) as broker, stuck(system, broker, catalogue, operator) as waiting:

        async def is_seen() -> bool:
            ended = (await operator.get("window", f"/api/sagas?text={failed}&state=failed"))["sagas"]
            aside = (await operator.get("window", "/api/aside"))["messages"]
            return bool(ended) and waiting.event_id in {one["message"]["event_id"] for one in aside}

        await eventually(is_seen)
        yield {"fan": fan.user_id, "failed": failed, "stuck": waiting.checkout_id, "parked": waiting.event_id}


async def _failed(fan: Fan, catalogue: Catalogue, operator: Operator) -> str:
    (seat_id,) = await catalogue.free()
    hold = await fan.hold(seat_id)
    await fan.charge(hold.total)
    await operator.withdraw(seat_id)
    end = await fan.check_out(hold)
    await operator.put_back(seat_id)
    return str(end["checkout_id"])


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
async def test_page_is_for_everybody(
    browser: Browser, window: str, signed_in: StorageState, shown: Mapping[str, str], name: str, scheme: str, width: int
) -> None:
    """No rule of axe is broken, nothing scrolls sideways, and the browser has nothing to complain of."""
    size = {"width": width, "height": 900}
    async with opened(browser, storage_state=signed_in, base_url=window, viewport=size, color_scheme=scheme) as context:
        page = await context.new_page()
        answer = await page.goto(PAGES[name].format(**shown))
        found = await Axe().run(page)
        sideways = await page.evaluate(SIDEWAYS)

    assert answer is not None
    assert answer.ok
    assert _broken(found.response) == []
    assert sideways == 0


def _broken(response: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The rules that are broken, each with the elements that break it."""
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in response["violations"]]
