"""Random requests, byte by byte: what the documents of the services describe, spoiled, and what is no HTTP at all."""

import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.attacks import spoiling

METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "BREW",
    "P\x00ST",
    "A" * 9_000,
)
PATHS = (
    "/",
    "//",
    "/%00",
    "/..%2f..%2fetc/passwd",
    "/readyz/",
    "/openapi.json",
    "/docs",
    "/\xff",
    "*",
    "http://x/livez",
)
SEGMENTS = ("0", "-1", "1", "99999999999999999999", "%00", "%ff", "..", "a" * 5_000, "nil", "%F0%9F%AA%91", "1;2", "")
NO_EVENING = "2000000000"
WAITS = ("1", "0", "-1", "0.5", "nan", "1e9", "9" * 400, "", "x", "2, wait=1", "0; x=1")
BAD_TOKENS = ("", "x", "x" * 5_000, "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.", "\xff\xfe", "..", "e30.e30.e30")


@dataclass(frozen=True)
class Operation:
    """One route of a service."""

    service: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Attack:
    """What goes over one connection: parts, with a pause after each, and whether the end is waited for."""

    service: str
    name: str
    parts: Sequence[bytes]
    pause: float = 0.0
    listens: bool = True


@dataclass(frozen=True)
class Tokens:
    """Bearer tokens that are believed."""

    users: Sequence[str]
    operator: str
    bad: Sequence[str] = field(default=BAD_TOKENS)


def operations(service: str, document: Mapping[str, Any]) -> list[Operation]:
    """Everything that a service says it answers."""
    return [
        Operation(service, method.upper(), path, (verb.get("requestBody") or {}).get("content"))
        for path, verbs in document["paths"].items()
        for method, verb in verbs.items()
    ]


