"""Browsing: contexts in which a page may not complain without a test hearing of it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, WebError

from tests.end_to_end.eventually import WITHIN

MILLISECONDS = WITHIN * 1000
"""How long a browser waits for what a test expects"""


@contextlib.asynccontextmanager
async def opened(browser: Browser, **options: Any) -> AsyncIterator[BrowserContext]:
    """A context of its own; raises AssertionError in the end if a page has logged an error, such as a breach of CSP."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def note_error(error: WebError) -> None:
        complaints.append(str(error.error))

    context = await browser.new_context(**options)
    context.set_default_timeout(MILLISECONDS)
    context.on("console", note)
    context.on("weberror", note_error)
    try:
        yield context
    finally:
        await context.close()
    assert not complaints, complaints
