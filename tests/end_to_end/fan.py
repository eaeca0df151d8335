"""People who use the system: fans who hold and buy seats, operators who take them off sale."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from tests.end_to_end.eventually import eventually
from tests.end_to_end.system import System

OK, ACCEPTED = 200, 202
WAIT = 30


@dataclass(frozen=True)
class Hold:
    """Seats that are held for a fan, and the payment that will pay for them."""

    payment_id: UUID
    seat_ids: tuple[int, ...]
    total: int


class Fan:
    """A user of a name that nobody else has."""

    def __init__(self, system: System, name: str = "fan") -> None:
        self.user_id = f"{name}-{uuid.uuid4().hex[:12]}"
        self.token = system.token(self.user_id)
        self._system = system

    async def ask(self, method: str, service: str, path: str, **options: Any) -> httpx2.Response:
        """The answer to one request of the fan."""
        return await self._system.ask(method, service, path, self.token, **options)

    async def get(self, service: str, path: str) -> Any:
        """What is found under a path."""
        answer = await self.ask("GET", service, path)
        assert answer.status_code == OK, answer.text
        return answer.json()

    async def post(
        self, service: str, path: str, body: Any, key: str | None = None, wait: int | None = None
    ) -> httpx2.Response:
        """Ask for something that moves, with a key of its own unless one is given; `wait` is preferred, if given."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex} | ({"Prefer": f"wait={wait}"} if wait else {})
        return await self.ask("POST", service, path, json=body, headers=headers)

    async def charge(self, amount: int, key: str | None = None) -> int:
        """Put points into the wallet; the balance after that."""
        answer = await self.post("point", "/points/charge", {"amount": amount}, key)
        assert answer.status_code == OK, answer.text
        return int(answer.json()["balance"])

    async def balance(self) -> int:
        """What the wallet holds."""
        return int((await self.get("point", "/points"))["balance"])

    async def reserve(
        self, seat_ids: Sequence[int], wait: int | None = WAIT, key: str | None = None
    ) -> httpx2.Response:
        """Ask for seats; the answer is the outcome unless `wait` is None."""
        return await self.post("reservation", "/reservations", {"seat_ids": list(seat_ids)}, key, wait)

    async def hold(self, *seat_ids: int) -> Hold:
        """Hold seats that are free."""
        answer = await self.reserve(seat_ids)
        state = answer.json()
        assert (answer.status_code, state["status"]) == (OK, "temp"), answer.text
        return Hold(UUID(state["payment_id"]), tuple(seat_ids), sum(seat["price"] for seat in state["seats"]))

    async def give_back(self, payment_id: UUID) -> httpx2.Response:
        """Give a hold back."""
        return await self.ask("DELETE", "reservation", f"/reservations/{payment_id}")

    async def order(self, payment_id: UUID, key: str | None = None, wait: int | None = None) -> httpx2.Response:
        """Ask to pay, with a key of its own unless one is given."""
        return await self.post("payment", "/checkouts", {"payment_id": str(payment_id)}, key, wait)

    async def begin(self, hold: Hold) -> UUID:
        """Begin to pay; the checkout that was accepted."""
        answer = await self.order(hold.payment_id)
        assert answer.status_code == ACCEPTED, answer.text
        return UUID(answer.json()["checkout_id"])

    async def end_of(self, checkout_id: UUID) -> dict[str, Any]:
        """The checkout, once it has ended."""

        async def look() -> dict[str, Any]:
            found: dict[str, Any] = await self.get("payment", f"/checkouts/{checkout_id}")
            return found

        return await eventually(look, lambda state: state["status"] != "pending")

    async def check_out(self, hold: Hold) -> dict[str, Any]:
        """Pay, and wait for the outcome."""
        return await self.end_of(await self.begin(hold))


class Operator(Fan):
    """A user whose token has the scope of an operator."""

    def __init__(self, system: System) -> None:
        super().__init__(system, "operator")
        self.token = system.token(self.user_id, scope="operator")

    async def withdraw(self, seat_id: int, key: str | None = None) -> httpx2.Response:
        """Take a seat off sale."""
        return await self.post("seat", f"/operations/seats/{seat_id}/withdraw", None, key)

    async def put_back(self, seat_id: int, key: str | None = None) -> httpx2.Response:
        """Put a seat back on sale."""
        return await self.post("seat", f"/operations/seats/{seat_id}/return", None, key)

    async def call_off(self, date_id: int, key: str | None = None) -> httpx2.Response:
        """Call an evening off."""
        return await self.post("seat", f"/operations/dates/{date_id}/cancel", None, key)

    async def evening(self, date_id: int) -> dict[str, Any]:
        """An evening as operators see it."""
        found: dict[str, Any] = await self.get("seat", f"/operations/dates/{date_id}")
        return found

    async def send_again(self, checkout_id: UUID | str, key: str | None = None) -> httpx2.Response:
        """Tell the platform once more about a payment that it has refused."""
        return await self.post("payment", f"/operations/refused/{checkout_id}/send", None, key)
