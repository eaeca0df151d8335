"""What a document in Markdown refers to: links, headings, blocks and code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(?P<level>#+) (?P<title>.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`(?P<code>[^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, which may be empty, and what is in it."""

    language: str
    body: str


@dataclass(frozen=True)
class Page:
    """One document."""

    path: Path

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """What is outside of fenced blocks."""
        return _FENCED.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        """The fenced blocks, in their order."""
        return [Block(found["language"], found["body"]) for found in _FENCED.finditer(self.text)]

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Level and title of each heading."""
        return [(len(found["level"]), found["title"]) for found in _HEADING.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What a link can name after `#`, as GitHub makes it from the headings."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in self.headings}

    @property
    def links(self) -> list[str]:
        """The targets of links and pictures."""
        return [found["target"] for found in _LINK.finditer(self.prose)]

    @property
    def code(self) -> list[str]:
        """What stands between backticks."""
        return [found["code"] for found in _CODE.finditer(self.prose)]

    @property
    def commands(self) -> Iterator[str]:
        """The lines of fenced blocks without a language, and code in the text; without comments."""
        lines = [line for block in self.blocks if not block.language for line in block.body.splitlines()]
        yield from (line.partition("  #")[0].strip() for line in [*lines, *self.code])


def pages() -> list[Page]:
    """Every document of the repository."""
    found = sorted(ROOT.rglob("*.md"))
    return [Page(path) for path in found if not path.relative_to(ROOT).parts[0].startswith(".")]
