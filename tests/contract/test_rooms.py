"""The house: every room says what it is for, and no module imports itself by a detour.

`layers` in pyproject.toml hold the direction between rooms; this holds it within them, imports for types included.
Without a test: `python -c "from tests.contract.test_rooms import cycles; print(cycles() or 'no cycle')"`.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from chassis.choreography.loading import packages

ROOT = Path(__file__).parents[2]
SERVICES = packages(ROOT)
ROOTS = ("chassis", "contracts", "stack", "window", *SERVICES)
ROOMS = sorted(path.parent for root in ("chassis", "stack") for path in (ROOT / root).rglob("__init__.py"))


def cycles() -> list[list[str]]:
    """Every set of modules that import each other, directly or by a detour (Tarjan's strongly connected components)."""
    graph = grimp.build_graph(*ROOTS, cache_dir=None)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in graph.find_modules_directly_imported_by(module):
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            component = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(component) > 1:
                found.append(sorted(component))

    for module in sorted(graph.modules):
        if module not in index:
            visit(module)
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    """Not even for types: grimp counts imports under TYPE_CHECKING too."""
    assert cycles() == []


def test_no_import_hides_from_the_walls() -> None:
    """Imports stand at the top of a module, where a reader and the walls see them."""
    hidden = [f"{path.relative_to(ROOT)}:{line}" for path, line in _late_imports()]
    assert hidden == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_room_says_what_it_is_for(room: Path) -> None:
    """Its first line is a sentence."""
    first = (ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").partition("\n")[0]
    assert len(first) > 20
    assert first[-1] in ".:"


@pytest.mark.parametrize("service", SERVICES)
def test_steps_read_no_environment_and_open_nothing(service: str) -> None:
    """Whoever imports a `steps.py` gets declarations: no socket, no thread, no variable of ours is looked at."""
    program = (
        "import os, sys\n"
        "read = []\n"
        "class Spy(dict):\n"
        "    def get(self, name, default=None): read.append(name); return super().get(name, default)\n"
        "    def __getitem__(self, name): read.append(name); return super().__getitem__(name)\n"
        "os.environ = Spy(os.environ)\n"
        "sys.addaudithook(lambda event, _: read.append(event) if event.startswith('socket.') else None)\n"
        f"import {service}.steps\n"
        f"ours = ('{service[:-4].upper()}_', 'TOKEN_', 'STACK_', 'socket.con')\n"
        "print([one for one in read if one.startswith(ours)])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_contracts_stand_on_pydantic_alone() -> None:
    """And on what comes with Python: whoever reads the language needs no database and no web."""
    foreign = {name for path in (ROOT / "contracts").glob("*.py") for name in _imported(path)}
    foreign -= {*sys.stdlib_module_names, "contracts"}
    assert foreign == {"pydantic"}


@pytest.mark.parametrize("service", SERVICES)
def test_service_has_one_way_to_its_database(service: str) -> None:
    """The transaction: no session and no engine of its own, but for the command that fills the catalogue."""
    for path in (ROOT / service).rglob("*.py"):
        if path.name != "catalogue.py":
            words = set(path.read_text().split())
            assert not {"AsyncSession", "Session", "create_async_engine", "create_engine"} & words
            assert "sqlalchemy.ext" not in path.read_text()


PLANTED = {
    "point_svc/api.py": ["aio_pika", "chassis.together", "chassis.store.session", "seat_svc.models", "stack.tokens"],
    "chassis/run/batch.py": ["fastapi", "chassis.documents.picture", "chassis.web.problem"],
    "chassis/store/inbox.py": ["aio_pika", "starlette", "chassis.broker.relay"],
    "chassis/choreography/step.py": ["sqlalchemy"],
    "chassis/crash.py": ["chassis.telemetry.logs", "point_svc.models"],
    "contracts/point.py": ["chassis.ids"],
    "stack/errors.py": ["stack.run.plan"],
    "window/story.py": ["contracts.event"],
}


def test_walls_stop_whoever_runs_into_them(tmp_path: Path) -> None:
    """With an illegal import for each of them, every wall is broken, so none of them stands only in its name."""
    # given
    for root in ROOTS:
        shutil.copytree(ROOT / root, tmp_path / root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, imports in PLANTED.items():
        with (tmp_path / name).open("a") as file:
            file.writelines(f"import {one}\n" for one in imports)
    # when
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    # then
    standing = [line for line in done.stdout.splitlines() if line.endswith(" KEPT")]
    assert standing == []
    assert re.search(r"0 kept, \d+ broken", done.stdout)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


def _late_imports() -> Iterator[tuple[Path, int]]:
    for root in ROOTS:
        for path in (ROOT / root).rglob("*.py"):
            tree = ast.parse(path.read_text())
            top = {id(node) for node in tree.body}
            for node in ast.walk(tree):
                if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
                    yield path, node.lineno
