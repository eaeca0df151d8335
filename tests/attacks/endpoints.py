"""Endpoints: sends random requests, a bounded number at a time, and counts how they are answered."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.attacks.requests import Attack, Requests
from tests.end_to_end.system import System

AT_ONCE = 20
ANSWERED_WITHIN = 15.0
READ = 1 << 16
PER_SECOND = 300
_STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3})")
UNAVAILABLE = 503


@dataclass
class Answers:
    """How often there was which status, and what was answered with an error of the server."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[Attack, bytes]] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self.statuses.total()

    def note(self, attack: Attack, answer: bytes) -> None:
        """Note an answer, which is empty where the connection ended or nothing came."""
        found = _STATUS.match(answer)
        status = found[1].decode() if found else "no answer"
        self.statuses[status] += 1
        if status.startswith("5") and status != str(UNAVAILABLE):
            self.errors[what := f"{status} to {attack.name}"] += 1
            self.examples.setdefault(what, (attack, answer))


class Siege:
    """Sends attacks until the time is over."""

    def __init__(self, system: System, requests: Requests) -> None:
        self.answers = Answers()
        self._system = system
        self._requests = requests

    async def run(self, seconds: float) -> None:
        """Send so many at a time, and not more than a fixed number in a second."""
        began = time.monotonic()
        count = 0

        async def work() -> None:
            nonlocal count
            while (elapsed := time.monotonic() - began) < seconds:
                if count >= elapsed * PER_SECOND:
                    await asyncio.sleep(0.02)
                    continue
                count += 1
                attack = self._requests.next()
                self.answers.note(attack, await self._send(attack))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _send(self, attack: Attack) -> bytes:
        """The beginning of the answer."""
        address = urlsplit(self._system.url(attack.service))
        answer = b""
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                try:
                    for part in attack.parts:
                        writer.write(part)
                        await writer.drain()
                        await asyncio.sleep(attack.pause)
                    if attack.listens:
                        answer = await reader.read(READ)
                finally:
                    writer.transport.abort() if not attack.listens else writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (TimeoutError, OSError):
            return answer
        return answer
