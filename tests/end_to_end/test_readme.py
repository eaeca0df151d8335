"""What the README has a newcomer type, typed."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from stack.directory import ROOT, Directory
from tests.contract.markdown import Page
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.fan import Fan
from tests.end_to_end.system import System

WITHIN = 120
"""Seconds: far longer than a checkout takes."""

WITHDRAWN = "SELECT seat_id FROM seat WHERE status = 'WITHDRAWN' AND revoked IS NULL"
"""Seats that are off sale, but for those of evenings that were called off"""


@pytest.fixture
def directory(environment: Mapping[str, str], tmp_path: Path) -> Directory:
    """A folder whose env file says where the running system is."""
    directory = Directory.of(tmp_path)
    directory.create()
    directory.describe(environment)
    return directory


def _typed(directory: Directory, script: str) -> str:
    """What a shell in the repository prints; its status has to be 0."""
    # A make that runs these tests says how to run to the one in the script, which must not renew our libraries.
    flags = {"MAKEFLAGS": "-o .venv/.ready", "MAKELEVEL": "0"}
    done = subprocess.run(  # noqa: S603  # the repository's own text
        ["/bin/bash", "-euc", script],
        cwd=ROOT,
        env=os.environ | flags | {"STACK_DIR": str(directory.path)},
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _script(date_id: int) -> str:
    """The lines, about another date than the first, of which other tests may have sold the last seat."""
    (found,) = [block.body for block in Page(ROOT / "README.md").blocks if ". .stack/env" in block.body]
    assert "/dates/1/" in found
    return found.replace(". .stack/env", '. "$STACK_DIR/env"').replace("/dates/1/", f"/dates/{date_id}/")


async def test_a_newcomer_checks_out_by_hand(directory: Directory, catalogue: Catalogue) -> None:
    """The lines of the README hold a free seat and pay for it, as often as they are typed."""
    first, _ = await catalogue.new_date(2)
    script = _script(await catalogue.date_of(first))
    for _ in range(2):
        # when
        told = _typed(directory, script)
        *_, last = told.split("event: ")
        # then
        assert last.startswith("checkout.completed"), told


async def test_make_checkout_buys_seats(directory: Directory, fan: Fan) -> None:
    """It charges what the seats cost, pays, and shows every event up to the last."""
    told = _typed(directory, f"make -s checkout USER={fan.user_id} SEATS=2")

    assert "POST /checkouts: completed" in told
    assert "payment.sent" in told
    assert await fan.balance() == 0


async def test_make_checkout_shows_the_way_back(directory: Directory, fan: Fan, system: System) -> None:
    """A seat that is withdrawn in between has everything undone, and is back on sale for who holds it."""
    told = _typed(directory, f"make -s checkout USER={fan.user_id} WITHDRAW=1")

    assert "POST /checkouts: failed seat-withdrawn" in told
    assert "checkout.failed" in told
    assert await fan.balance() > 0
    assert await system.databases.rows("seat", WITHDRAWN) == []
