"""The load: fans come at a bounded rate, each on one of the ways that a checkout can go, and put up with errors."""

import asyncio
import contextlib
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import httpx2

from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.end_to_end.catalogue import CHEAP, DEAR
from tests.end_to_end.fan import ACCEPTED, OK, Fan, Operator

MAX_AT_ONCE = 60
MAX_IN_ALL = 3_000
REQUEST_WITHIN = 12.0
JOURNEY_WITHIN = 45.0
HOLD_WAIT = 5
TRIES = 4
BEING_ACCEPTED = "urn:problem:key-in-use"
OVER_THE_LIMIT = 4
"""So many dear seats cost more than one payment may."""


_TO_SOMEBODY_ELSE = "UPDATE payment SET user_id = 'x' || user_id WHERE payment_id = $1 AND status = 'PROCESSING'"


class GaveUpError(Exception):
    """The fan went home."""


class Shoppers:
    """Fans at work, until they are told that the shop closes."""

    def __init__(self, site: Site, rate: float, ways: Sequence[str] = ()) -> None:
        self.gone: Counter[str] = Counter()
        self.rate = rate
        self._site = site
        self._ways = ways or USUAL
        self._cheap: list[int] = []
        self._dear: list[int] = []
        self._sold: list[int] = []
        self._under_way: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def shopping(self) -> AsyncIterator[None]:
        """Come while the context lasts; then whoever has come finishes, or goes home."""
        self._cheap = list(await self._site.catalogue.new_date(MAX_IN_ALL, CHEAP))
        self._dear = list(await self._site.catalogue.new_date(OVER_THE_LIMIT * 50, DEAR))
        coming = asyncio.create_task(self._come())
        try:
            yield
        finally:
            coming.cancel()
            await asyncio.gather(coming, *self._under_way, return_exceptions=True)

    async def _come(self) -> None:
        for way in itertools.islice(itertools.cycle(self._ways), MAX_IN_ALL):
            if len(self._under_way) < MAX_AT_ONCE:
                task = asyncio.create_task(self._go(WAYS[way]))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            await asyncio.sleep(1 / self.rate)

    async def _go(self, way: "Way") -> None:
        try:
            async with asyncio.timeout(JOURNEY_WITHIN):
                await way(self, Fan(self._site.system, "shopper"))
        except (GaveUpError, *TROUBLE) as error:
            self.gone[type(error).__name__] += 1

    async def buy(self, fan: Fan) -> None:
        """Has the points, and gets the seat."""
        await self._charge(fan, CHEAP)
        payment_id = await self._hold(fan, [seat_id := self._cheap.pop()])
        await self._order(fan, payment_id)
        self._sold.append(seat_id)

    async def be_poor(self, fan: Fan) -> None:
        """Lacks one point."""
        await self._charge(fan, CHEAP - 1)
        await self._order(fan, await self._hold(fan, [self._cheap.pop()]))

    async def lose(self, fan: Fan) -> None:
        """Pays for a seat that was taken off sale, so that everything is undone."""
        await self._charge(fan, CHEAP)
        payment_id = await self._hold(fan, [seat_id := self._cheap.pop()])
        path = f"/operations/seats/{seat_id}/withdraw"
        await self._ask(Operator(self._site.system), "seat", path, headers=_key())
        await self._order(fan, payment_id)

    async def want_too_much(self, fan: Fan) -> None:
        """Asks for more than one payment may cost."""
        seat_ids, self._dear = self._dear[:OVER_THE_LIMIT], self._dear[OVER_THE_LIMIT:] + self._dear[:OVER_THE_LIMIT]
        with contextlib.suppress(GaveUpError):
            await self._hold(fan, seat_ids)

    async def come_late(self, fan: Fan) -> None:
        """Asks for a seat that somebody else has."""
        with contextlib.suppress(GaveUpError):
            await self._hold(fan, self._sold[-1:] or [self._cheap.pop()])

    async def forget(self, fan: Fan) -> None:
        """Holds a seat and lets the time run out."""
        payment_id = await self._hold(fan, [self._cheap.pop()])
        await self._change("reservation", "UPDATE reservation SET expires_at = now() WHERE payment_id = $1", payment_id)

    async def be_doubted(self, fan: Fan) -> None:
        """Pays for a reservation that turns out to cost something else."""
        await self._charge(fan, CHEAP)
        payment_id = await self._hold(fan, [self._cheap.pop()])
        await self._change("reservation", "UPDATE reservation SET price = price + 1 WHERE payment_id = $1", payment_id)
        await self._order(fan, payment_id)

    async def be_mistaken(self, fan: Fan) -> None:
        """Pays a payment that is somebody else's when it comes to it."""
        await self._charge(fan, CHEAP)
        payment_id = await self._hold(fan, [self._cheap.pop()])
        # The session is there before, because the checkout goes on meanwhile.
        async with self._site.session("payment") as session:
            await self._order(fan, payment_id)
            await session.execute(_TO_SOMEBODY_ELSE, payment_id)

    async def _charge(self, fan: Fan, amount: int) -> None:
        answer = await self._ask(fan, "point", "/points/charge", json={"amount": amount}, headers=_key())
        _expect(answer, OK)

    async def _hold(self, fan: Fan, seat_ids: Sequence[int]) -> UUID:
        body, headers = {"seat_ids": list(seat_ids)}, {"Prefer": f"wait={HOLD_WAIT}"} | _key()
        answer = await self._ask(fan, "reservation", "/reservations", json=body, headers=headers)
        _expect(answer, OK, ACCEPTED)
        state, path = answer.json(), f"/reservations/{answer.json()['payment_id']}"
        while state["status"] == "requested":
            await asyncio.sleep(1)
            with contextlib.suppress(httpx2.HTTPError):
                answer = await fan.ask("GET", "reservation", path, timeout=REQUEST_WITHIN)
                state = answer.json() if answer.is_success else state
        if state["status"] != "temp":
            raise GaveUpError(str(state))
        return UUID(state["payment_id"])

    async def _order(self, fan: Fan, payment_id: UUID) -> None:
        """Order with one key until there is an answer; whatever was accepted has to exist for ever."""
        answer = await self._ask(fan, "payment", "/checkouts", json={"payment_id": str(payment_id)}, headers=_key())
        _expect(answer, OK, ACCEPTED)
        self._site.accepted.add(UUID(answer.json()["checkout_id"]))

    async def _ask(self, fan: Fan, service: str, path: str, **options: Any) -> httpx2.Response:
        """Post, and repeat it with the same key while the service is in trouble."""
        for _ in range(TRIES):
            with contextlib.suppress(httpx2.HTTPError):
                answer = await fan.ask("POST", service, path, timeout=REQUEST_WITHIN, **options)
                if not answer.is_server_error and BEING_ACCEPTED not in answer.text:
                    return answer
            await asyncio.sleep(1)
        raise GaveUpError(path)

    async def _change(self, service: str, statement: str, payment_id: UUID) -> None:
        async with self._site.session(service) as session:
            await session.execute(statement, payment_id)


def _key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def _expect(answer: httpx2.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        raise GaveUpError(f"{answer.request.url.path}: {answer.status_code} {answer.text[:200]}")


Way = Callable[[Shoppers, Fan], Awaitable[None]]

WAYS: dict[str, Way] = {
    "buy": Shoppers.buy,
    "poor": Shoppers.be_poor,
    "lose": Shoppers.lose,
    "too much": Shoppers.want_too_much,
    "late": Shoppers.come_late,
    "forget": Shoppers.forget,
    "doubted": Shoppers.be_doubted,
    "mistaken": Shoppers.be_mistaken,
}
USUAL = ("buy", "lose", "buy", "poor", "buy", "too much", "buy", "forget", "buy", "late")
EVERY = (*USUAL, "doubted", "buy", "mistaken")
EVENLY = tuple(WAYS)
"""Each way as often as any other, so that what is rare comes soon."""
