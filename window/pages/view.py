"""View: what all pages share: what they ask, what they link to and how they are answered."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import Response

from window.choreography import PUBLISHED, Choreography
from window.looks import Finding, Looks
from window.pages.templates import TEMPLATES, secure

log = structlog.get_logger(__name__)

PATIENCE = 2.0
"""Seconds that a page waits for the strip of findings, which stands on all of them"""
_NAVIGATION = (("/", "Now"), ("/sagas", "Sagas"), ("/parked", "Parked"), ("/audit", "Audit"))


@dataclass(frozen=True)
class Links:
    """Where else an operator may look."""

    services: Mapping[str, str] = field(default_factory=dict)
    """The address of each service, by the name it says events under"""
    management: str = ""
    """RabbitMQ's own pages; empty where nobody can reach them"""
    virtual_host: str = "/"
    trace: str = ""
    """The page of a trace, with `{trace_id}` in it; empty where there are no traces"""
    published: Path = PUBLISHED
    has_stage: bool = False

    def queue(self, name: str) -> str | None:
        """The page of a queue in RabbitMQ's own pages."""
        if not self.management:
            return None
        return f"{self.management.rstrip('/')}/#/queues/{quote(self.virtual_host, safe='')}/{quote(name, safe='')}"

    def trace_of(self, traceparent: str) -> str | None:
        """The page of the trace that a message belongs to (W3C trace context)."""
        parts = traceparent.split("-")
        if not self.trace or len(parts) < 3 or not _is_trace_id(parts[1]):  # noqa: PLR2004  # version, trace, span
            return None
        return self.trace.replace("{trace_id}", parts[1])

    def schema(self, event: str, version: int) -> Path | None:
        """The published schema of an event; None if there is none."""
        name = f"{event}.v{version}.schema.json"
        path = self.published / "events" / name
        return path if "/" not in name and ".." not in name and path.is_file() else None


def _is_trace_id(text: str) -> bool:
    return len(text) == 32 and all(one in "0123456789abcdef" for one in text)  # noqa: PLR2004  # 16 bytes


@dataclass(frozen=True)
class View:
    """What the window knows, and how it is shown."""

    looks: Looks
    choreography: Choreography
    links: Links

    async def page(
        self, request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **context: Any
    ) -> Response:
        """A page, with the strip of findings on top."""
        shared = {
            "operator": request.state.operator,
            "navigation": self.navigation,
            "here": request.url.path,
            "links": self.links,
            "now": datetime.now(UTC),
            "findings": await self._findings(),
        }
        return secure(TEMPLATES.TemplateResponse(request, template, shared | context, status_code=status))

    async def missing(self, request: Request, what: str, why: str) -> Response:
        """A page that says that something is not there, and why that may be."""
        return await self.page(request, "missing.html", status=HTTPStatus.NOT_FOUND, what=what, why=why)

    @property
    def navigation(self) -> Sequence[tuple[str, str]]:
        """Paths and names of the pages."""
        return (*_NAVIGATION, ("/stage", "Stage")) if self.links.has_stage else _NAVIGATION

    async def _findings(self) -> Sequence[Finding] | None:
        """What conservation says; None when nobody can tell, which is no reason to show no page."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.looks.audit()
        except Exception as error:  # noqa: BLE001  # whatever it is: the page itself may still be there
            log.warning("no findings for a page", error=repr(error))
            return None
