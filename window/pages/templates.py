"""Templates: how pages are made of HTML, and what a browser may do with them."""

from pathlib import Path
from typing import Final

from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from chassis.visible import visible
from window.pages import words

ROOT: Final = Path(__file__).resolve().parents[1]
STATIC: Final = ROOT / "static"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What a page may load and send: only from here and to here, and nothing that is written inside of it"""
TEMPLATES: Final = Jinja2Templates(ROOT / "templates")

TEMPLATES.env.trim_blocks = TEMPLATES.env.lstrip_blocks = True
TEMPLATES.env.filters.update(
    visible=lambda text: visible(str(text)),
    lasting=words.lasting,
    elapsed=words.elapsed,
    moment=words.moment,
    clock=words.clock,
    state=words.state,
    mood=words.mood,
)


def secure(page: Response) -> Response:
    """The page with what a browser is told not to do with it."""
    page.headers["content-security-policy"] = POLICY
    page.headers["cache-control"] = "no-store"
    return page
