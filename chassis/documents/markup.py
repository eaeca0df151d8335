"""Markup: HTML from the standard library, in which every text is escaped unless it is markup already."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

VOID = ("meta",)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, /, *inside: str, **attributes: str) -> Markup:
    """An element; `class_` and `aria_label` are the attributes `class` and `aria-label`."""
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{''.join(_safe(part) for part in inside)}</{tag}>")


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """The parts one after the other, the separator (itself markup) between them."""
    return Markup(separator.join(_safe(part) for part in parts))


def code(text: str) -> Markup:
    """Text as it is written in programs."""
    return element("code", text)


def link(text: str, target: str, **attributes: str) -> Markup:
    """A link within the page or to a neighbour of it."""
    return element("a", text, href=target, **attributes)


def prose(text: str) -> Iterator[Markup]:
    """Paragraphs of text, in which words between backticks are code."""
    for paragraph in filter(None, re.split(r"\n\s*\n", text.strip())):
        pieces = enumerate(paragraph.split("`"))
        yield element("p", *(code(piece) if number % 2 else piece for number, piece in pieces))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table that scrolls by itself where it is too wide; the first cell of a row is its head."""
    top = element("tr", *(element("th", head, scope="col") for head in heads))
    lines = (
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    )
    whole = element("table", element("caption", caption), element("thead", top), element("tbody", *lines))
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _safe(text: str) -> str:
    return text if isinstance(text, Markup) else escape(text, quote=False)
