"""The window away under load, and a witness that was there all the time."""

import asyncio
import contextlib
import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
from aio_pika.abc import AbstractIncomingMessage

from stack.directory import ROOT, Directory
from stack.run.rest import rest
from stack.servers.definitions import window_hears
from stack.services import EACH, WINDOW
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Operator
from window.choreography import load
from window.message import Message
from window.reading import Arrived, seen, with_user
from window.rendering import as_json
from window.telling import tell

AWAY = 60.0
CAUGHT_UP_WITHIN = 90.0
_TOLD = ("saga", "way", "outcome", "reason", "begun_at", "ended_at", "deadline", "is_late", "happenings", "oddities")


class Witness:
    """Hears what the window should have heard, and tells of each saga what it would tell."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._heard: Sequence[AbstractIncomingMessage] = ()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear everything while the context lasts."""
        async with self._site.broker() as broker, broker.observe(window_hears(EACH)) as observer:
            self._heard = observer.messages
            yield

    def stories(self) -> Mapping[UUID, Mapping[str, Any]]:
        """Every saga of which anything was heard."""
        now, sagas = datetime.now(UTC), defaultdict[UUID, list[Message]](list)
        for number, one in enumerate(self._heard):
            kept = seen(_arrived(one), now)
            message = replace(kept.message, number=number, body=with_user(kept.message.body, kept.user_id))
            if message.saga_id is not None:
                sagas[message.saga_id].append(message)
        choreography = load(ROOT / "contracts" / "published")
        return {saga_id: _told(as_json(tell(one, choreography, now), now)) for saga_id, one in sagas.items()}


def _arrived(one: AbstractIncomingMessage) -> Arrived:
    place = one.exchange or "", one.routing_key or ""
    return Arrived(*place, one.headers, one.body, one.message_id or "", one.user_id or "")


async def away(site: Site) -> int:
    """Kill the window, and let it start again only after a minute."""
    rest(Directory.of(site.programs.path), WINDOW, AWAY)
    pid = await site.programs.send(WINDOW, signal.SIGKILL)
    await asyncio.sleep(AWAY)
    await site.programs.replaced(WINDOW, pid)
    return 1


async def differing(site: Site, witness: Witness) -> list[str]:
    """What the window tells otherwise than the witness, who goes on hearing, once it has had time to catch up."""
    operator = Operator(site.system)

    async def look() -> list[str]:
        found = [(saga_id, story, await _asked(operator, saga_id)) for saga_id, story in witness.stories().items()]
        return [
            f"{saga_id}: {name} is {there.get(name)}, not {story[name]}"
            for saga_id, story, there in found
            for name in story
            if there.get(name) != story[name]
        ]

    with contextlib.suppress(AssertionError):
        await eventually(look, lambda found: not found, CAUGHT_UP_WITHIN)
    return await look()


def _told(story: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is to be the same, whoever tells it and whenever he heard it."""
    told: dict[str, Any] = json.loads(json.dumps({name: story[name] for name in _TOLD}, default=str))
    for happening in told["happenings"]:
        del happening["seen_at"]
        for attempt in happening["attempts"]:
            del attempt["at"]
    return told


async def _asked(operator: Operator, saga_id: UUID) -> Mapping[str, Any]:
    try:
        answer = await operator.ask("GET", WINDOW, f"/api/sagas/{saga_id}")
    except httpx2.TransportError:
        return {}
    return _told(answer.json()) if answer.is_success else {}
