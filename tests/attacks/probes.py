"""Probes: single messages that may stop a service or the broker, one after the other.

Each is sent over a service's own exchange with its own credentials, so it is what a service in hostile hands can send.
Then a fan has to be able to buy a seat. The last one asks more of the broker: does it still dead-letter?
"""

import asyncio
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiormq import spec

from tests.attacks.buyers import Buyers
from tests.attacks.messages import Shot
from tests.attacks.queues import Sender, broker_url
from tests.attacks.spoiling import now
from tests.attacks.watch import Watch
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.system import System

DEPTH = 3_000
PARKED_WITHIN = 30.0
"""The management API counts every five seconds"""
HEALED_WITHIN = 300.0
SERVICE, EVENT, HEARS = "payment", "checkout.requested", "point"
HEADERS, CORRELATION_ID, MESSAGE_ID, TIMESTAMP, USER_ID = 0x2000, 0x0400, 0x0080, 0x0040, 0x0010
BEYOND = struct.pack(">Q", 2**63 - 1)
"""A timestamp beyond the year 9999"""


class Raw(spec.Basic.Properties):
    """Properties that are sent as the bytes that they are given as."""

    raw: bytes = b""

    def marshal(self) -> bytes:
        """The bytes."""
        return self.raw


def unreadable() -> Iterator[tuple[str, Raw]]:
    """Heads that the broker takes, and that the client library of the services may be unable to read."""
    yield "a correlation id that is no UTF-8", _raw(CORRELATION_ID, _short(b"\xff\xfe"), b"")
    yield "a timestamp beyond the year 9999", _raw(TIMESTAMP, b"", BEYOND)
    for what, table in (
        ("the name of a header that is no UTF-8", _short(b"\xff") + b"V"),
        ("a header with a timestamp beyond the year 9999", _short(b"t") + b"T" + BEYOND),
        (f"a header of {DEPTH} tables in each other", _nested(DEPTH)),
    ):
        yield what, _raw(HEADERS, struct.pack(">I", len(table)) + table, b"")


def odd() -> Iterator[tuple[str, spec.Basic.Properties]]:
    """Heads that can be read, and that few would write."""
    yield "a ce-time without a zone", _event({"ce-time": "2026-01-02T03:04:05"})
    long_id, newer = "-" * 600 + str(uuid.uuid4()), f"{EVENT}.v99"
    yield "a long ce-id that rests long", _event({"ce-id": long_id, "ce-type": newer, "x-attempt": 3})


async def probe(system: System, watch: Watch, tell: Callable[[str], None]) -> list[str]:
    """Send each; what it has done."""
    faults = list[str]()
    seats = iter(await Catalogue(system).new_date(20))
    for what, properties in (*odd(), *unreadable()):
        pids, ended = watch.pids(), watch.ended_sessions(HEARS).total()
        before = await _parked(watch)
        outcome = await _send(system, properties)
        if await _parked(watch, beyond=before) <= before:
            faults.append(f"{what} was not parked")
        buyers = Buyers(system)
        await buyers.buy(next(seats), is_rich=True)
        lost = watch.ended_sessions(HEARS).total() - ended
        tell(f"{what}: {outcome}, sessions lost: {lost}, then a fan: {dict(buyers.ends)} in {buyers.longest:.1f} s")
        if buyers.wrong or lost:
            faults.append(f"{what} has ended {lost} sessions; a fan: {dict(buyers.wrong or buyers.ends)}")
            healed = await _healed(watch)
            tell(f"ready again after {healed:.0f} s" if healed is not None else "not ready again")
        if watch.pids() != pids:
            faults.append(f"{what} has ended a process")
    return faults + await _dead_lettering(system, watch, tell)


async def _dead_lettering(system: System, watch: Watch, tell: Callable[[str], None]) -> list[str]:
    """Whether the broker goes on parking what expires, once it has met a history that no broker has written."""
    parked = list[int]()
    for deaths in (None, [7], None):
        before = await _parked(watch)
        await _send(system, _event({"x-death": deaths} if deaths else {}, expiration="0"))
        parked.append(await _parked(watch, beyond=before))
    tell(f"parked after an expired message, one with a forged x-death, another: {parked}")
    return [] if parked[2] > parked[1] else ["a forged x-death on a message that expires stops all dead-lettering"]


async def _parked(watch: Watch, beyond: int = -1) -> int:
    """How many messages are parked, once there are more than that, or at the end of the time in which there should."""
    ends = asyncio.get_running_loop().time() + PARKED_WITHIN
    while True:
        held = {queue["name"]: queue.get("messages", 0) for queue in await watch.queues()}
        count = int(held.get(f"{HEARS}.parked", 0))
        if count > beyond or asyncio.get_running_loop().time() > ends:
            return count
        await asyncio.sleep(0.5)


async def _send(system: System, properties: spec.Basic.Properties) -> str:
    sender = Sender(broker_url(system.environment, SERVICE))
    try:
        return await sender.send(Shot(SERVICE, SERVICE, EVENT, properties, b"{}", "probe"))
    finally:
        await sender.close()


async def _healed(watch: Watch) -> float | None:
    """After how long all services are ready, and stay so for a moment, if they do at all."""
    loop = asyncio.get_running_loop()
    began, still = loop.time(), 0
    while loop.time() - began < HEALED_WITHIN:
        still = still + 1 if await watch.all_ready() and not await watch.without_consumer() else 0
        if still == 5:
            return loop.time() - began
        await asyncio.sleep(2)
    return None


def _event(otherwise: Mapping[str, Any], **properties: Any) -> spec.Basic.Properties:
    headers: dict[str, Any] = {"ce-specversion": "1.0", "ce-id": str(uuid.uuid4()), "ce-source": f"/{SERVICE}"}
    headers |= {"ce-type": f"{EVENT}.v1", "ce-time": now(), **otherwise}
    known: dict[str, Any] = {
        "message_id": uuid.uuid4().hex,
        "user_id": SERVICE,
        "app_id": SERVICE,
        "message_type": EVENT,
    }
    return spec.Basic.Properties(headers=headers, **known, **properties)


def _raw(flag: int, before: bytes, after: bytes) -> Raw:
    """A property besides the id and the user: the bytes that come before these two in the order of AMQP, or between."""
    properties = Raw()
    flags = struct.pack(">H", flag | MESSAGE_ID | USER_ID)
    properties.raw = flags + before + _short(uuid.uuid4().hex.encode()) + after + _short(SERVICE.encode())
    return properties


def _short(value: bytes) -> bytes:
    return struct.pack("B", len(value)) + value


def _nested(depth: int) -> bytes:
    """The contents of a table that holds a table that holds a table."""
    inner = b""
    for _ in range(depth):
        inner = _short(b"t") + b"F" + struct.pack(">I", len(inner)) + inner
    return inner
