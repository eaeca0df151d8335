"""Services: what the stage asks of them over HTTP, and what it says when they do not answer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx2

from chassis.web.problem import Problem
from stack.directory import Directory
from stack.errors import StackError

PATIENCE = 8.0
"""Seconds that a service may take to answer; it may be paused"""
_LIMITS = httpx2.Limits(max_connections=100, keepalive_expiry=2.0)


def client() -> httpx2.AsyncClient:
    """A client that leaves the machine through no proxy."""
    return httpx2.AsyncClient(timeout=PATIENCE, limits=_LIMITS, trust_env=False)


def environment(directory: Directory) -> dict[str, str]:
    """The env file of the stack as it is now: secrets may have changed. Raises Problem 503 without one."""
    try:
        return directory.running()
    except StackError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


class Services:
    """The services of the stack and its platform, by the names of their processes."""

    def __init__(self, directory: Directory, http: httpx2.AsyncClient) -> None:
        self.directory = directory
        self._http = http

    async def ask(
        self, method: str, name: str, path: str, headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Any:
        """What a service answers; raises Problem with its own words where it refuses, 504 where it does not answer."""
        url = environment(self.directory)[f"{name.removesuffix('_svc').upper()}_URL"]
        try:
            answer = await self._http.request(method, url + path, headers=headers, json=json)
        except httpx2.TimeoutException as error:
            detail = f"{name} has not answered in {PATIENCE:.0f} seconds; what was asked may still happen."
            raise Problem(HTTPStatus.GATEWAY_TIMEOUT, detail, "no-answer") from error
        except httpx2.HTTPError as error:
            raise Problem(HTTPStatus.BAD_GATEWAY, f"{name} cannot be reached: it does not run.", "no-answer") from error
        if answer.is_error:
            raise _refusal(name, answer)
        return answer.json() if answer.content else None


def _refusal(name: str, answer: httpx2.Response) -> Problem:
    """The same problem, from one door further."""
    try:
        document = answer.json()
        detail, kind = str(document["detail"]), str(document["type"]).removeprefix("urn:problem:")
    except (ValueError, KeyError, TypeError):
        detail, kind = f"It answers {answer.status_code}.", "bad-gateway"
    # A token that the stage has made, and nobody else, can be what a service does not believe.
    status = answer.status_code if answer.status_code != HTTPStatus.UNAUTHORIZED else HTTPStatus.BAD_GATEWAY
    return Problem(HTTPStatus(status), f"{name} says: {detail}", kind)
