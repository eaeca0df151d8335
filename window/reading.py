"""Reading: what the window keeps of a message, whatever is in it.

Nothing that a message says may end the session, nor fill the archive: what is no event of ours is kept as event `?`
without a saga, and everything that is kept is bounded.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from chassis.broker.retry import LAST_ERROR, attempts_in
from chassis.broker.unreadable import refuse_unreadable
from chassis.choreography.envelope import MAX_BODY, TRACEPARENT
from chassis.choreography.topology import PARKED
from window.message import Message, Place

UNKNOWN = "?"
MAX_NAME, MAX_STEP, MAX_DELAY, MAX_TEXT, MAX_HEADERS = 64, 128, 16, 500, 40
MAX_INTEGER = 2**31 - 1
_NAME = re.compile(r"([a-z0-9][a-z0-9.-]{0,63})\.v([0-9]{1,6})")
_USER = re.compile(r"[\w.@:-]{1,64}", re.ASCII)
_IDS = UUID("5d0c25a9-7e5e-4a52-8ffb-6f3e7b1c9a41")
"""The namespace of ids for what has none"""


class Arrived(NamedTuple):
    """A message as the broker handed it out."""

    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    body: bytes
    message_id: str = ""
    user: str = ""
    """Who published it, if the broker vouches for that"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message to be kept; its body does not name the user."""

    key: UUID
    """The same for each delivery of the message, and for no other message"""
    message: Message
    user_id: str | None


def seen(arrived: Arrived, now: datetime) -> Seen:
    """What is kept of a message; never raises."""
    try:
        return _seen(arrived, now)
    except Exception as error:  # noqa: BLE001  # whatever a sender has found
        return stub(arrived, now, f"{type(error).__name__} when it was read")


def stub(arrived: Arrived, now: datetime, error: str) -> Seen:
    """What is kept of a message that cannot be kept: that there was one."""
    digest = hashlib.sha256(
        repr((arrived.exchange, arrived.routing_key, arrived.message_id)).encode("utf-8", "replace")
    )
    key = uuid5(_IDS, digest.hexdigest() + hashlib.sha256(arrived.body).hexdigest())
    return Seen(key, Message(0, Place.SAID, key, None, UNKNOWN, 0, "", None, now, now, error=error), None)


def _seen(arrived: Arrived, now: datetime) -> Seen:
    place, step, delay = _place(arrived.exchange, arrived.routing_key)
    key = _key(arrived, place)
    kept = {str(name)[:MAX_NAME]: clean(str(value)) for name, value in list(arrived.headers.items())[:MAX_HEADERS]}
    user_id, body = _body(arrived.body)
    rest = Message(
        number=0,
        place=place,
        event_id=key,
        saga_id=None,
        event=UNKNOWN,
        version=0,
        service=clean(arrived.user or arrived.exchange.partition(".")[0], MAX_NAME),
        cause=None,
        occurred_at=now,
        seen_at=now,
        step=step,
        attempt=min(attempts_in(arrived.headers), MAX_INTEGER),
        delay=delay,
        error=clean(kept[LAST_ERROR]) if LAST_ERROR in kept else None,
        headers={clean(name, MAX_NAME): value for name, value in kept.items()},
        body=body,
    )
    return Seen(key, _event(arrived, rest), user_id)


def _event(arrived: Arrived, rest: Message) -> Message:
    """The event that the headers name, or what is known without."""
    headers = arrived.headers
    try:
        refuse_unreadable(headers)
        if len(arrived.body) > MAX_BODY:
            raise ValueError(f"its body has {len(arrived.body)} bytes")
        name = _NAME.fullmatch(headers["ce-type"])
        if name is None:
            raise ValueError("its ce-type names no event")
        trace = headers.get("traceparent")
        source = str(headers["ce-source"])
        return replace(
            rest,
            event_id=UUID(headers["ce-id"]),
            saga_id=UUID(headers["ce-correlationid"]),
            event=name[1],
            version=int(name[2]),
            # Who puts it aside or back is not who said it.
            service=rest.service if rest.place is Place.SAID else clean(source.removeprefix("/"), MAX_NAME),
            cause=UUID(headers["ce-causationid"]) if headers.get("ce-causationid") else None,
            occurred_at=_moment(headers["ce-time"]),
            traceparent=trace if isinstance(trace, str) and TRACEPARENT.fullmatch(trace) else "",
        )
    except KeyError as missing:
        return replace(_named(rest, headers), error=rest.error or clean(f"{missing.args[0]} is missing"))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        return replace(_named(rest, headers), error=rest.error or clean(str(error)))


def _named(rest: Message, headers: Mapping[str, Any]) -> Message:
    """What is no event of ours may have an id all the same, by which it is known where it is parked."""
    try:
        return replace(rest, event_id=UUID(headers["ce-id"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return rest


def _place(exchange: str, routing_key: str) -> tuple[Place, str | None, str | None]:
    """Where it was seen, the step that failed, and the delay that it rests for."""
    how, _, step = routing_key.partition(".")
    step = clean(step, MAX_STEP)
    match exchange.partition(".")[2]:
        case "retry" if how == PARKED:
            return Place.PARKED, step, None
        case "retry":
            return Place.RESTING, step, clean(how, MAX_DELAY)
        case "redeliver":
            return Place.BACK, step, None
        case _:
            return Place.SAID, None, None


def _key(arrived: Arrived, place: Place) -> UUID:
    """An id of this message at this place; a message that is dead-lettered again is another one.

    What was just said keeps the id that its publisher gave it: those grow, so that the index of millions does too.
    """
    deaths = arrived.headers.get("x-death")
    count = sum(_count(one) for one in deaths) if isinstance(deaths, list) else 0
    if arrived.message_id and place is Place.SAID and not count:
        try:
            return UUID(arrived.message_id)
        except ValueError:
            pass
    whole = (
        arrived.message_id or hashlib.sha256(repr(sorted(arrived.headers.items())).encode() + arrived.body).hexdigest()
    )
    return uuid5(_IDS, clean(f"{place} {arrived.routing_key} {count} {whole}"))


def _count(death: object) -> int:
    found = death.get("count", 0) if isinstance(death, dict) else 0
    return found if isinstance(found, int) else 0


def _body(body: bytes) -> tuple[str | None, str]:
    """The user that a body names, and the body without; of one that cannot be read and names one, only its digest.

    So a user can be erased from all that is kept.
    """
    text = clean(body[:MAX_BODY].decode(errors="replace"), MAX_BODY)
    if '"user_id"' not in text:
        return None, text
    try:
        values = json.loads(text)
        user_id = values.pop("user_id")
        if _USER.fullmatch(user_id) and '"user_id"' not in (rest := json.dumps(values)):
            return user_id, rest
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        pass
    return None, f"{len(body)} bytes with the SHA-256 {hashlib.sha256(body).hexdigest()}"


def with_user(body: str, user_id: str | None) -> str:
    """A body that names its user again."""
    if user_id is None:
        return body
    named = json.dumps({"user_id": user_id})
    return named if body == "{}" else f"{named[:-1]}, {body[1:]}"


def clean(text: str, length: int = MAX_TEXT) -> str:
    """Text as PostgreSQL can keep it, up to a length."""
    cut = text[:length]
    if cut.isascii() and "\0" not in cut:  # nearly all there is, and soon known
        return cut
    return cut.replace("\0", "␀").encode("utf-8", "replace").decode()


def _moment(text: object) -> datetime:
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError("its time has no zone")
    return found.astimezone(UTC)
