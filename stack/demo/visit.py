"""What one fan and one operator do at the running system, told to people as it happens."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
from rich import box
from rich.console import Console
from rich.table import Table

from stack.demo.timeline import Observer, Said, observing
from stack.errors import START, StackError
from stack.tokens import token

PATIENCE = 30
Seat = Mapping[str, Any]


class Visit:
    """A fan with a wallet, and an operator who takes seats off sale."""

    def __init__(
        self, console: Console, environment: Mapping[str, str], fan: str, observer: Observer, http: httpx2.AsyncClient
    ) -> None:
        """Begin to count the seconds."""
        self.name = f"user {fan}" if fan.isdecimal() else fan
        self._fan = fan
        self._console = console
        self._environment = environment
        self._observer = observer
        self._http = http
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        """One line, with the seconds since the visit began."""
        elapsed = time.monotonic() - self._began
        self._console.print(f"{elapsed:7.3f} s  {text}", highlight=False, soft_wrap=True)

    def show(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table, with lines on a terminal, and without for a pipe."""
        style = box.ROUNDED if self._console.is_terminal else None
        table = Table(*columns, title=title, title_justify="left", box=style)
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    async def charge(self, amount: int) -> None:
        """Put points into the wallet."""
        charged = await self._post("POINT", "/points/charge", {"amount": amount})
        self.tell(f"{self.name} charges {amount:,} points, and has {charged['balance']:,}")

    async def balance(self) -> int:
        """The points that are in the wallet."""
        return int((await self._get("POINT", "/points"))["balance"])

    async def free_seats(self, count: int) -> list[Seat]:
        """Seats of one evening that nobody has; raises `StackError` if no evening has so many."""
        for concert in await self._get("SEAT", "/concerts"):
            for date in await self._get("SEAT", f"/concerts/{concert['concert_id']}/dates"):
                seats = await self._get("SEAT", f"/dates/{date['date_id']}/seats")
                free = [seat for seat in seats if seat["status"] == "available"]
                if len(free) >= count:
                    return free[:count]
        raise StackError(f"no evening has {count} free seats left: make clean  forgets who bought them")

    async def hold(self, seats: Sequence[Seat]) -> str:
        """Hold the seats; returns the payment that will pay for them. Raises `StackError` if somebody was faster."""
        wish = {"seat_ids": [seat["seat_id"] for seat in seats]}
        held = await self._post("RESERVATION", "/reservations", wish, {"Prefer": f"wait={PATIENCE}"})
        labels, price = _labels(seats), total(seats)
        self.tell(f"{self.name} holds {labels} for {price:,} points: {held['status']} {held['reason'] or ''}".rstrip())
        if held["status"] == "requested":
            raise StackError(f"nobody has answered that in {PATIENCE} s; what hinders it is in  make status")
        if held["status"] != "temp":
            raise StackError(f"{labels} cannot be held; try again")
        return str(held["payment_id"])

    @asynccontextmanager
    async def withdrawn(self, seat: Seat) -> AsyncIterator[None]:
        """Take a seat off sale, and put it back at the end of the context."""
        await self._operate(seat["seat_id"], "withdraw")
        self.tell(f"an operator withdraws {_labels([seat])}")
        try:
            yield
        finally:
            await self._operate(seat["seat_id"], "return")

    async def check_out(self, payment_id: str, status: str, last: str) -> str:
        """Check out, and show the timeline up to its `last` event; returns the checkout.

        Raises `StackError` if it does not come to this status.
        """
        headers = {"Prefer": f"wait={PATIENCE}"}
        outcome = await self._post("PAYMENT", "/checkouts", {"payment_id": payment_id}, headers)
        self.tell(f"POST /checkouts: {outcome['status']} {outcome['reason'] or ''}".rstrip())
        return await self._shown("checkout", outcome, status, last)

    async def refund(self, checkout_id: str, last: str) -> str:
        """Give a completed checkout back, and show the timeline up to its `last` event; returns the refund.

        Raises `StackError` if it is not given back.
        """
        headers = {"Prefer": f"wait={PATIENCE}"}
        outcome = await self._post("PAYMENT", f"/checkouts/{checkout_id}/refund", {}, headers)
        self.tell(f"POST /checkouts/…/refund: {outcome['status']} {outcome['reason'] or ''}".rstrip())
        return await self._shown("refund", outcome, "completed", last)

    async def tell_delivery(self, delivery_id: str, what: str) -> None:
        """Say what the external platform knows of something."""
        delivery = await self._get("PLATFORM", f"/deliveries/{delivery_id}")
        attempts = f"{delivery['attempts']} attempt{'s' if delivery['attempts'] > 1 else ''}"
        self.tell(f"the external platform has {what}: webhook-id {delivery['webhook_id']}, {attempts}")

    async def _shown(self, saga: str, outcome: Mapping[str, Any], status: str, last: str) -> str:
        """Show the timeline of a saga that should have ended so, up to its `last` event; returns its id."""
        saga_id = str(outcome[f"{saga}_id"])
        if outcome["status"] != status:
            raise StackError(f"{saga} {saga_id} should be {status} by now; what hinders it is in  make status")
        try:
            timeline = await self._observer.until(saga_id, last, PATIENCE)
        except TimeoutError as error:
            raise StackError(f"{saga} {saga_id} ended, but {last} was not heard in {PATIENCE} s") from error
        self._show_timeline(saga, saga_id, timeline)
        return saga_id

    def _show_timeline(self, saga: str, saga_id: str, timeline: list[Said]) -> None:
        def row(said: Said) -> tuple[str, ...]:
            after = (said.at - timeline[0].at).total_seconds() * 1000
            return f"{after:6.1f} ms", said.service, said.event, self._observer.cause_of(said)

        self.show(f"{saga} {saga_id}", ("after", "who", "said", "because of"), map(row, timeline))

    async def _operate(self, seat_id: int, what: str) -> None:
        headers = {**self._bearer("operator-1", "operator"), "Idempotency-Key": str(uuid4())}
        url = f"{self._environment['SEAT_URL']}/operations/seats/{seat_id}/{what}"
        (await self._http.post(url, headers=headers)).raise_for_status()

    async def _post(
        self, service: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = self._environment[f"{service}_URL"] + path
        own = {**self._bearer(self._fan), "Idempotency-Key": str(uuid4())}
        answer = await self._http.post(url, json=body, headers={**own, **(headers or {})})
        return dict(answer.raise_for_status().json())

    async def _get(self, service: str, path: str) -> Any:
        answer = await self._http.get(self._environment[f"{service}_URL"] + path, headers=self._bearer(self._fan))
        return answer.raise_for_status().json()

    def _bearer(self, user: str, scope: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(user, self._environment['TOKEN_SIGNING_KEY'], scope)}"}


@asynccontextmanager
async def visiting(console: Console, environment: Mapping[str, str], fan: str) -> AsyncIterator[Visit]:
    """A visit to the system that an environment names; raises `StackError` where that does not answer as it should."""
    try:
        async with (
            observing(environment["RABBITMQ_URL"]) as observer,
            httpx2.AsyncClient(timeout=PATIENCE * 2, trust_env=False) as http,
        ):
            yield Visit(console, environment, fan, observer, http)
    except httpx2.HTTPStatusError as error:
        answer = error.response
        raise StackError(f"{error.request.url} answers {answer.status_code}: {answer.text}") from error
    except httpx2.HTTPError as error:
        raise StackError(f"{error.request.url} does not answer: {START}") from error
    except (OSError, TimeoutError) as error:
        raise StackError(f"the system does not answer ({error}): {START}") from error


def total(seats: Sequence[Seat]) -> int:
    """What the seats cost together."""
    return sum(seat["price"] for seat in seats)


def _labels(seats: Sequence[Seat]) -> str:
    return f"seat{'s' if len(seats) > 1 else ''} {', '.join(seat['label'] for seat in seats)}"
