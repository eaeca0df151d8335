"""A checkout that completes, and one that is refused at the last step and rolls back, shown event by event."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
from rich import box
from rich.console import Console
from rich.table import Table
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from stack.demo.invariants import Finding, examine
from stack.demo.timeline import Observer, Said, observing
from stack.tokens import token

PATIENCE = 30
CHARGE = 200_000


class Demo:
    """A fan and an operator at work, told as it happens."""

    def __init__(
        self, console: Console, environment: Mapping[str, str], observer: Observer, http: httpx2.AsyncClient
    ) -> None:
        """A new fan for each demo, so that one can follow the other on the same stack."""
        self._console = console
        self._environment = environment
        self._observer = observer
        self._http = http
        self._fan = f"fan-{uuid4().hex[:8]}"
        self._began = time.monotonic()

    async def run(self) -> bool:
        """Both checkouts and the invariants; says whether everything went as it should."""
        charged = await self._post("POINT", "/points/charge", {"amount": CHARGE})
        self.tell(f"{self._fan} charges {CHARGE:,} points, and has {charged['balance']:,}")
        seats = [seat for seat in await self._get("SEAT", "/dates/1/seats") if seat["status"] == "available"]
        completed = await self._buy(seats[0])
        failed = await self._lose(seats[1])
        holds = await self._examine()
        return completed == "completed" and failed == "failed" and holds

    def tell(self, text: str) -> None:
        """One line, with the seconds since the demo began."""
        elapsed = time.monotonic() - self._began
        self._console.print(f"{elapsed:7.3f} s  {text}", highlight=False, soft_wrap=True)

    async def _buy(self, seat: Mapping[str, Any]) -> str:
        payment_id = await self._hold(seat)
        outcome = await self._check_out(payment_id, "payment.sent")
        self.tell(f"the external platform has the payment: {await self._delivery(outcome['checkout_id'])}")
        return str(outcome["status"])

    async def _lose(self, seat: Mapping[str, Any]) -> str:
        """Withdraw the seat while it is held: the last step before the seats are sold refuses."""
        payment_id = await self._hold(seat)
        await self._operate(seat["seat_id"], "withdraw")
        self.tell(f"an operator withdraws seat {seat['label']}")
        try:
            outcome = await self._check_out(payment_id, "checkout.failed")
        finally:
            await self._operate(seat["seat_id"], "return")
        balance = (await self._get("POINT", "/points"))["balance"]
        self.tell(f"rolled back: {self._fan} has {balance:,} points and still holds the seat")
        return str(outcome["status"])

    async def _hold(self, seat: Mapping[str, Any]) -> str:
        wish = {"seat_ids": [seat["seat_id"]]}
        held = await self._post("RESERVATION", "/reservations", wish, {"Prefer": f"wait={PATIENCE}"})
        self.tell(f"{self._fan} holds seat {seat['label']} for {seat['price']:,} points: {held['status']}")
        return str(held["payment_id"])

    async def _check_out(self, payment_id: str, last: str) -> dict[str, Any]:
        """Check out, and show the timeline up to its `last` event."""
        headers = {"Prefer": f"wait={PATIENCE}", "Idempotency-Key": str(uuid4())}
        outcome = await self._post("PAYMENT", "/checkouts", {"payment_id": payment_id}, headers)
        self.tell(f"POST /checkouts: {outcome['status']} {outcome['reason'] or ''}".rstrip())
        timeline = await self._observer.until(outcome["checkout_id"], last, PATIENCE)
        self._show(outcome["checkout_id"], timeline)
        return outcome

    def _show(self, checkout_id: str, timeline: list[Said]) -> None:
        table = self._table(f"checkout {checkout_id}", "after", "who", "said", "because of")
        for said in timeline:
            after = (said.at - timeline[0].at).total_seconds() * 1000
            table.add_row(f"{after:6.1f} ms", said.service, said.event, self._observer.cause_of(said))
        self._console.print(table)

    def _table(self, title: str, *columns: str) -> Table:
        """A table with lines on a terminal, and without for a pipe."""
        style = box.ROUNDED if self._console.is_terminal else None
        return Table(*columns, title=title, title_justify="left", box=style)

    async def _delivery(self, checkout_id: str) -> str:
        delivery = await self._get("PLATFORM", f"/deliveries/{checkout_id}")
        return f"webhook-id {delivery['webhook_id']}, {delivery['attempts']} attempt"

    async def _examine(self) -> bool:
        """Show each invariant, once what was under way has come to rest."""
        findings = await _settled(self._environment)
        table = self._table("as the databases, the broker and the platform say", "", "invariant", "")
        for finding in findings:
            table.add_row(finding.invariant, finding.what, "; ".join(finding.violations) or "holds")
        self._console.print(table)
        return not any(finding.violations for finding in findings)

    async def _operate(self, seat_id: int, what: str) -> None:
        headers = _bearer(token("operator-1", self._environment["TOKEN_SECRET"], "operator"))
        url = f"{self._environment['SEAT_URL']}/operations/seats/{seat_id}/{what}"
        (await self._http.post(url, headers=headers)).raise_for_status()

    async def _post(
        self, service: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = self._environment[f"{service}_URL"] + path
        answer = await self._http.post(url, json=body, headers={**self._identity(), **(headers or {})})
        return dict(answer.raise_for_status().json())

    async def _get(self, service: str, path: str) -> Any:
        answer = await self._http.get(self._environment[f"{service}_URL"] + path, headers=self._identity())
        return answer.raise_for_status().json()

    def _identity(self) -> dict[str, str]:
        return _bearer(token(self._fan, self._environment["TOKEN_SECRET"], None))


async def run(console: Console, environment: Mapping[str, str]) -> bool:
    """The whole demo on a stack that is up; says whether everything went as it should."""
    async with _demo(console, environment) as demo:
        return await demo.run()


async def until_interrupted() -> None:
    """Wait for Ctrl-C, or to be told to end."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()


@asynccontextmanager
async def _demo(console: Console, environment: Mapping[str, str]) -> AsyncIterator[Demo]:
    async with observing(environment["RABBITMQ_URL"]) as observer, httpx2.AsyncClient(timeout=PATIENCE * 2) as http:
        yield Demo(console, environment, observer, http)


async def _settled(environment: Mapping[str, str]) -> list[Finding]:
    """The invariants once they hold, or as they are when patience ends."""
    retrying = AsyncRetrying(
        retry=retry_if_result(lambda findings: any(finding.violations for finding in findings)),
        stop=stop_after_delay(PATIENCE),
        wait=wait_fixed(0.5),
        retry_error_callback=lambda last: last.outcome.result() if last.outcome else [],
    )
    return await retrying(examine, environment)


def _bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}
