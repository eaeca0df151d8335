"""Visible: text from a message as it may be shown."""


def visible(text: str) -> str:
    """The text with everything escaped that a terminal might obey, or that would break a line."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
