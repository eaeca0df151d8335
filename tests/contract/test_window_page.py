"""The page about the window names every setting, route and page that it has."""

import re

from fastapi import FastAPI

from chassis.documents.portrait import Setting, variables
from tests.contract.markdown import ROOT, Page
from tests.window_pages.browsing import LINKS, Services
from tests.window_pages.fakes import CHOREOGRAPHY, FakeLooks
from window.api import router
from window.filling import Filling
from window.operations import Operations
from window.settings import Settings

PAGE = Page(ROOT / "docs/window.md")
ROWS = [tuple(map(str.strip, line.split("|")[1:-1])) for line in PAGE.text.splitlines() if line.startswith("| `")]


def _row(setting: Setting) -> tuple[str, ...]:
    default = "required" if setting.default is None else f"`{setting.default.removeprefix(f'{ROOT}/')}`"
    return f"`{setting.variable}`", "" if default == "``" else default, setting.meaning


def test_the_table_of_settings_is_as_the_window_reads_them() -> None:
    """Variables, defaults and meanings, in the same order."""
    wanted = [_row(setting) for setting in variables(Settings)]
    assert [row for row in ROWS if re.match(r"`(WINDOW|TOKEN)_", row[0])] == wanted


def test_every_route_of_the_api_is_named() -> None:
    """With its method."""
    app, looks = FastAPI(), FakeLooks()
    operations = Operations(LINKS.services, Services())  # type: ignore[arg-type]  # nobody is asked
    app.include_router(router(looks, CHOREOGRAPHY, Filling(looks, operations)))
    routes = {f"`{method.upper()} {path}`" for path, methods in app.openapi()["paths"].items() for method in methods}

    assert routes == {row[0] for row in ROWS if re.match(r"`(GET|POST) /api/", row[0])}
