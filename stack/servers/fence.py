"""Fences: a program that must not run, however often it is asked to, until somebody says otherwise."""

import asyncio

from stack.directory import Directory

_LOOK_EVERY = 0.2


def fence(directory: Directory, name: str) -> None:
    """Keep a program from being started, by this supervisor and by later ones; it is ended by others."""
    directory.fences.mkdir(mode=0o700, exist_ok=True)
    (directory.fences / name).touch()


def let_go(directory: Directory, name: str) -> None:
    """Let the program be started again."""
    (directory.fences / name).unlink(missing_ok=True)


def is_fenced(directory: Directory, name: str) -> bool:
    """Whether the program must not run."""
    return (directory.fences / name).exists()


async def until_free(directory: Directory, name: str) -> None:
    """Wait until the program may run."""
    while is_fenced(directory, name):  # noqa: ASYNC110 - another process has no event to set
        await asyncio.sleep(_LOOK_EVERY)
