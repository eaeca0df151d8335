"""`python -m tests.supply.audit`: ask for published advisories about every library that is locked.

It ends with 0 when all were asked about and none has any, with 1 when an advisory was found, and with 2 when advisories
could not be read. pip-audit itself ends with 0 also when the service knows none of the libraries.
"""

import subprocess
import sys
from typing import NamedTuple

import typer
from pydantic import BaseModel, ValidationError

from stack.directory import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
CLEAN, FOUND, UNREAD = 0, 1, 2


class Advisory(BaseModel):
    """A published weakness, and the versions that mend it."""

    id: str
    fix_versions: list[str] = []

    def __str__(self) -> str:
        return f"{self.id}, " + (
            f"mended in {' and '.join(self.fix_versions)}" if self.fix_versions else "not mended yet"
        )


class Library(BaseModel):
    """A locked library, and either what is known about it or why nothing is."""

    name: str
    version: str = ""
    vulns: list[Advisory] = []
    skip_reason: str | None = None


class Report(BaseModel):
    """What pip-audit writes with `--format json`."""

    dependencies: list[Library]


class Verdict(NamedTuple):
    """What is said, and the status with which the command ends."""

    lines: list[str]
    status: int


def judge(report: str, complaint: str) -> Verdict:
    """The verdict on what pip-audit wrote to its output, and to stderr."""
    try:
        libraries = Report.model_validate_json(report).dependencies
    except ValidationError:
        return _nothing_was_checked((complaint.strip().splitlines() or ["pip-audit said nothing"])[-1])
    unread = [library for library in libraries if library.skip_reason is not None]
    if len(unread) == len(libraries):
        return _nothing_was_checked(f"the service knows none of the {len(libraries)} libraries")
    return _verdict(libraries, unread)


def _nothing_was_checked(reason: str) -> Verdict:
    return Verdict([f"No advisories could be read: {reason}; nothing was checked."], UNREAD)


def _verdict(libraries: list[Library], unread: list[Library]) -> Verdict:
    found = [f"{library.name} {library.version}: {one}" for library in libraries for one in library.vulns]
    lines = [f"{library.name} was not checked: {library.skip_reason}" for library in unread] + found
    asked = f"{len(libraries) - len(unread)} of {len(libraries)} libraries were checked"
    status = FOUND if found else UNREAD if unread else CLEAN
    return Verdict(
        [*lines, f"{asked}, {len(found) or 'no'} {'advisory' if len(found) == 1 else 'advisories'} found."], status
    )


def main() -> None:
    """Ask, say the verdict, and end with its status."""
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    locks = [word for lock in LOCKS for word in ("--requirement", lock)]
    command = [sys.executable, "-m", "pip_audit", *options, *locks]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    verdict = judge(done.stdout, done.stderr)
    for line in verdict.lines:
        typer.echo(line, err=verdict.status != CLEAN)
    raise SystemExit(verdict.status)


if __name__ == "__main__":
    main()
