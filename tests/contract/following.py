"""Following a page: makes its changes to files, runs its commands, and compares what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PART = re.compile(r"^\*\*(?P<path>\S+)\*\*$|^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
OTHERS = ("STACK_", "PYTEST_", "COV_", "COVERAGE_", "MAKE", "MFLAGS")
"""How variables begin that belong to whoever runs the tests"""


class WrongPageError(AssertionError):
    """The page says something that is not so."""


@dataclass(frozen=True)
class Change:
    """A new file, or a diff of one."""

    path: str
    is_diff: bool
    text: str

    def make(self, root: Path) -> None:
        """Change the file."""
        file = root / self.path
        if not self.is_diff:
            file.write_text(self.text)
            return
        lines = self.text.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        old = file.read_text()
        if old.count(before) != 1:
            raise WrongPageError(f"{self.path} has {old.count(before)} times:\n{before}")
        file.write_text(old.replace(before, after))


@dataclass(frozen=True)
class Command:
    """A command and what it should print."""

    line: str
    printed: str

    def run(self, root: Path, environment: dict[str, str]) -> None:
        """Run it in a folder; what it prints is what it should."""
        done = subprocess.run(  # noqa: S603  # what our own page says
            ["bash", "-c", self.line],  # noqa: S607
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        printed = "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip()
        wanted = ".*".join(map(re.escape, self.printed.strip().split(ANYTHING)))
        if not re.fullmatch(wanted.replace("\\\n.*\\\n", "(\n.*)?\n"), printed, re.DOTALL):
            raise WrongPageError(f"$ {self.line}\nshould print\n{self.printed}\nand prints\n{done.stdout}")


def parts(page: Path) -> Iterator[Change | Command]:
    """What a page says to do, in its order."""
    path = ""
    for found in _PART.finditer(page.read_text()):
        if found["path"]:
            path = found["path"]
        elif found["language"] == "console":
            yield from _commands(found["body"])
        else:
            yield Change(path, found["language"] == "diff", found["body"])


def environment(folder: Path) -> dict[str, str]:
    """Variables for commands: the tools of these tests, also for `make`, and nothing of a stack that may run."""
    # Makefiles do not like paths with blanks, in which this repository may lie.
    (folder / "venv").symlink_to(Path(sys.executable).parents[1])
    tools, ready = folder / "venv" / "bin", folder / "ready"
    ready.touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return kept | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        # A name that is set on the command line of make wins over the Makefile.
        "MAKEFLAGS": f" -- BIN={tools} READY={ready}",
        "NO_COLOR": "1",
        "COLUMNS": "80",
    }


def _commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        line, _, printed = part.partition("\n")
        yield Command(line, printed)
