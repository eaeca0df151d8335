"""Unreadable: heads of messages that the broker takes, and that the services' client library may be unable to read.

Each is sent over a service's own exchange with its own credentials, alone; then a fan has to be able to buy a seat.
"""

import asyncio
import struct
import uuid
from collections.abc import Callable, Iterator

from aiormq import spec

from tests.attacks.buyers import Buyers
from tests.attacks.messages import Shot
from tests.attacks.queues import Sender, broker_url
from tests.attacks.watch import Watch
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.system import System

DEPTH = 3_000
MOMENT = 5.0
HEALED_WITHIN = 420.0
SERVICE, EVENT, QUEUE = "payment", "checkout.requested", "point.spend"
HEADERS, CORRELATION_ID, MESSAGE_ID, TIMESTAMP, USER_ID = 0x2000, 0x0400, 0x0080, 0x0040, 0x0010


class Raw(spec.Basic.Properties):
    """Properties that are sent as the bytes that they are given as."""

    raw: bytes = b""

    def marshal(self) -> bytes:
        """The bytes."""
        return self.raw


def every() -> Iterator[tuple[str, bytes]]:
    """What is wrong with a head, and its bytes."""
    user, message_id = _short(SERVICE.encode()), _short(uuid.uuid4().hex.encode())
    tail = message_id + user
    flags = MESSAGE_ID | USER_ID
    yield "a correlation id that is no UTF-8", struct.pack(">H", CORRELATION_ID | flags) + _short(b"\xff\xfe") + tail
    yield (
        "a timestamp beyond the year 9999",
        struct.pack(">H", TIMESTAMP | flags) + message_id + struct.pack(">Q", 2**63 - 1) + user,
    )
    for what, table in (
        ("the name of a header that is no UTF-8", _short(b"\xff") + b"V"),
        ("a header with a timestamp beyond the year 9999", _short(b"t") + b"T" + struct.pack(">Q", 2**63 - 1)),
        (f"a header of {DEPTH} tables in each other", _nested(DEPTH)),
    ):
        yield what, struct.pack(">H", HEADERS | flags) + struct.pack(">I", len(table)) + table + tail


async def attack(system: System, watch: Watch, tell: Callable[[str], None]) -> list[str]:
    """Send each; what it has done."""
    faults = list[str]()
    seats = iter(await Catalogue(system).new_date(20))
    for what, raw in every():
        before = watch.pids()
        sender = Sender(broker_url(system.environment, SERVICE))
        properties = Raw()
        properties.raw = raw
        outcome = await sender.send(Shot(SERVICE, SERVICE, EVENT, properties, b"{}", "unreadable"))
        await sender.close()
        await asyncio.sleep(MOMENT)
        buyers = Buyers(system)
        await buyers.buy(next(seats), is_rich=True)
        tell(f"{what}: {outcome}, then a fan: {dict(buyers.ends)} in {buyers.longest:.1f} s")
        if buyers.wrong:
            faults.append(f"{what} keeps fans from buying: {dict(buyers.wrong)}")
            healed = await _healed(watch)
            tell(f"ready again after {healed:.0f} s" if healed is not None else "not ready again")
        if watch.pids() != before:
            faults.append(f"{what} has ended a process")
    return faults


async def _healed(watch: Watch) -> float | None:
    """After how long all services are ready again, if they are at all."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < HEALED_WITHIN:
        if await watch.all_ready() and not await watch.without_consumer():
            return loop.time() - began
        await asyncio.sleep(2)
    return None


def _short(value: bytes) -> bytes:
    return struct.pack("B", len(value)) + value


def _nested(depth: int) -> bytes:
    """The contents of a table that holds a table that holds a table."""
    inner = b""
    for _ in range(depth):
        inner = _short(b"t") + b"F" + struct.pack(">I", len(inner)) + inner
    return inner
