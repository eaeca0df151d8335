"""The page that shows an AsyncAPI document of ours to people: complete in itself, without scripts."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from chassis.documents.asyncapi_style import STYLE
from chassis.documents.markup import Markup, code, element, joined, link, prose, table

Json = dict[str, Any]
Fact = tuple[str, Markup]

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The Content-Security-Policy that the page can live with: it loads nothing."""

BREAK = "<br>"
RANGES = (("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"))
LIMITS = {"exclusiveMinimum": "more than", "exclusiveMaximum": "less than", "multipleOf": "a multiple of"}
OUTSIDE = element("span", "from outside", class_="quiet")


def render(document: Json) -> str:
    """The document as HTML: an overview, every step, every message, the headers that all messages share."""
    title = document["info"]["title"]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · events"),
        element("style", Markup(STYLE)),
    )
    top = element("header", element("h1", title), element("p", "What it hears and says", class_="quiet"))
    body = element("body", top, _navigation(), element("main", *_Sections(document)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _navigation() -> Markup:
    places = {"Steps": "#steps", "Messages": "#messages", "Headers": "#headers"}
    neighbours = {"REST": "docs", "JSON": "asyncapi.json"}
    links = (link(text, target) for text, target in (places | neighbours).items())
    return element("nav", *links, aria_label="Page")


class _Sections:
    """The sections of the page, with what they look up in the document."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._messages: Json = document["components"]["messages"]
        self._schemas: Json = document["components"]["schemas"]
        self._steps: defaultdict[str, list[Json]] = defaultdict(list)
        for operation in document["operations"].values():
            self._steps[operation["x-step"]["name"]].append(operation)

    def __iter__(self) -> Iterator[Markup]:
        yield element("section", *prose(self._document["info"]["description"]))
        yield _section("Steps", self._overview(), *(self._step(name) for name in self._steps))
        yield _section("Messages", *(self._message(key) for key in self._messages))
        yield _section("Headers", *self._headers())

    def _overview(self) -> Markup:
        rows = [
            (self._named(name), self._events(name, "receive") or OUTSIDE, self._events(name, "send"))
            for name in self._steps
        ]
        return table("All steps", ("step", "hears", "says"), rows)

    def _named(self, step: str) -> Markup:
        kind = self._steps[step][0]["x-step"]["kind"]
        marks = [] if kind == "step" else [_mark(kind)]
        return joined((link(step, f"#{step}"), *marks), " ")

    def _step(self, name: str) -> Markup:
        operations = self._steps[name]
        return element(
            "article",
            element("h3", name, _mark(operations[0]["x-step"]["kind"])),
            *prose(operations[0].get("summary", "")),
            element(
                "div",
                _facts(self._facts_of_step(name, operations[0]["x-step"])),
                _facts(self._facts_of_queue(name)),
                class_="halves",
            ),
            id=name,
        )

    def _facts_of_step(self, name: str, step: Json) -> Iterator[Fact]:
        yield "hears", self._events(name, "receive") or OUTSIDE
        yield "says", self._events(name, "send")
        if "undoes" in step:
            yield "undoes", link(step["undoes"], f"#{step['undoes']}")
        if "undoneBy" in step:
            yield "undone by", joined((link(other, f"#{other}") for other in step["undoneBy"]), BREAK)

    def _facts_of_queue(self, step: str) -> Iterator[Fact]:
        if channel := self._document["channels"].get(f"queue.{step}"):
            queue = channel["bindings"]["amqp"]["queue"]
            yield "queue", joined((code(queue["name"]), _lasting(queue)), " ")
            bound = ((code(to["routingKey"]), "from", code(to["exchange"])) for to in channel["x-bound-to"])
            yield "bound to", joined((joined(words, " ") for words in bound), BREAK)
            yield "arguments", _pairs(channel["x-queue-arguments"])

    def _said_or_heard(self, step: str, action: str) -> list[str]:
        """The keys of the messages that a step says or hears."""
        return [
            reference["$ref"].rpartition("/")[2]
            for operation in self._steps[step]
            if operation["action"] == action
            for reference in operation["messages"]
        ]

    def _events(self, step: str, action: str) -> Markup:
        return joined((self._event(key) for key in self._said_or_heard(step, action)), BREAK)

    def _event(self, key: str) -> Markup:
        marks = (_mark(mark) for mark in _marks_of(self._messages[key]["x-event"]))
        return joined((link(self._messages[key]["name"], f"#{key}"), *marks), " ")

    def _message(self, key: str) -> Markup:
        message = self._messages[key]
        sample = message["examples"][0]
        return element(
            "article",
            element("h3", message["name"], *(_mark(mark) for mark in _marks_of(message["x-event"]))),
            *prose(message.get("summary", "")),
            element(
                "div",
                element("div", _facts(self._facts_of_message(key, message)), self._fields(key)),
                element("div", _example("Example", sample["payload"], open=""), _example("Headers", sample["headers"])),
                class_="halves",
            ),
            id=key,
        )

    def _fields(self, key: str) -> Markup:
        rows = (_row(*field) for field in _fields(self._schemas[key], self._schemas))
        return table(f"Fields of {key}", ("field", "type", "constraints"), rows)

    def _facts_of_message(self, key: str, message: Json) -> Iterator[Fact]:
        """Which way a message goes, and which steps of this document say and hear it."""
        for verb, action in (("said by", "send"), ("heard by", "receive")):
            if steps := [step for step in self._steps if key in self._said_or_heard(step, action)]:
                yield verb, joined((link(step, f"#{step}") for step in steps), BREAK)
        exchange = self._document["channels"][message["name"]]["bindings"]["amqp"]["exchange"]
        yield "exchange", joined((code(exchange["name"]), _lasting(exchange), exchange["type"]), " ")
        yield "routing key", code(message["name"])
        yield "ce-type", code(key)
        if older := message["x-event"]["understood"][:-1]:
            yield "also read", joined((code(f"v{version}") for version in older), ", ")
        yield "saga", code(message["x-event"]["saga"])

    def _headers(self) -> Iterator[Markup]:
        schema = self._schemas["headers"]
        yield from prose(schema["description"])
        rows = [
            (*_row(name, inner, name in schema["required"]), joined(prose(inner["description"])))
            for name, inner in schema["properties"].items()
        ]
        yield table("Headers of every message", ("header", "type", "constraints", "meaning"), rows)


def _section(title: str, *inside: Markup) -> Markup:
    return element("section", element("h2", title), *inside, id=title.lower())


def _facts(facts: Iterable[Fact]) -> Markup:
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in facts))


def _pairs(values: Json) -> Markup:
    return joined((code(f"{name}: {value}") for name, value in values.items()), BREAK)


def _lasting(declared: Json) -> str:
    return "durable" if declared["durable"] else "transient"


def _marks_of(event: Json) -> list[str]:
    return [word for word in ("refusal", "end") if event[word]]


def _mark(word: str) -> Markup:
    return element("span", word, class_=f"mark {word}")


def _example(title: str, value: Json, **attributes: str) -> Markup:
    shown = element("pre", code(json.dumps(value, indent=2, ensure_ascii=False)), tabindex="0")
    return element("details", element("summary", title), shown, **attributes)


def _row(path: str, schema: Json, required: bool) -> tuple[Markup, str, Markup]:
    return code(path), _type(schema), joined(_constraints(schema, required), ", ")


def _fields(schema: Json, schemas: Json, path: str = "") -> Iterator[tuple[str, Json, bool]]:
    """Every field of an object and of the objects inside it: where it is, its schema, whether it must be there."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}", inner, name in schema.get("required", ())
        item = inner.get("items", inner)
        if "$ref" in item:
            step = "[]." if "items" in inner else "."
            yield from _fields(schemas[item["$ref"].rpartition("/")[2]], schemas, f"{path}{name}{step}")


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if choices := schema.get("anyOf"):
        return " or ".join(_type(choice) for choice in choices)
    return str(schema.get("format", schema.get("type", "any")))


def _constraints(schema: Json, required: bool) -> Iterator[str]:
    """What a value must satisfy beyond its type."""
    for least, most, unit in RANGES:
        if least in schema and most in schema:
            yield f"{schema[least]:,} to {schema[most]:,}{unit}"
        elif least in schema or most in schema:
            word, bound = ("at least", least) if least in schema else ("at most", most)
            yield f"{word} {schema[bound]:,}{unit}"
    yield from (f"{words} {schema[keyword]:,}" for keyword, words in LIMITS.items() if keyword in schema)
    if "pattern" in schema:
        yield code(schema["pattern"])
    if "const" in schema:
        yield code(json.dumps(schema["const"]))
    if "enum" in schema:
        yield joined((code(json.dumps(value)) for value in schema["enum"]), " or ")
    if "items" in schema:
        yield from (joined(("each", constraint), " ") for constraint in _constraints(schema["items"], required=True))
    if not required:
        yield "optional"
