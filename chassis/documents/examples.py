"""Examples: one instance of every event, made from the event's own schema, the same on every machine."""

import json
import math
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from chassis.choreography.envelope import Envelope
from contracts.event import Event

E = TypeVar("E", bound=Event)
Schema = Mapping[str, Any]

INSTANT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MANY = 2
SPREAD = 1_000
NO_EXAMPLE = "no example for {!r}: declare one with Field(examples=[…])"


def example(event: type[E]) -> E:
    """An instance of an event; a field has the same value in the example of every event that has it.

    What a field declares in `examples` comes first. Raises ValueError for a field that needs such a declaration,
    because its values cannot be guessed.
    """
    schema = event.model_json_schema(mode="validation")
    value = _value(schema, "", schema.get("$defs", {}))
    return event.model_validate_json(json.dumps(value))


def enveloped(event: type[Event]) -> Envelope:
    """The example as it travels, with a cause and a trace."""
    return Envelope(
        event=example(event),
        event_id=_uuid(event.name),
        causation_id=_uuid(f"cause of {event.name}"),
        occurred_at=INSTANT - timedelta(minutes=1),
        traceparent=f"00-{_uuid('trace').hex}-{_uuid('span').hex[:16]}-01",
    )


def _value(schema: Schema, path: str, definitions: Schema) -> Any:
    """A value that is valid for a schema; `path` says where, so that different places get different values."""
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rpartition("/")[2]], path, definitions)
    if given := schema.get("examples") or schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return given[0]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _value(next(choice for choice in choices if choice.get("type") != "null"), path, definitions)
    match schema.get("type"):
        case "object":
            inside = schema.get("properties", {}).items()
            return {name: _value(inner, f"{path}.{name}".lstrip("."), definitions) for name, inner in inside}
        case "array":
            return [_value(inner, f"{path}.{index}", definitions) for index, inner in enumerate(_items(schema))]
        case simple:
            return _simple(simple, schema, path)


def _simple(kind: str | None, schema: Schema, path: str) -> str | int | float | bool:
    match kind:
        case "string":
            return _string(schema, path)
        case "integer":
            return _integer(schema, path)
        case "number":
            return _number(schema)
        case "boolean":
            return True
    raise ValueError(NO_EXAMPLE.format(path))


def _items(schema: Schema) -> list[Schema]:
    """The schema of each item of an array: two, unless the schema wants more or fewer."""
    if fixed := schema.get("prefixItems"):
        return list(fixed)
    count = min(max(MANY, schema.get("minItems", 0)), schema.get("maxItems", math.inf))
    return [schema["items"]] * int(count)


def _string(schema: Schema, path: str) -> str:
    formats = {
        "uuid": str(_uuid(path)),
        "date-time": INSTANT.isoformat(),
        "date": INSTANT.date().isoformat(),
        "time": INSTANT.timetz().isoformat(),
        "duration": "PT90S",
    }
    return formats.get(schema.get("format", "")) or _word(schema, path)


def _word(schema: Schema, path: str) -> str:
    """The name of the field, or something plainer, in the length and the spelling that the schema wants."""
    name = re.split(r"\.(?!\d)", path)[-1]
    least, most = schema.get("minLength", 0), schema.get("maxLength", SPREAD)
    for word in (name.replace("_", "-"), re.sub(r"[^a-z]", "", name), "a", "A", "1"):
        fitted: str = (word * max(1, math.ceil(least / max(1, len(word)))))[:most]
        if re.search(schema.get("pattern", ""), fitted):
            return fitted
    raise ValueError(NO_EXAMPLE.format(path))


def _integer(schema: Schema, path: str) -> int:
    """One of the first thousand integers that the schema allows, counted from its minimum or from zero."""
    most = schema.get("maximum", schema.get("exclusiveMaximum", math.inf) - 1)
    nearest = 0 if most >= 0 else most - SPREAD
    least = schema.get("minimum", schema.get("exclusiveMinimum", nearest - 1) + 1)
    step = schema.get("multipleOf", 1)
    first = math.ceil(least / step) * step
    choices = (min(most, first + SPREAD * step - 1) - first) // step + 1
    return int(first + step * (zlib.crc32(path.encode()) % int(choices)))


def _number(schema: Schema) -> float:
    """The middle of what the schema allows."""
    least: float = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    most: float = schema.get("maximum", schema.get("exclusiveMaximum", least + SPREAD))
    return (least + most) / 2


def _uuid(name: str) -> UUID:
    return uuid5(NAMESPACE_OID, name)
