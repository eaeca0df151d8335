"""The load: fans come at a bounded rate, each on one of the ways that a checkout can go, and put up with errors."""

import asyncio
import contextlib
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import httpx2

from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.end_to_end.catalogue import CHEAP, DEAR
from tests.end_to_end.fan import ACCEPTED, OK, Fan, Operator

MAX_AT_ONCE = 60
MAX_IN_ALL = 10_000
REQUEST_WITHIN = 12.0
JOURNEY_WITHIN = 45.0
HOLD_WAIT = 5
SETTLED_WITHIN = 300.0
"""Seconds: longer than any outage that a script makes"""
UNSETTLED = ("requested", "pending")
TRIES = 4
BEING_ACCEPTED = "urn:problem:key-in-use"
OVER_THE_LIMIT = 4
"""So many dear seats cost more than one payment may."""
EVENINGS, SEATS_OF_AN_EVENING = 20, 3
"""How many can be called off while the shop is open"""
TONIGHT = timedelta(hours=6)
"""Too soon for tickets to be given back"""


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
        self._tonight: list[int] = []
        self._evenings: list[tuple[int, ...]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def shopping(self) -> AsyncIterator[None]:
        """Come while the context lasts; then whoever has come finishes, or goes home."""
        await self._stock()
        coming = asyncio.create_task(self._come())
        try:
            yield
        finally:
            coming.cancel()
            await asyncio.gather(coming, *self._under_way, return_exceptions=True)

    async def _stock(self) -> None:
        catalogue = self._site.catalogue
        self._cheap = list(await catalogue.new_date(MAX_IN_ALL, CHEAP))
        self._dear = list(await catalogue.new_date(OVER_THE_LIMIT * 50, DEAR))
        if "too late" in self._ways:
            self._tonight = list(await catalogue.new_date(MAX_IN_ALL, CHEAP, TONIGHT))
        if "called off" in self._ways:
            self._evenings = [await catalogue.new_date(SEATS_OF_AN_EVENING, CHEAP) for _ in range(EVENINGS)]

    async def _come(self) -> None:
        for way in itertools.islice(itertools.cycle(self._ways), MAX_IN_ALL):
            if len(self._under_way) < MAX_AT_ONCE:
                self._let_in(WAYS[way])
            await asyncio.sleep(1 / self.rate)

    def _let_in(self, way: "Way") -> None:
        task = asyncio.create_task(self._go(way))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

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
        await self.order(fan, payment_id)
        self._sold.append(seat_id)

    async def be_poor(self, fan: Fan) -> None:
        """Lacks one point."""
        await self._charge(fan, CHEAP - 1)
        await self.order(fan, await self._hold(fan, [self._cheap.pop()]))

    async def lose(self, fan: Fan) -> None:
        """Pays for a seat that was taken off sale, so that everything is undone."""
        await self._charge(fan, CHEAP)
        payment_id = await self._hold(fan, [seat_id := self._cheap.pop()])
        await self._withdraw(seat_id)
        await self.order(fan, payment_id)

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
        await self.order(fan, payment_id)

    async def be_mistaken(self, fan: Fan) -> None:
        """Pays a payment that is somebody else's when it comes to it."""
        await self._charge(fan, CHEAP)
        payment_id = await self._hold(fan, [self._cheap.pop()])
        # The session is there before, because the checkout goes on meanwhile.
        async with self._site.session("payment") as session:
            await self.order(fan, payment_id)
            await session.execute(_TO_SOMEBODY_ELSE, payment_id)

    async def change_mind(self, fan: Fan) -> None:
        """Holds a seat and gives it back."""
        payment_id = await self._hold(fan, [self._cheap.pop()])
        _expect(await self._ask(fan, "reservation", f"/reservations/{payment_id}", "DELETE"), OK, ACCEPTED)

    async def give_back(self, fan: Fan) -> None:
        """Buys a seat and gives it back."""
        await self._refund(fan, await self._buy(fan, [self._cheap.pop()]))

    async def be_too_late(self, fan: Fan) -> None:
        """Gives a seat back when it is too late for that, and keeps it."""
        await self._refund(fan, await self._buy(fan, [self._tonight.pop()]))

    async def be_impatient(self, fan: Fan) -> None:
        """Gives a seat back, and has the clock ask at once what has become of that."""
        refund_id = await self._refund(fan, await self._buy(fan, [self._cheap.pop()]))
        await self._change("payment", "UPDATE refund SET ask_at = created_at WHERE refund_id = $1", refund_id)

    async def be_sent_away(self, fan: Fan) -> None:
        """Buys a seat that is withdrawn then."""
        await self._buy(fan, [seat_id := self._cheap.pop()])
        await self._withdraw(seat_id)

    async def stay_at_home(self, fan: Fan) -> None:
        """Has bought a seat and holds another one, of an evening that is called off."""
        if not self._evenings:
            raise GaveUpError("no evening is left")
        bought, held, _ = self._evenings.pop()
        await self._buy(fan, [bought])
        await self._hold(fan, [held])
        path = f"/operations/dates/{await self._site.catalogue.date_of(bought)}/cancel"
        _expect(await self._ask(Operator(self._site.system), "seat", path), OK)

    async def _buy(self, fan: Fan, seat_ids: Sequence[int]) -> UUID:
        """Buy seats; the checkout, once it has completed."""
        await self._charge(fan, CHEAP * len(seat_ids))
        checkout_id = await self.order(fan, await self._hold(fan, seat_ids))
        state = await self._settled(fan, "payment", f"/checkouts/{checkout_id}", {"status": "pending"})
        if state["status"] != "completed":
            raise GaveUpError(str(state))
        return checkout_id

    async def _refund(self, fan: Fan, checkout_id: UUID) -> UUID:
        """Give back what was bought, with one key until there is an answer."""
        answer = await self._ask(fan, "payment", f"/checkouts/{checkout_id}/refund")
        _expect(answer, OK, ACCEPTED)
        self._site.refunds.add(refund_id := UUID(answer.json()["refund_id"]))
        return refund_id

    async def _withdraw(self, seat_id: int) -> None:
        _expect(await self._ask(Operator(self._site.system), "seat", f"/operations/seats/{seat_id}/withdraw"), OK)

    async def _charge(self, fan: Fan, amount: int) -> None:
        answer = await self._ask(fan, "point", "/points/charge", json={"amount": amount})
        _expect(answer, OK)

    async def _hold(self, fan: Fan, seat_ids: Sequence[int]) -> UUID:
        body, headers = {"seat_ids": list(seat_ids)}, {"Prefer": f"wait={HOLD_WAIT}"}
        answer = await self._ask(fan, "reservation", "/reservations", json=body, headers=headers)
        _expect(answer, OK, ACCEPTED)
        path = f"/reservations/{answer.json()['payment_id']}"
        state = await self._settled(fan, "reservation", path, answer.json())
        if state["status"] != "temp":
            raise GaveUpError(str(state))
        return UUID(state["payment_id"])

    async def _settled(self, fan: Fan, service: str, path: str, known: dict[str, Any]) -> dict[str, Any]:
        """The state of something once it is not what is known of it any more, whatever trouble the service is in."""
        state = known
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_WITHIN):
                while state["status"] == known["status"] and state["status"] in UNSETTLED:
                    await asyncio.sleep(1)
                    with contextlib.suppress(httpx2.HTTPError):
                        answer = await fan.ask("GET", service, path, timeout=REQUEST_WITHIN)
                        state = answer.json() if answer.is_success else state
        return state

    async def order(self, fan: Fan, payment_id: UUID) -> UUID:
        """Order with one key until there is an answer; whatever was accepted has to exist for ever."""
        answer = await self._ask(fan, "payment", "/checkouts", json={"payment_id": str(payment_id)})
        _expect(answer, OK, ACCEPTED)
        self._site.accepted.add(checkout_id := UUID(answer.json()["checkout_id"]))
        return checkout_id

    async def _ask(
        self,
        fan: Fan,
        service: str,
        path: str,
        method: str = "POST",
        headers: Mapping[str, str] = MappingProxyType({}),
        **options: Any,
    ) -> httpx2.Response:
        """Ask for something, and repeat it with the same key while the service is in trouble."""
        sent = {"Idempotency-Key": uuid.uuid4().hex, **headers}
        for _ in range(TRIES):
            with contextlib.suppress(httpx2.HTTPError):
                answer = await fan.ask(method, service, path, timeout=REQUEST_WITHIN, headers=sent, **options)
                if not answer.is_server_error and BEING_ACCEPTED not in answer.text:
                    return answer
            await asyncio.sleep(1)
        raise GaveUpError(path)

    async def _change(self, service: str, statement: str, payment_id: UUID) -> None:
        async with self._site.session(service) as session:
            await session.execute(statement, payment_id)


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
    "change mind": Shoppers.change_mind,
    "give back": Shoppers.give_back,
    "too late": Shoppers.be_too_late,
    "impatient": Shoppers.be_impatient,
    "withdrawn": Shoppers.be_sent_away,
    "called off": Shoppers.stay_at_home,
}
USUAL = ("buy", "lose", "buy", "poor", "buy", "too much", "buy", "forget", "buy", "late")
REFUNDS = ("give back", "buy", "impatient", "too late")
RETURNING = (*REFUNDS, "change mind", "withdrawn")
EVERY = (*USUAL, "doubted", "buy", "mistaken", *RETURNING, "called off")
EVENLY = tuple(WAYS)
"""Each way as often as any other, so that what is rare comes soon."""
