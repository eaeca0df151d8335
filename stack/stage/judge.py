"""Judge: asks the invariants of the whole system, and not more often than people look."""

import asyncio
import time
from http import HTTPStatus

import asyncpg
import httpx2
from pydantic import BaseModel

from chassis.web.problem import Problem
from stack.demo.invariants import Finding, examine
from stack.directory import Directory
from stack.stage.services import environment

MAX_AGE = 3.0
"""Seconds for which an answer is good"""
SECONDS = 15.0
"""How long one judgement may take"""
MAX_VIOLATIONS = 5


class Invariant(BaseModel):
    """One invariant; while something is under way some do not hold yet."""

    name: str
    what: str
    holds: bool
    violations: list[str]
    """The first few"""


class Judge:
    """The latest judgement."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._asking = asyncio.Lock()
        self._judged: list[Invariant] = []
        self._judged_at = -MAX_AGE

    async def judge(self) -> list[Invariant]:
        """All invariants, at most some seconds old; raises Problem 503 where they cannot be asked."""
        async with self._asking:
            if time.monotonic() - self._judged_at > MAX_AGE:
                self._judged = [_shown(finding) for finding in await self._examine()]
                self._judged_at = time.monotonic()
        return self._judged

    async def _examine(self) -> list[Finding]:
        try:
            async with asyncio.timeout(SECONDS):
                return await examine(environment(self._directory))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx2.HTTPError) as error:
            detail = "The invariants cannot be asked: a database, the broker or the platform does not answer."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "no-answer") from error


def _shown(finding: Finding) -> Invariant:
    return Invariant(
        name=finding.invariant,
        what=finding.what,
        holds=not finding.violations,
        violations=finding.violations[:MAX_VIOLATIONS],
    )
