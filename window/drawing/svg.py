"""SVG: elements as escaped text; what a message says reaches a picture only through here."""

from typing import Final

from markupsafe import Markup, escape

from chassis.visible import visible

CHARACTER: Final = 0.605
"""How wide a character of a monospaced font is, in parts of its size"""
Part = Markup | str
"""A child: markup as it is, text to be escaped"""


def tag(element: str, *children: Part, **attributes: object) -> Markup:
    """An element. `class_` is `class`, other underscores are dashes; an attribute that is None is left out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(_name(name), value if isinstance(value, Markup) else safe(value))
        for name, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(child if isinstance(child, Markup) else escape(visible(child)) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(element, written, inner)


def safe(value: object) -> str:
    """A value on one line: numbers short, signs that a reader cannot see written out."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return visible(str(value))


def cut(text: str, characters: int) -> str:
    """The text, or its beginning and an ellipsis, all of it visible."""
    shown = visible(text)
    return shown if len(shown) <= characters else shown[: characters - 1] + "…"


def fitting(width: float, size: float) -> int:
    """How many characters of a monospaced font fit into a width."""
    return max(1, int(width / (size * CHARACTER)))


def _name(name: str) -> str:
    return name.removesuffix("_").replace("_", "-")
