"""Fans: acts in the name of any fan, with tokens that last for some minutes and are good at the services alone."""

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel

from stack.services import EACH
from stack.signing import SigningKey
from stack.stage.services import Services, environment
from stack.tokens import claims

VALID_FOR = timedelta(minutes=5)
MAX_FANS, MAX_SAGAS = 200, 5
"""Of how many fans the stage remembers how many sagas"""


Kind = Literal["hold", "checkout", "refund"]


class Saga(BaseModel):
    """A saga that the stage has begun for a fan: a hold under the id of its payment, a checkout, or a refund."""

    saga_id: UUID
    kind: Kind
    begun_at: datetime


class Remembered:
    """The latest sagas of the latest fans."""

    def __init__(self) -> None:
        self._sagas: OrderedDict[str, deque[Saga]] = OrderedDict()

    def note(self, fan: str, saga_id: str, kind: Kind) -> None:
        """Remember a saga as the newest of a fan."""
        known = self._sagas.pop(fan, None) or deque(maxlen=MAX_SAGAS)
        known.appendleft(Saga(saga_id=UUID(saga_id), kind=kind, begun_at=datetime.now(UTC)))
        self._sagas[fan] = known
        while len(self._sagas) > MAX_FANS:
            self._sagas.popitem(last=False)

    def of(self, fan: str) -> list[Saga]:
        """The sagas of a fan, the newest first."""
        return list(self._sagas.get(fan, ()))


class Fans:
    """Charges, holds, pays and gives back as a fan would."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.remembered = Remembered()

    async def charge(self, fan: str, amount: int) -> int:
        """Put points into the wallet; returns the balance."""
        answer = await self._post(fan, "point_svc", "/points/charge", {"amount": amount})
        return int(answer["balance"])

    async def hold(self, fan: str, seat_ids: Sequence[int], wait: int) -> dict[str, Any]:
        """Ask for seats, and wait some seconds for what becomes of it; returns the reservation."""
        answer = await self._post(fan, "reservation_svc", "/reservations", {"seat_ids": list(seat_ids)}, wait)
        self.remembered.note(fan, answer["payment_id"], "hold")
        return answer

    async def pay(self, fan: str, payment_id: UUID, wait: int = 0) -> dict[str, Any]:
        """Begin to pay for a hold; returns the checkout."""
        answer = await self._post(fan, "payment_svc", "/checkouts", {"payment_id": str(payment_id)}, wait)
        self.remembered.note(fan, answer["checkout_id"], "checkout")
        return answer

    async def give_back(self, fan: str, payment_id: UUID) -> dict[str, Any]:
        """Give back a hold that is not paid; returns the reservation."""
        answer = await self._ask("DELETE", fan, "reservation_svc", f"/reservations/{payment_id}")
        self.remembered.note(fan, answer["payment_id"], "hold")
        return answer

    async def refund(self, fan: str, checkout_id: UUID) -> dict[str, Any]:
        """Begin to give back what a completed checkout has bought; returns the refund."""
        answer = await self._post(fan, "payment_svc", f"/checkouts/{checkout_id}/refund", {})
        self.remembered.note(fan, answer["refund_id"], "refund")
        return answer

    async def _post(self, fan: str, service: str, path: str, body: Any, wait: int = 0) -> dict[str, Any]:
        headers = {"Idempotency-Key": str(uuid4())} | ({"Prefer": f"wait={wait}"} if wait else {})
        return await self._ask("POST", fan, service, path, headers, body)

    async def _ask(
        self, method: str, fan: str, service: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {self._token(fan)}"}
        return dict(await self._services.ask(method, service, path, bearer | dict(headers or {}), body))

    def _token(self, fan: str) -> str:
        key = environment(self._services.directory)["TOKEN_SIGNING_KEY"]
        until = int(time.time() + VALID_FOR.total_seconds())
        return SigningKey.of(key).sign(claims(fan) | {"aud": [service.package for service in EACH], "exp": until})