class Requests:
    """Makes one attack after the other; the same seed makes the same ones."""

    def __init__(self, chance: random.Random, found: Sequence[Operation], tokens: Tokens) -> None:
        self._chance = chance
        self._operations = found
        self._tokens = tokens

    def next(self) -> Attack:
        """The next attack."""
        chance = self._chance
        one = chance.choice(self._operations)
        if chance.random() < 0.07:
            return Attack(one.service, "no HTTP", self._no_http(one))
        method = one.method if chance.random() < 0.8 else chance.choice(METHODS)
        head = [f"{method} {self._path(one)} HTTP/1.1", *self._headers()]
        body = self._body(one) if one.method == "POST" or chance.random() < 0.2 else b""
        manner = chance.choices(("plain", "chunked", "cut", "slow", "left", "lies", "twice"), (70, 8, 4, 2, 6, 5, 5))[0]
        return getattr(self, f"_{manner}")(one, [line.encode("latin-1", "replace") for line in head], body)  # type: ignore[no-any-return]  # each makes an Attack

    def _name(self, one: Operation, manner: str) -> str:
        return f"{manner} {one.method} {one.service} {one.path}"

    def _plain(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        length = [b"Content-Length: %d" % len(body)] if body or one.method == "POST" else []
        return Attack(one.service, self._name(one, "plain"), [_joined([*head, *length]) + body])

    def _chunked(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        size = self._chance.choice((1, 10, 1_000, 65_536))
        body = body[: 2_000 * size]
        chunks = [
            b"%x\r\n%s\r\n" % (len(part), part) for at in range(0, len(body), size) if (part := body[at : at + size])
        ]
        head = [*head, b"Transfer-Encoding: chunked"]
        return Attack(one.service, self._name(one, "chunked"), [_joined(head), b"".join(chunks), b"0\r\n\r\n"])

    def _cut(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        """Chunks without an end; then the connection is closed."""
        chunk = b"%x\r\n%s\r\n" % (len(body) or 1, body or b"x")
        parts = [_joined([*head, b"Transfer-Encoding: chunked"]), chunk]
        return Attack(one.service, self._name(one, "cut"), parts, pause=0.2, listens=False)

    def _slow(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        whole = _joined([*head, b"Content-Length: %d" % len(body)]) + body[:200]
        step = max(1, len(whole) // 12)
        parts = [whole[at : at + step] for at in range(0, len(whole), step)]
        return Attack(one.service, self._name(one, "slow"), parts, pause=0.5)

    def _left(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        """The client does not wait for the answer."""
        whole = _joined([*head, b"Content-Length: %d" % len(body)]) + body
        end = self._chance.choice((len(whole), len(whole) // 2))
        return Attack(one.service, self._name(one, "left"), [whole[:end]], listens=False)

    def _lies(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        """The length is not the length."""
        lie = self._chance.choice(
            (b"0", b"1", b"-1", b"x", b"9" * 30, b"1, 2", b"%d\r\nTransfer-Encoding: chunked" % len(body))
        )
        return Attack(one.service, self._name(one, "lies"), [_joined([*head, b"Content-Length: " + lie]) + body])

    def _twice(self, one: Operation, head: list[bytes], body: bytes) -> Attack:
        """Several requests at once."""
        whole = _joined([*head, b"Content-Length: %d" % len(body)]) + body
        return Attack(one.service, self._name(one, "twice"), [whole[:20_000] * self._chance.choice((2, 10))])

    def _no_http(self, one: Operation) -> list[bytes]:
        chance = self._chance
        return [
            chance.choice(
                (
                    chance.randbytes(chance.choice((1, 100, 100_000))),
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                    bytes.fromhex("16030100a5010000a10303") + chance.randbytes(160),
                    f"GET {one.path}\r\n\r\n".encode(),
                    b"\r\n" * 5_000,
                    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
                    b"GET /" + b"a" * 200_000,
                    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"\x00\x01\xff" * 10 + b"\r\n\r\n",
                    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
                    + chance.randbytes(50),
                )
            )
        ]

    def _path(self, one: Operation) -> str:
        chance = self._chance
        if chance.random() < 0.05:
            return chance.choice(PATHS)
        path = one.path
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + self._id(one) + rest.partition("}")[2]
        if chance.random() < 0.3:
            names = ("page", "limit", "cursor", "after", "status", "x", "", "%00")
            pairs = [f"{chance.choice(names)}={self._segment()}" for _ in range(chance.choice((1, 2, 300)))]
            path += "?" + "&".join(pairs)[: chance.choice((1_000, 15_000, 70_000))]
        return path

    def _id(self, one: Operation) -> str:
        """What stands for an id; an evening that is called off could not be sold any more."""
        segment = self._segment()
        return NO_EVENING if one.path.endswith("/cancel") and segment.isdecimal() else segment

    def _segment(self) -> str:
        roll = self._chance.random()
        if roll < 0.5:
            return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        return self._chance.choice(SEGMENTS) if roll < 0.8 else str(self._chance.randrange(-5, 300))

    def _headers(self) -> list[str]:
        chance, found = self._chance, ["Host: x"]
        if chance.random() < 0.85:
            good = (*self._tokens.users, self._tokens.operator)
            token = chance.choice(good) if chance.random() < 0.8 else chance.choice(self._tokens.bad)
            found.append(f"{chance.choice(('Authorization', 'authorization'))}: Bearer {token}")
        if chance.random() < 0.8:
            key = chance.choice(
                (f"{chance.getrandbits(64):x}", "", "same", "k" * 300, "k" * 12_000, "\xe9\xff", "a b", '"q"')
            )
            found.append(f"Idempotency-Key: {key}")
        if chance.random() < 0.4:
            found.append(f"Prefer: wait={chance.choice(WAITS)}")
        if chance.random() < 0.8:
            kind = chance.choice(
                ("application/json", "application/json", "application/json", "text/plain", "", "x/y; charset=utf-7")
            )
            found.append(f"Content-Type: {kind}")
        more = (
            *("traceparent: 00-" + "f" * 32 + "-" + "0" * 16 + "-zz", "Expect: 100-continue", "Accept: */*;q=x"),
            *(
                "Last-Event-ID: 99999999999999999999",
                "X-Forwarded-For: 1.2.3.4",
                "Range: bytes=0-",
                "Cookie: " + "c" * 9_000,
            ),
            *(
                "Connection: close",
                "Connection: upgrade",
                "TE: trailers",
                "X-Huge: " + "h" * 40_000,
                "bad header",
                ": empty",
            ),
        )
        found += chance.sample(more, chance.choice((0, 0, 0, 1, 2)))
        return found + ([f"X-{number}: {number}" for number in range(200)] if chance.random() < 0.03 else [])

    def _body(self, one: Operation) -> bytes:
        chance = self._chance
        valid: dict[str, Any] = {"amount": chance.choice((1, 1_000)), "seat_ids": [chance.randrange(1, 60)]}
        if "checkout" in one.path:
            valid = {"payment_id": str(uuid.UUID(int=chance.getrandbits(128), version=4))}
        else:
            valid = {name: valid[name] for name in (["amount"] if "point" in one.path else ["seat_ids"])}
        roll = chance.random()
        if roll < 0.35:
            return json.dumps(valid).encode()
        if roll < 0.65:
            return json.dumps({name: spoiling.plain(chance) for name in valid}).encode()
        if roll < 0.75:
            return json.dumps(valid | {spoiling.text(chance)[:100]: spoiling.plain(chance)}).encode()
        if roll < 0.8:
            return json.dumps({"seat_ids": list(range(chance.choice((21, 3_000))))}).encode()
        size = chance.choice((0, 10, 1_000, 15_000, 16_400, 100_000)) if chance.random() < 0.97 else 1 << 20
        return spoiling.garbage(chance, size)


def _joined(head: Sequence[bytes]) -> bytes:
    return b"\r\n".join(head) + b"\r\n\r\n"
