"""Heads: everything that can be wrong with the headers and the properties of one message."""

import random
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.attacks.spoiling import Draft, Spoil, examples, registry, text

EVERY: dict[str, Spoil] = {}
"""All ways to spoil a head, by their names"""
CE = ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-subject", "ce-correlationid", "ce-causationid")
OURS = ("x-attempt", "x-first-failed-at", "x-step", "x-last-error", "x-origin", "x-delivery-count")
NAMES = ("point", "reservation", "payment", "seat", "admin", "guest", "", "point.parked", "../seat")

spoils = registry(EVERY)


def field_value(chance: random.Random, depth: int = 0) -> Any:
    """A value that a header can have, of any kind."""
    if depth < 4 and chance.random() < 0.25:
        inner = [field_value(chance, depth + 1) for _ in range(chance.randrange(4))]
        return inner if chance.random() < 0.5 else {f"k{number}": one for number, one in enumerate(inner)}
    return chance.choice(
        (
            *(
                None,
                True,
                False,
                0,
                -1,
                127,
                -(2**31),
                2**32 - 1,
                2**63 - 1,
                -(2**63),
                0.5,
                float("nan"),
                float("-inf"),
            ),
            *(Decimal("1.5"), Decimal("-0.0001"), bytearray(b"\xff\x00\xfe"), bytearray(chance.randbytes(20))),
            *(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), text(chance), text(chance)),
        )
    )


@spoils
def missing_header(chance: random.Random, draft: Draft) -> None:
    """Some headers are missing."""
    for name in chance.sample(sorted(draft.headers), min(len(draft.headers), chance.choice((1, 2, 9)))):
        del draft.headers[name]


@spoils
def wrong_header(chance: random.Random, draft: Draft) -> None:
    """A header of the event has a value of any kind."""
    draft.headers[chance.choice(CE)] = field_value(chance)


@spoils
def our_header(chance: random.Random, draft: Draft) -> None:
    """A header that a service or the broker writes has a value of any kind."""
    draft.headers[chance.choice(OURS)] = field_value(chance)


@spoils
def attempts(chance: random.Random, draft: Draft) -> None:
    """The number of attempts is not one that can have been counted."""
    draft.headers["x-attempt"] = chance.choice(
        (-1, 3, 4, 1_000_001, 2**63 - 1, -(2**63), "7", 1.5, True, bytearray(b"1"))
    )


@spoils
def origin(chance: random.Random, draft: Draft) -> None:
    """Somebody else is said to have said it."""
    draft.headers["x-origin"] = chance.choice(NAMES)
    draft.headers["ce-source"] = f"/{chance.choice(NAMES)}"


@spoils
def deaths(chance: random.Random, draft: Draft) -> None:
    """The broker is said to have dead-lettered it."""
    death = {
        "count": chance.choice((1, 2**31, 2**62)),
        "reason": chance.choice(("rejected", "expired", "delivery_limit", "maxlen")),
        "queue": chance.choice(("point.parked", "seat.parked", "point.retry.1s", "seat.reserve")),
        "time": datetime.now(UTC),
        "exchange": chance.choice(("", "point.retry")),
        "routing-keys": chance.choice((["parked.point.spend"], [])),
    }
    draft.headers["x-death"] = [death] * chance.choice((1, 2, 40))


@spoils
def other_version(chance: random.Random, draft: Draft) -> None:
    """It is of another version, or another event."""
    name = str(draft.headers.get("ce-type", "")).rpartition(".v")[0] or chance.choice(sorted(examples()))
    version = chance.choice(("0", "1", "2", "99", "-1", "9" * 400, "9" * 5_000, "", "x", "²", "٣", "1.v1", "1 "))
    draft.headers["ce-type"] = f"{chance.choice((name, name, name, chance.choice(sorted(examples()))))}.v{version}"


