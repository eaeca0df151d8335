"""Spoiling: everything that can be wrong with the head, the properties and the body of one message."""

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from contracts.event import Event
from stack.directory import ROOT

MEBIBYTE = 1 << 20


@dataclass
class Draft:
    """A message that is being written."""

    headers: dict[str, Any]
    body: bytes
    properties: dict[str, Any]


Spoil = Callable[[random.Random, Draft], None]
EVERY: dict[str, Spoil] = {}
"""All ways to spoil a message, by their names"""
CE = ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-subject", "ce-correlationid", "ce-causationid")
OURS = ("x-attempt", "x-first-failed-at", "x-step", "x-last-error", "x-origin", "x-delivery-count")
NAMES = ("point", "reservation", "payment", "seat", "admin", "guest", "", "point.parked", "../seat")
WORDS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "{",
    "\uff21",
    "\u202e",
    "🪑" * 20,
    "'; DROP TABLE inbox; --",
    "%s%n",
    "null",
    "[",
    "\n\r\t",
)


def spoils(spoil: Spoil) -> Spoil:
    """Add one to `EVERY`."""
    EVERY[spoil.__name__] = spoil
    return spoil


def now() -> str:
    """The time of an event that is said now."""
    return datetime.now(UTC).isoformat()


def text(chance: random.Random) -> str:
    """Some text, sometimes a long one."""
    if chance.random() < 0.05:
        return chance.choice("xé漢") * chance.choice((255, 501, 5_000, 30_000))
    return chance.choice(WORDS) if chance.random() < 0.5 else f"{chance.getrandbits(64):x}"


def plain(chance: random.Random) -> Any:
    """A value of JSON of any kind."""
    return chance.choice(
        (
            *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**12 + 1, 1.0, 1e308, -0.0, [], {}, [[]], {"a": 1}),
            *("1", "", "2026-01-02T03:04:05", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
            *(str(uuid.UUID(int=0)), text(chance), int("9" * chance.choice((20, 400, 4_300)))),
        )
    )


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


@cache
def _examples() -> dict[str, dict[str, Any]]:
    """A body of each event that somebody relies on."""
    files = sorted((ROOT / "contracts" / "examples").glob("*/*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def valid_body(chance: random.Random, event: type[Event] | None) -> bytes:
    """A body that is understood, about sagas, users and seats that do not exist; an ask where there is no event."""
    if event is None:
        names = chance.sample(sorted(_examples()), chance.randrange(3))
        return json.dumps({"events": names, "hours": chance.choice((None, 0.001, 1))}).encode()
    body = dict(_examples()[event.name])
    for name in body:
        if name.endswith("_id") and name != "user_id":
            body[name] = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    body["user_id"] = f"nobody-{chance.getrandbits(32):x}"
    for name in ("deadline", "expires_at"):
        if name in body:
            ahead = timedelta(seconds=chance.choice((-3_600, 60, 3_600)))
            body[name] = (datetime.now(UTC) + ahead).isoformat()
    return json.dumps(body).encode()


def garbage(chance: random.Random, size: int) -> bytes:
    """So many bytes that are no event."""
    return chance.choice(
        (
            lambda: chance.randbytes(size),
            lambda: b"\x00" * size,
            lambda: b"[" * size,
            lambda: b'{"a":' * (size // 5) + b"1" + b"}" * (size // 5),
            lambda: b"9" * size,
            lambda: b'"' + b"\\ud800" * (size // 6) + b'"',
            lambda: b'{"checkout_id": "' + b"x" * size + b'"}',
            lambda: json.dumps({f"k{number}": number for number in range(size // 12)}).encode(),
            lambda: b"",
        )
    )()


def _body(draft: Draft) -> dict[str, Any]:
    try:
        found = json.loads(draft.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _put(draft: Draft, values: Any) -> None:
    draft.body = json.dumps(values).encode()


@spoils
def one_field(chance: random.Random, draft: Draft) -> None:
    """One field of the body is something else."""
    body = _body(draft)
    if body:
        body[chance.choice(sorted(body))] = plain(chance)
        _put(draft, body)


@spoils
def missing_field(chance: random.Random, draft: Draft) -> None:
    """One field of the body is missing."""
    body = _body(draft)
    if body:
        del body[chance.choice(sorted(body))]
        _put(draft, body)


@spoils
def unknown_field(chance: random.Random, draft: Draft) -> None:
    """The body has a field too many, or one twice."""
    if chance.random() < 0.5:
        _put(draft, _body(draft) | {text(chance)[:100]: plain(chance)})
    elif draft.body.startswith(b"{") and len(draft.body) > 2:
        draft.body = b'{"user_id": "first", ' + draft.body[1:]


@spoils
def many_seats(chance: random.Random, draft: Draft) -> None:
    """A list of the body is long, or has the same entries again."""
    body = _body(draft)
    for name in [name for name, value in body.items() if isinstance(value, list)]:
        body[name] = chance.choice(([*body[name]] * 50, list(range(chance.choice((0, 1_000, 20_000)))), [[]], [None]))
    _put(draft, body)


@spoils
def extreme_amount(chance: random.Random, draft: Draft) -> None:
    """Each number of the body is at a limit or beyond it."""
    body = _body(draft)
    for name in [name for name, value in body.items() if isinstance(value, int)]:
        body[name] = chance.choice((0, -1, 1, 10**12, 10**12 + 1, 2**63, 2**64, 1e400, float("nan"), 1.0, "1"))
    _put(draft, body)


@spoils
def cut_body(chance: random.Random, draft: Draft) -> None:
    """The body ends early."""
    draft.body = draft.body[: chance.randrange(len(draft.body) + 1)]


@spoils
def flipped_bytes(chance: random.Random, draft: Draft) -> None:
    """Some bytes of the body are others."""
    body = bytearray(draft.body)
    for _ in range(min(len(body), chance.choice((1, 2, 10)))):
        body[chance.randrange(len(body))] = chance.randrange(256)
    draft.body = bytes(body)


@spoils
def other_encoding(chance: random.Random, draft: Draft) -> None:
    """The body is in another encoding, or begins with what does not belong there."""
    encoding = chance.choice(("utf-16", "utf-32", "utf-8-sig"))
    draft.body = chance.choice((draft.body.decode("latin-1").encode(encoding), b"\x00" + draft.body, draft.body + b"}"))


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
def broken_deaths(chance: random.Random, draft: Draft) -> None:
    """What it says of its dead-lettering is not what a broker would have written."""
    draft.headers["x-death"] = chance.choice(([7], [{}], "x", {"queue": 7}, [{"queue": 7, "count": "x"}], [[]]))


@spoils
def other_version(chance: random.Random, draft: Draft) -> None:
    """It is of another version, or another event."""
    name = str(draft.headers.get("ce-type", "")).rpartition(".v")[0] or chance.choice(sorted(_examples()))
    version = chance.choice(("0", "1", "2", "99", "-1", "9" * 400, "9" * 5_000, "", "x", "²", "٣", "1.v1", "1 "))
    draft.headers["ce-type"] = f"{chance.choice((name, name, name, chance.choice(sorted(_examples()))))}.v{version}"


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
    draft.headers[chance.choice(("CC", "BCC"))] = chance.choice(([key], [key], [], key, [7]))


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
