"""The house: every room says what it is for, and no module imports itself by a detour.

`layers` in pyproject.toml hold the direction between rooms; this holds it within them, imports for types included.
Without a test: `python -c "from tests.contract.test_rooms import cycles; print(cycles() or 'no cycle')"`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from chassis.choreography.loading import packages

ROOT = Path(__file__).parents[2]
SERVICES = packages(ROOT)
ROOTS = ("chassis", "contracts", "stack", *SERVICES)
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


def _late_imports() -> Iterator[tuple[Path, int]]:
    for root in ROOTS:
        for path in (ROOT / root).rglob("*.py"):
            tree = ast.parse(path.read_text())
            top = {id(node) for node in tree.body}
            for node in ast.walk(tree):
                if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
                    yield path, node.lineno
