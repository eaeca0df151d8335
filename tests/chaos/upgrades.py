"""An upgrade, one process at a time, and back: the next version is this one, patched."""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from stack.directory import ROOT
from stack.services import EACH
from tests.chaos.beside import environment_of
from tests.chaos.replicas import second
from tests.chaos.site import Site
from tests.end_to_end.databases import owner_url
from tests.end_to_end.eventually import eventually

CODE = ("contracts", "chassis", *(service.package for service in EACH), "stack")
BESIDE_SECONDS = 2.0
READY_WITHIN = 60.0

# Everybody reads the next version of an event, nobody says it yet.
EVENT = ('class Spent(Checkout, Timed):\n    """', 'class Spent(Checkout, Timed, version=2, says=1):\n    """')
VERSIONS = """

def _without_channel(body: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name != "channel"}


Spent.upcasters[1] = lambda body: body | {"channel": "web"}
Spent.downcasters[2] = _without_channel
"""
FIELD = ("    amount: Points\n", '    amount: Points\n    channel: str = "app"\n')
REVISION = '''"""What the next version needs; this one can do without it."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("inbox", sa.Column("later", sa.Text))


def downgrade() -> None:
    """Take back."""
    op.drop_column("inbox", "later")
'''


async def rolled_and_rolled_back(site: Site) -> int:
    """Beside each process comes one of the next version, and the old ones start anew; then the new ones go again."""
    with _next_version() as tree:
        await _migrate(site, tree)
        async with contextlib.AsyncExitStack() as new:
            for service in EACH:
                await new.enter_async_context(second(site, service.name, tree))
                await site.programs.end(service.package, signal.SIGTERM)
                await eventually(partial(site.is_ready, service.name), within=READY_WITHIN)
                await asyncio.sleep(BESIDE_SECONDS)
    return len(EACH)


@contextlib.contextmanager
def _next_version() -> Iterator[Path]:
    """The code of the next version: an event with a field more, and a revision of every database."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for package in CODE:
            shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
        _patch(tree / "contracts/point.py", EVENT, FIELD)
        with (tree / "contracts/point.py").open("a") as contract:
            contract.write(VERSIONS)
        for service in EACH:
            versions = tree / service.package / "migrations/versions"
            head = max(path.stem.partition("_")[0] for path in versions.glob("*.py"))
            (versions / "9999_later.py").write_text(REVISION.format(head=head))
        yield tree


async def _migrate(site: Site, tree: Path) -> None:
    """Bring the databases to the next version, as their owners; the old code goes on meanwhile."""
    environment: dict[str, str] = {}
    for service in EACH:
        environment |= environment_of(await site.programs.running(service.package))
        environment[f"{service.name.upper()}_MIGRATION_URL"] = owner_url(site.environment, service.name)
    command = [sys.executable, "-m", "chassis", "migrate", *(service.name for service in EACH)]
    process = await asyncio.create_subprocess_exec(*command, cwd=tree, env=environment)
    assert await process.wait() == 0


def _patch(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in changes:
        assert before in text, f"{path}: {before}"
        text = text.replace(before, after, 1)
    path.write_text(text)
