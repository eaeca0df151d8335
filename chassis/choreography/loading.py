"""Loading: finds the services of a folder, and says of a step that cannot be read which it is and what was meant."""

import ast
import difflib
import importlib
import traceback
from pathlib import Path

from chassis.choreography.declaration import Service
from chassis.choreography.graph import Choreography
from chassis.errors import DeclarationError, NothingDeclaredError, UnreadableStepError


def load(folder: Path) -> Choreography:
    """The choreography of the services whose packages (`*_svc`) lie in a folder that Python imports from.

    Raises UnreadableStepError, naming the step, or NothingDeclaredError.
    """
    found = packages(folder)
    if not found:
        raise NothingDeclaredError(f"no service here: {folder} holds no *_svc/steps.py; run it where the services are")
    return Choreography(tuple(_service(package, folder) for package in found))


def packages(folder: Path) -> list[str]:
    """The services of a folder: every package `*_svc` that has steps is one."""
    return sorted(path.parent.name for path in folder.glob("*_svc/steps.py"))


def _service(package: str, folder: Path) -> Service:
    path = folder / package / "steps.py"
    try:
        service: Service = importlib.import_module(f"{package}.steps").service
    except (AttributeError, NameError, DeclarationError) as error:
        step = f"{package.removesuffix('_svc')}.{_function_of(error, path)}"
        raise UnreadableStepError(f"unreadable: {step}: {error}.{_meant(error)}") from error
    return service


def _function_of(error: BaseException, path: Path) -> str:
    """The function in a file at whose declaration an error arose."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    spans = {node.name: range(_first_line(node), (node.end_lineno or 0) + 1) for node in functions}
    return next((name.rstrip("_") for name, span in spans.items() if lines and lines[-1] in span), "?")


def _first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


def _meant(error: BaseException) -> str:
    """What was probably meant instead of a name that does not exist."""
    known = dir(error.obj) if isinstance(error, AttributeError) and error.obj is not None else []
    close = difflib.get_close_matches(str(getattr(error, "name", "")), known, n=1)
    return f" To mend it, write {close[0]}." if close else ""
