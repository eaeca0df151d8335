"""`python -m tests.supply.bill`: write the libraries of requirements.lock as a CycloneDX bill of materials.

As long as the lock and the tools stay the same, so does the bill, to the byte: it has no time and no random number.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from stack.directory import ROOT

BILL = Path(".stack/sbom.json")


def bill() -> dict[str, Any]:
    """The name, version and hashes of every library, with no word of the place that it is downloaded from."""
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--output-format", "JSON"]
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements.lock", *options]
    return placeless(json.loads(subprocess.check_output(command, cwd=ROOT)))  # noqa: S603  # ours


def placeless(written: dict[str, Any]) -> dict[str, Any]:
    """A bill without registries, and without what a lock cannot know: which library needs which."""
    del written["dependencies"]
    for tool in written["metadata"]["tools"]["components"]:
        tool.pop("externalReferences", None)
    for library in written["components"]:
        # The line of the lock, with all hashes once more.
        del library["description"]
        for reference in library["externalReferences"]:
            reference["url"] = library["purl"]
            del reference["comment"]
    return written


def main() -> None:
    """Write the bill, and say where."""
    path = ROOT / BILL
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(bill(), indent=2)}\n")
    typer.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
