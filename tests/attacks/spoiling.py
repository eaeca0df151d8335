"""Spoiling: a message that is being written, and everything that can be wrong with its body."""

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from contracts.event import Event
from stack.directory import ROOT


@dataclass
class Draft:
    """A message that is being written."""

    headers: dict[str, Any]
    body: bytes
    properties: dict[str, Any]


Spoil = Callable[[random.Random, Draft], None]
EVERY: dict[str, Spoil] = {}
"""All ways to spoil a body, by their names"""
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


def registry(ways: dict[str, Spoil]) -> Callable[[Spoil], Spoil]:
    """A decorator that adds a way to spoil a message to these."""

    def add(spoil: Spoil) -> Spoil:
        ways[spoil.__name__] = spoil
        return spoil

    return add


spoils = registry(EVERY)


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


@cache
def examples() -> dict[str, dict[str, Any]]:
    """A body of each event that somebody relies on."""
    files = sorted((ROOT / "contracts" / "examples").glob("*/*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def valid_body(chance: random.Random, event: type[Event] | None) -> bytes:
    """A body that is understood, about sagas, users and seats that do not exist; an ask where there is no event."""
    if event is None:
        names = chance.sample(sorted(examples()), chance.randrange(3))
        return json.dumps({"events": names, "hours": chance.choice((None, 0.001, 1))}).encode()
    body = dict(examples()[event.name])
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
