"""Operations: what an operator has a service do, with the operator's own token: the window may touch nobody's queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from window.signing_in import Operator

PATIENCE = 12.0
"""Seconds; a service answers a request to redrive after 8 at most, with what it has done until then"""
MAX_HISTORY = 50


class RefusedError(Exception):
    """A service has not done what it was asked for; says why, in words."""


@dataclass(frozen=True)
class Operations:
    """The operator endpoints of the services, by the name that each says events under."""

    services: Mapping[str, str]
    client: httpx2.AsyncClient

    async def redrive(
        self, service: str, operator: Operator, ids: Sequence[str], rate: int, key: str
    ) -> Mapping[str, Any]:
        """Put parked messages back to their steps; raises RefusedError."""
        return await self._post(service, operator, "parked/redrive", {"ids": list(ids), "rate": rate}, key)

    async def discard(
        self, step: str, operator: Operator, message_id: str, where: str, reason: str, key: str
    ) -> Mapping[str, Any]:
        """Remove a message that a step has put aside; raises RefusedError."""
        path = f"parked/{quote(message_id, safe='')}/discard?where={where}&queue={quote(step, safe='')}"
        return await self._post(step.partition(".")[0], operator, path, {"reason": reason}, key)

    async def resay(self, service: str, operator: Operator, hours: float, key: str) -> Mapping[str, Any]:
        """Have a service say again what it has said; raises RefusedError."""
        return await self._post(service, operator, "resay", {"events": None, "hours": hours}, key)

    async def history(self, service: str, operator: Operator) -> Sequence[Mapping[str, Any]]:
        """What operators did, the newest first; raises RefusedError."""
        found = await self._ask("GET", service, operator, f"parked/history?limit={MAX_HISTORY}")
        operations = found.get("operations")
        return [one for one in operations if isinstance(one, dict)] if isinstance(operations, list) else []

    async def _post(
        self, service: str, operator: Operator, path: str, body: Mapping[str, Any], key: str
    ) -> Mapping[str, Any]:
        return await self._ask("POST", service, operator, path, json=body, headers={"Idempotency-Key": key})

    async def _ask(
        self,
        method: str,
        service: str,
        operator: Operator,
        path: str,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        address = self.services.get(service)
        if address is None:
            raise RefusedError(f"The window has no address of {service}.")
        sent = {"Authorization": f"Bearer {operator.token}", **(headers or {})}
        try:
            answer = await self.client.request(
                method, f"{address.rstrip('/')}/operations/{path}", json=json, headers=sent, timeout=PATIENCE
            )
            content = answer.json()
        except httpx2.HTTPError as error:
            what = "it is not known what was done" if method == "POST" else "nothing was read"
            raise RefusedError(f"{service} does not answer ({type(error).__name__}): {what}.") from error
        except ValueError as error:
            raise RefusedError(f"{service} answered {answer.status_code} with something that is no JSON.") from error
        if answer.is_success and isinstance(content, dict):
            return content
        raise RefusedError(f"{service} answered {answer.status_code}: {_detail(content)}")


def _detail(content: object) -> str:
    """The words of a problem document (RFC 9457)."""
    detail = content.get("detail") if isinstance(content, dict) else None
    return str(detail)[:500] if detail else "it gave no reason."
