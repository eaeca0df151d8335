"""The page that shows how to test a step is true: its snippets run from top to bottom."""

from typing import Any

from tests.contract.markdown import ROOT, Page


def test_snippets_of_the_page_run() -> None:
    """Each goes on where the one before it ended."""
    page = Page(ROOT / "docs/testing-a-step.md")
    names: dict[str, Any] = {}
    blocks = [block.body for block in page.blocks if block.language == "python"]
    assert len(blocks) >= 6
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"testing-a-step.md, snippet {number}", "exec"), names)  # noqa: S102  # our own page
