"""What the stack says to a person when it cannot go on."""


class StackError(Exception):
    """The stack cannot do what was asked; the text says what a person can do about it."""
