"""What the documents name exists: links, files, commands and variables; and their snippets run."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from chassis.cli.app import app
from chassis.documents.portrait import portrait, variables
from tests.contract.markdown import ROOT, Page, pages
from tests.contract.test_choreography import SERVICES
from window.settings import Settings

PAGES = pages()
DECISIONS = ROOT / "docs/decisions"
# Decisions and the changelog name what was there at their time.
HISTORY = {*DECISIONS.glob("0*.md"), ROOT / "CHANGELOG.md"}
TODAY = [page for page in PAGES if page.path not in HISTORY]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SETTINGS = {setting.variable for service in SERVICES for setting in portrait(service).settings}
SETTINGS |= {setting.variable for setting in variables(Settings)}
# These pages are followed from top to bottom by tests of their own.
FOLLOWED = ("add-a-service.md", "testing-a-step.md")
SNIPPETS = [
    pytest.param(block.body, id=f"{page.path.name}-{number}")
    for page in TODAY
    if page.path.name not in FOLLOWED
    for number, block in enumerate(page.blocks)
    if block.language == "python"
]
VARIABLE = re.compile(r"([A-Z][A-Z0-9]*|…)(_[A-Z0-9]+)+")


def named(page: Page) -> str:
    """The path of a page, as the name of its test."""
    return str(page.path.relative_to(ROOT))


def is_dead(page: Page, link: str) -> bool:
    """Whether a link within the repository leads nowhere."""
    path, _, anchor = link.partition("#")
    target = page.path if not path else (page.path.parent / path).resolve()
    return not target.exists() or bool(anchor and anchor not in Page(target).anchors)


def is_missing(code: str) -> bool:
    """Whether code looks like a path of the repository and there is no such file."""
    if re.fullmatch(r"test_\w+\.py", code):
        return not list((ROOT / "tests").rglob(code))
    folder, slash, _ = code.partition("/")
    is_path = slash and folder and (ROOT / folder).is_dir() and re.fullmatch(r"[\w./-]+", code)
    return bool(is_path) and not code.startswith(".stack") and not (ROOT / code).exists()


def text_of_programs() -> str:
    """Everything that may read a variable of the environment."""
    files = [path for path in ROOT.glob("*/**/*.py") if not path.relative_to(ROOT).parts[0].startswith(".")]
    return "\n".join(path.read_text() for path in [*files, *ROOT.glob("*.yaml"), ROOT / "Makefile"])


def is_read(variable: str, programs: str) -> bool:
    """Whether a setting has this name, or ends like it after `…`, or a program mentions it."""
    if variable.startswith("…"):
        return any(setting.endswith(variable[1:]) for setting in SETTINGS)
    return variable in SETTINGS or variable in programs


def is_command(line: str) -> bool:
    """Whether `python -m chassis …` is a command, with arguments that it takes."""
    words = [word for word in shlex.split(line)[3:] if not word.startswith("-") and word.islower() and word.isalpha()]
    return not words or CliRunner().invoke(app, [*_known(words), "--help"]).exit_code == 0


def _known(words: list[str]) -> list[str]:
    """A command and, if it has commands of its own, the one that is meant of them."""
    group = getattr(get_command(app), "commands", {}).get(words[0])
    return words[:2] if getattr(group, "commands", None) else words[:1]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Page) -> None:
    """A link within the repository names a file that exists, and a heading that it has."""
    assert [link for link in page.links if "://" not in link and is_dead(page, link)] == []


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_path_exists(page: Page) -> None:
    """What looks like a path of the repository is one."""
    assert [code for code in page.code if is_missing(code)] == []


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_make_target_exists(page: Page) -> None:
    """Whoever types `make X` from a document is not told that there is no such target."""
    makes = [line.split() for line in page.commands if re.match(r"make( |$)", line)]
    wanted = {word for words in makes for word in words[1:] if re.fullmatch(r"[a-z][a-z0-9-]*", word)}

    assert wanted - TARGETS == set()


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_command_of_the_chassis_exists(page: Page) -> None:
    """Whoever types `python -m chassis X` from a document reaches a command."""
    lines = [line for line in page.commands if line.startswith("python -m chassis")]

    assert [line for line in lines if not is_command(line.partition(" (")[0])] == []


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_variable_is_read(page: Page) -> None:
    """A variable that a document names is a setting of a service, or one that the programs mention."""
    programs = text_of_programs()

    assert [code for code in page.code if VARIABLE.fullmatch(code) and not is_read(code, programs)] == []


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_runs(snippet: str) -> None:
    """A snippet can be typed in as it stands, and its assertions hold."""
    exec(compile(snippet, "snippet", "exec"), {})  # noqa: S102  # the repository's own text


def test_the_korean_readme_has_the_headings_of_the_english_one() -> None:
    """Both have as many headings, of the same levels, in the same order."""
    english, korean = Page(ROOT / "README.md"), Page(ROOT / "README.ko.md")

    assert [level for level, _ in korean.headings] == [level for level, _ in english.headings]


def test_the_korean_readme_has_the_blocks_of_the_english_one() -> None:
    """Pictures, commands, output and snippets are the same, word for word."""
    assert Page(ROOT / "README.ko.md").blocks == Page(ROOT / "README.md").blocks


def test_the_korean_readme_links_where_the_english_one_does() -> None:
    """Both lead to the same pages, apart from each other and from their own headings."""

    def elsewhere(path: Path) -> list[str]:
        return [link for link in Page(path).links if not link.startswith(("#", "README"))]

    assert elsewhere(ROOT / "README.ko.md") == elsewhere(ROOT / "README.md")


def test_every_decision_is_in_the_index() -> None:
    """The index has a line for each decision, under its number and its title."""
    index = (DECISIONS / "README.md").read_text()
    for path in DECISIONS.glob("0*.md"):
        number, _, title = path.read_text().splitlines()[0].removeprefix("# ").partition(". ")
        assert f"| {number} | [{title}]({path.name}) |" in index, f"add a line for {path.name}"


def test_every_service_has_a_card_that_readers_find() -> None:
    """Both READMEs lead to the index of the cards, and the index to the card of each service."""
    for readme in (ROOT / "README.md", ROOT / "README.ko.md"):
        assert "docs/services/README.md" in Page(readme).links
    assert Page(ROOT / "docs/services/README.md").links == [f"{service.name}.md" for service in SERVICES]


def test_every_room_of_the_chassis_is_in_the_readme() -> None:
    """The table of rooms has a line for each package of the chassis."""
    rooms = {f"chassis/{path.parent.name}/" for path in (ROOT / "chassis").glob("*/__init__.py")}

    assert rooms <= set(Page(ROOT / "README.md").code)
