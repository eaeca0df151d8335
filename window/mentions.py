"""Mentions: what a saga can be found by, besides its own id and its user."""

from collections.abc import Iterable, Iterator
from typing import Any

from window import bodies
from window.message import Message
from window.story import Story

MAX_VALUE, MAX_KIND, MAX_MENTIONS, MAX_DEPTH = 64, 32, 50, 4
USER = "user"


def mentions(story: Story, messages: Iterable[Message]) -> set[tuple[str, str]]:
    """Kinds and values: every field of a body that ends in `_id` or `_ids`, and the reason."""
    found = {("reason", story.reason[:MAX_VALUE])} if story.reason else set()
    for message in messages:
        found.update(_within(bodies.fields(message.body), MAX_DEPTH))
        if len(found) > MAX_MENTIONS:
            return set(sorted(found)[:MAX_MENTIONS])
    return found


def _within(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if not depth:
        return
    if isinstance(value, list):
        for one in value:
            yield from _within(one, depth - 1)
    if isinstance(value, dict):
        for name, one in value.items():
            kind = name.removesuffix("s").removesuffix("_id")[:MAX_KIND]
            if name.endswith(("_id", "_ids")):
                yield from ((kind, str(each)[:MAX_VALUE]) for each in _each(one) if _is_plain(each))
            elif isinstance(one, list | dict):
                yield from _within(one, depth - 1)


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and "\0" not in str(value)
