"""Rates: how many requests a user and an address may send in a second."""

from http import HTTPStatus

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from chassis.telemetry import metrics
from chassis.web.problem import Problem


class Rates:
    """The requests of this second; what one process counts, no other knows."""

    def __init__(self, user: int, address: int) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._user = RateLimitItemPerSecond(user)
        self._address = RateLimitItemPerSecond(address)

    async def count_address(self, address: str) -> None:
        """Count a request; raises Problem 429 where it is one too many."""
        await self._count(self._address, "address", address)

    async def count_user(self, user_id: str) -> None:
        """Count a request; raises Problem 429 where it is one too many."""
        await self._count(self._user, "user", user_id)

    async def _count(self, allowed: RateLimitItemPerSecond, whose: str, key: str) -> None:
        if not await self._limiter.hit(allowed, whose, key):
            metrics.turned_away.labels(f"rate of {whose}").inc()
            detail = f"Nothing was done: more than {allowed.amount} requests in a second. Try again shortly."
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": "1"})
