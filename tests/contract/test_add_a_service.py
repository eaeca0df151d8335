"""Whoever follows docs/add-a-service.md has a fifth service in the end that takes part in a checkout."""

import shutil
from pathlib import Path

import pytest

from tests.contract.following import Change, environment, parts

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/add-a-service.md"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository without what was made in it."""
    made = shutil.ignore_patterns(".git", ".venv", ".stack", "__pycache__", ".*_cache", ".hypothesis")
    return Path(shutil.copytree(ROOT, tmp_path / "tree", ignore=made))


@pytest.mark.timeout(600)
@pytest.mark.skipif((ROOT / "coupon_svc").exists(), reason="the page has been followed here")
def test_the_page_can_be_followed(tree: Path, tmp_path: Path) -> None:
    """Every change can be made as it stands, and every command prints what the page says."""
    variables = environment(tmp_path)
    for part in parts(PAGE):
        part.make(tree) if isinstance(part, Change) else part.run(tree, variables)
