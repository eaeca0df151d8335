"""Asking: what the page asks of the program of the stage, with the token of the operator who looks."""

from collections.abc import Mapping
from typing import Any, Protocol

import httpx2

SECONDS = 20.0
"""How long the stage may take; for a crowd it takes longest"""
CROWD_SECONDS = 70.0


class StageError(Exception):
    """The stage does not do it, and says why."""


class Asks(Protocol):
    """Asks the stage for something."""

    async def __call__(self, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer; raises StageError with a sentence."""


class Stage:
    """The program of the stage, at its address."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._http = http

    async def __call__(self, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer; raises StageError with a sentence."""
        seconds = CROWD_SECONDS if path == "/crowd" else SECONDS
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._http.request(method, self._url + path, json=body, headers=headers, timeout=seconds)
            document = answer.json() if answer.content else {}
        except (httpx2.HTTPError, ValueError) as error:
            raise StageError("The stage does not answer: is the stack of make up running?") from error
        if answer.is_error:
            raise StageError(str(document.get("detail", f"The stage answers {answer.status_code}.")))
        return document
