"""Erasure: a message that was put aside loses the name of a user, and nothing else.

It is published anew where it lies, under the name of who said it, and only then is the old one taken away: whatever
ends this in between, there are two copies, which the inbox of the step takes care of.
"""

import json
import re
from typing import Any

from aio_pika.abc import AbstractChannel

from chassis.broker.connection import answered
from chassis.broker.parked import Parked
from chassis.broker.renewal import copy_of
from chassis.choreography.topology import retry_names


async def rename(channel: AbstractChannel, one: Parked, user_id: str, pseudonym: str) -> bool:
    """Put a pseudonym in the place of a user; returns whether the message has named them.

    The channel has to confirm, and its user needs the tag `impersonator`. Raises DeliveryError.
    """
    body = renamed(one.message.body, user_id, pseudonym)
    if body == one.message.body:
        return False
    exchange = await channel.get_exchange(retry_names(one.service).waiting, ensure=False)
    await answered(exchange.publish(copy_of(one.message, body), one.message.routing_key or ""))
    await one.message.ack()
    return True


def renamed(body: bytes, user_id: str, pseudonym: str) -> bytes:
    """A body in which the pseudonym stands wherever the user stood as a whole text, or as a number that is the user."""
    try:
        said = json.loads(body, object_pairs_hook=_with_each_name_once)
        changed = _renamed(said, user_id, pseudonym)
    except (ValueError, RecursionError):
        # It is no event. Nobody but a person will ever read it.
        text = json.dumps(pseudonym).encode()
        number = rb'("user_id"\s*:\s*)' + re.escape(user_id.encode()) + rb"(?![\w.+-])"
        return re.sub(number, lambda found: found[1] + text, body.replace(json.dumps(user_id).encode(), text))
    return body if changed == said else json.dumps(changed).encode()


def _with_each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _renamed(value: Any, user_id: str, pseudonym: str) -> Any:
    if isinstance(value, dict):
        return {
            name: pseudonym if name == "user_id" and str(inner) == user_id else _renamed(inner, user_id, pseudonym)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed(inner, user_id, pseudonym) for inner in value]
    return pseudonym if value == user_id else value
