"""The external platform: what it received, and how it fails."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import OK
from tests.end_to_end.system import System


class Platform:
    """The external platform, and how it fails."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def fail(self, mode: str, count: int | None = None, status: int = 503) -> None:
        """Fail from now on, `count` times if that is given."""
        failures = {"mode": mode, "count": count, "status": status}
        answer = await self._system.ask("PUT", "platform", "/failures", json=failures)
        assert answer.status_code == OK, answer.text

    async def recover(self) -> None:
        """Work again."""
        await self._system.ask("DELETE", "platform", "/failures")

    async def delivery(self, checkout_id: UUID) -> dict[str, Any] | None:
        """What the platform keeps of a checkout."""
        answer = await self._system.ask("GET", "platform", f"/deliveries/{checkout_id}")
        return dict(answer.json()) if answer.status_code == OK else None

    async def received(self, checkout_ids: Iterable[UUID]) -> list[datetime]:
        """When the platform was first told of each of these checkouts of which it was told."""
        wanted = {str(checkout_id) for checkout_id in checkout_ids}
        kept = (await self._system.ask("GET", "platform", "/deliveries")).json()
        return [datetime.fromisoformat(one["received_at"]) for one in kept if one["webhook_id"] in wanted]

    async def delivered(self, checkout_id: UUID) -> dict[str, Any]:
        """What the platform keeps of a checkout, once it does."""
        found = await eventually(lambda: self.delivery(checkout_id))
        assert found is not None
        return found

    async def told(self, payment_id: UUID) -> list[str]:
        """The types of the webhooks about a payment, in the order in which the platform has taken them."""
        kept = (await self._system.ask("GET", "platform", "/deliveries")).json()
        bodies = [json.loads(one["body"]) for one in sorted(kept, key=lambda one: str(one["received_at"]))]
        return [one["type"] for one in bodies if one["data"]["payment_id"] == str(payment_id)]

    async def attempts(self, checkout_id: UUID) -> list[int]:
        """The statuses with which the attempts to deliver a checkout were answered, in their order."""
        answer = await self._system.ask("GET", "platform", "/attempts")
        return [one["status"] for one in answer.json() if one["webhook_id"] == str(checkout_id)]
