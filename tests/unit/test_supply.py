"""What the commands for the supply chain make of what their tools say."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.supply.audit import CLEAN, FOUND, UNREAD, judge
from tests.supply.bill import placeless
from tests.supply.leaks import files, leaks

KNOWN_TO_BE_FINE = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
WEAK = {"name": "limits", "version": "5.8", "vulns": [{"id": "PYSEC-1", "aliases": [], "fix_versions": ["5.9", "6.0"]}]}
HOPELESS = {"name": "rich", "version": "15.0", "vulns": [{"id": "PYSEC-2", "aliases": [], "fix_versions": []}]}
UNKNOWN = {"name": "typer", "skip_reason": "it was not found"}
# In two halves each, or this file would not pass.
SECRETS = (
    "key = '" + "AKIA" + "QYLPMN5HHHFPZAM2'",
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "token = 'ghp_" + "1a2B3c4D5e6F7g8H9i0J1k2L3m4N5o6P7q8R'",
    "POSTGRES_PASSWORD: " + "correct-horse-battery",
    "url = 'amqp://point:" + "hunter2hunter2@broker:5672/'",
)


def report(*libraries: dict[str, Any]) -> str:
    """What pip-audit writes about libraries."""
    return json.dumps({"dependencies": libraries, "fixes": []})


def test_libraries_without_advisories_pass() -> None:
    """The last line says how many were asked about."""
    assert judge(report(KNOWN_TO_BE_FINE), "") == (["1 of 1 libraries were checked, no advisories found."], CLEAN)


def test_an_advisory_is_told_with_what_mends_it() -> None:
    """Each has a line of its own, with the versions that mend it if there are any."""
    lines, status = judge(report(KNOWN_TO_BE_FINE, WEAK, HOPELESS), "Found 2 known vulnerabilities")

    assert status == FOUND
    assert lines == [
        "limits 5.8: PYSEC-1, mended in 5.9 and 6.0",
        "rich 15.0: PYSEC-2, not mended yet",
        "3 of 3 libraries were checked, 2 advisories found.",
    ]


def test_a_service_that_cannot_be_reached_is_no_success() -> None:
    """The last line of the complaint is the reason, and the status is that of nothing found and nothing checked."""
    lines, status = judge("", "Traceback\n  File …\nConnectionError: no route to host\n")

    assert status == UNREAD
    assert lines == ["No advisories could be read: ConnectionError: no route to host; nothing was checked."]


@pytest.mark.parametrize("output", ["", "{", "[]", "No known vulnerabilities found"])
def test_output_that_is_no_report_is_no_success(output: str) -> None:
    """Also when there is no complaint."""
    lines, status = judge(output, "")

    assert status == UNREAD
    assert lines == ["No advisories could be read: pip-audit said nothing; nothing was checked."]


def test_a_service_that_knows_nothing_is_no_success() -> None:
    """A mirror without advisories answers that it knows no library, which pip-audit takes for success."""
    lines, status = judge(report(UNKNOWN, UNKNOWN), "No known vulnerabilities found")

    assert status == UNREAD
    assert lines == ["No advisories could be read: the service knows none of the 2 libraries; nothing was checked."]


def test_a_library_that_was_not_checked_is_named() -> None:
    """The others being fine is no success; an advisory weighs more than what is unknown."""
    lines, status = judge(report(KNOWN_TO_BE_FINE, UNKNOWN), "")

    assert status == UNREAD
    assert lines[0] == "typer was not checked: it was not found"
    assert lines[1] == "1 of 2 libraries were checked, no advisories found."
    assert judge(report(UNKNOWN, WEAK), "").status == FOUND


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_where_it_is(tmp_path: Path, secret: str) -> None:
    """File, line and kind are told."""
    (tmp_path / "settings.yaml").write_text(f"# mine\n{secret}\n")

    assert {leak.rpartition(": ")[0] for leak in leaks(tmp_path)} == {"settings.yaml:2"}


def test_a_password_for_development_is_none(tmp_path: Path) -> None:
    """The users that compose.yaml names may have theirs in a file."""
    (tmp_path / "compose.yaml").write_text("POSTGRES_PASSWORD: admin-development\n")

    assert leaks(tmp_path) == []


def test_without_git_every_file_of_ours_is_read(tmp_path: Path) -> None:
    """What is made below folders with a dot is not."""
    for name in (".venv/lib.py", ".stack/env", ".ci/run", "a/__pycache__/b.pyc", "a/b.py", ".gitignore"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    assert sorted(files(tmp_path)) == [".ci/run", ".gitignore", "a/b.py"]


def test_a_bill_names_no_place() -> None:
    """Hashes stay, and the address beside them is the name of the library."""
    reference = {"comment": "implicit", "type": "distribution", "url": "https://a.registry/typer/", "hashes": ["1"]}
    library = {"name": "typer", "purl": "pkg:pypi/typer@1", "description": "line 1", "externalReferences": [reference]}
    tools = {"components": [{"name": "a tool", "externalReferences": [{"url": "https://a.registry/tool"}]}]}

    said = placeless({"components": [library], "dependencies": [{"ref": "1"}], "metadata": {"tools": tools}})

    assert "registry" not in json.dumps(said)
    [kept] = said["components"]
    assert kept["externalReferences"] == [{"type": "distribution", "url": "pkg:pypi/typer@1", "hashes": ["1"]}]