@spoils
def odd_id(chance: random.Random, draft: Draft) -> None:
    """The id is written in a way that few would write it, and still is one."""
    found = draft.headers.get("ce-id")
    one = found if isinstance(found, str) else str(uuid.UUID(int=1))
    odd = ("{" + one + "}", f"urn:uuid:{one}", one.upper(), one.replace("-", ""))
    draft.headers["ce-id"] = chance.choice((*odd, one[:-1], one + "0", f" {one}"))


@spoils
def long_id(chance: random.Random, draft: Draft) -> None:
    """The id is long and still is one."""
    draft.headers["ce-id"] = chance.choice("{-") * 600 + str(uuid.UUID(int=chance.getrandbits(128), version=4))


@spoils
def odd_time(chance: random.Random, draft: Draft) -> None:
    """The time is far away, or in a form that few would write."""
    draft.headers["ce-time"] = chance.choice(
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "20260102T030405Z", "2026-W01", "1e9", "now")
    )


@spoils
def naive_time(chance: random.Random, draft: Draft) -> None:
    """The time does not say in which zone."""
    draft.headers["ce-time"] = chance.choice(("2026-01-02T03:04:05", "2026-01-02"))


@spoils
def copies(chance: random.Random, draft: Draft) -> None:
    """The broker is asked to route it to further queues."""
    key = chance.choice(("point.spend", "checkout.requested", "seat.resay", "payment.parked", "#", "*.point.spend"))
    draft.headers[chance.choice(("CC", "BCC"))] = (
        [7] if chance.random() < 0.01 else chance.choice(([key], [key], [], key))
    )


@spoils
def unknown_headers(chance: random.Random, draft: Draft) -> None:
    """There are headers that nobody knows, sometimes many."""
    for number in range(chance.choice((1, 3, 200))):
        draft.headers[f"{text(chance)[:40]}{number}"] = field_value(chance)


@spoils
def deep_header(chance: random.Random, draft: Draft) -> None:
    """A header has tables in tables."""
    value: Any = 1
    for _ in range(chance.choice((5, 20, 50))):
        value = {"t": value} if chance.random() < 0.5 else [value]
    draft.headers[chance.choice((*CE, *OURS, "deep"))] = value


@spoils
def long_header(chance: random.Random, draft: Draft) -> None:
    """A header is long, seldom so long that the broker ends the connection."""
    length = chance.choice((501, 5_000, 5_000, 60_000)) if chance.random() < 0.98 else 140_000
    draft.headers[chance.choice((*CE, *OURS, "long", "traceparent"))] = "x" * length


@spoils
def some_property(chance: random.Random, draft: Draft) -> None:
    """A property is something else, or missing."""
    name = chance.choice(("correlation_id", "message_id", "message_type", "content_type", "app_id", "reply_to"))
    draft.properties[name] = chance.choice((None, text(chance)[:80], chance.choice(NAMES), "\x00" * 60, "x" * 255))


@spoils
def signature(chance: random.Random, draft: Draft) -> None:
    """Somebody else has signed it, or nobody, where the broker allows that."""
    draft.properties["user_id"] = chance.choice((None, None, *NAMES[:4]))
    draft.properties["app_id"] = chance.choice((None, *NAMES))


@spoils
def numbers(chance: random.Random, draft: Draft) -> None:
    """Priority, expiration, timestamp and the like are unusual."""
    draft.properties["priority"] = chance.choice((None, 0, 9, 255))
    draft.properties["delivery_mode"] = chance.choice((None, 1, 2))
    draft.properties["content_encoding"] = chance.choice((None, "gzip", "x" * 255))
    draft.properties["timestamp"] = chance.choice(
        (None, datetime(1970, 1, 1, tzinfo=UTC), datetime(2105, 1, 1, tzinfo=UTC))
    )
    if chance.random() < 0.3:
        draft.properties["expiration"] = chance.choice(("0", "1", "60000", "4294967295", "-1", "x", "9" * 30))
