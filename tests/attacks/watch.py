"""Watch: looks at the services every few seconds while they are attacked, and says what was not as it should be."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from chassis.choreography.loading import load
from stack.directory import ROOT, Directory
from stack.run.state import State
from stack.services import SERVICES
from tests.bench.processes import resident_bytes
from tests.end_to_end.system import System

INTERVAL = 2.0
READY_WITHIN = 10.0
OK = 200
MEBIBYTE = 1 << 20
MAX_GROWTH = 50 * MEBIBYTE
MAX_FACTOR = 1.5
SESSION_ENDED = "session ended"


@dataclass
class Watch:
    """What was seen so far."""

    system: System
    path: Path
    ready: int = 0
    unready: Counter[str] = field(default_factory=Counter)
    """How often a service was not ready, by which and why"""
    memory: dict[str, list[int]] = field(default_factory=lambda: {service: [] for service in SERVICES})
    missing: Counter[str] = field(default_factory=Counter)
    """How often a step had no consumer"""
    _pids: dict[str, int | None] = field(default_factory=dict)
    _read: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Remember which processes there are, and how long their logs are."""
        self._pids = self.pids()
        self._read = {service: self._log(service).stat().st_size for service in SERVICES}

    async def go_on(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Look once at everything."""
        await asyncio.gather(*(self._look_at(service) for service in SERVICES))
        for step in await self.without_consumer():
            self.missing[step] += 1

    async def all_ready(self) -> bool:
        """Whether all services are ready now."""
        return all([not await self._objection(service) for service in SERVICES])

    def pids(self) -> dict[str, int | None]:
        """The process of each service."""
        state = State.of(Directory.of(self.path)) or State()
        return {service: state.programs[f"{service}_svc"].pid for service in SERVICES}

    async def without_consumer(self) -> list[str]:
        """The steps whose queue nobody consumes, as the management API counts it."""
        steps = {step.queue for service in load(ROOT).services for step in service.listening}
        consumers = {queue["name"]: queue.get("consumers", 0) for queue in await self.queues()}
        return [step for step in sorted(steps) if not consumers.get(step)]

    @retry(retry=retry_if_exception_type(httpx2.HTTPError), stop=stop_after_delay(60), wait=wait_fixed(1), reraise=True)
    async def queues(self) -> list[dict[str, Any]]:
        """All queues of the broker, with what they hold; raises HTTPError when nobody answers for a minute."""
        url = f"{self.system.environment['RABBITMQ_MANAGEMENT_URL']}/api/queues/%2F"
        columns = {"columns": "name,consumers,messages"}
        answer = await self.system.http.get(url, params=columns)
        return list(answer.raise_for_status().json())

    def objections(self) -> Iterable[str]:
        """Whatever was not as it should be."""
        for service, pid in self.pids().items():
            if pid != self._pids[service]:
                yield f"{service}_svc was started again: process {self._pids[service]}, now {pid}"
        for why, times in self.unready.most_common(8):
            yield f"not ready, {times} times: {why}"
        for service in SERVICES:
            for why, times in self.ended_sessions(service).most_common(5):
                yield f"{service}_svc lost a session with the broker, {times} times: {why}"
        for service, samples in self.memory.items():
            if objection := growth(samples):
                yield f"the memory of {service}_svc {objection}"

    def memory_lines(self) -> Iterable[str]:
        """What each service had in RAM at 10 %, 50 % and 100 % of the time."""
        for service, samples in self.memory.items():
            if samples:
                at = (samples[len(samples) // 10], samples[len(samples) // 2], samples[-1])
                yield f"{service}_svc has {', '.join(f'{one / MEBIBYTE:.0f}' for one in at)} MiB at 10 %, 50 %, 100 %"

    async def _look_at(self, service: str) -> None:
        why = await self._objection(service)
        if why:
            self.unready[f"{service}: {why}"] += 1
        else:
            self.ready += 1
        pid = self.pids()[service]
        if pid is not None:
            with contextlib.suppress(FileNotFoundError, StopIteration):
                self.memory[service].append(resident_bytes(pid))

    async def _objection(self, service: str) -> str:
        try:
            async with asyncio.timeout(READY_WITHIN):
                answer = await self.system.watch(service, "/readyz")
        except (TimeoutError, httpx2.HTTPError) as error:
            return f"no answer ({type(error).__name__})"
        if answer.status_code == OK:
            return ""
        found: Mapping[str, Any] = answer.json()
        wrong = [
            f"{name} {state}" for name, state in found.items() if name not in ("status", "alarms") and state != "ok"
        ]
        return f"{answer.status_code} {'; '.join(wrong)}"

    def _log(self, service: str) -> Path:
        return Directory.of(self.path).log(f"{service}_svc")

    def ended_sessions(self, service: str) -> Counter[str]:
        """Why sessions of a service with the broker have ended since the beginning, and how often."""
        found = Counter[str]()
        with self._log(service).open("rb") as log:
            log.seek(self._read[service])
            for line in log:
                if SESSION_ENDED.encode() in line:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        entry = {}
                    who = entry.get("session") or entry.get("step") or "?"
                    found[f"{who}: {str(entry.get('error', line))[:200]}"] += 1
        return found


def growth(samples: list[int]) -> str:
    """How memory has grown, if it has not stayed where it was: the last third against the second tenth."""
    tenth = len(samples) // 10
    if not tenth:
        return ""
    early, late = median(samples[tenth : 2 * tenth]), median(samples[-(len(samples) // 3) :])
    if late > early * MAX_FACTOR and late - early > MAX_GROWTH:
        return f"has grown from {early / MEBIBYTE:.0f} to {late / MEBIBYTE:.0f} MiB"
    return ""
