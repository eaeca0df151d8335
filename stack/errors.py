"""What the stack says to a person when it cannot go on."""

START = "run  make up  (or  docker compose up --wait, then  make compose-env)"
"""What to do when nothing runs."""


class StackError(Exception):
    """The stack cannot do what was asked; the text says what a person can do about it."""
