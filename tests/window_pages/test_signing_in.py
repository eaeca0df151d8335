"""Signing in: operators come in with their token, everybody else stays outside."""

import base64
import json
import time

import pytest

from tests.window_pages.browsing import ORIGIN, browser, stranger
from tests.window_pages.fakes import FakeLooks
from window.signing_in import COOKIE, local

PAGES = ["/", "/sagas", "/parked", "/parked/history", "/audit"]


def token(seconds: float = 3600) -> str:
    """A token of an operator that ends in a while."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode()).decode().rstrip("=")
    return f"operator.{claims}.signature"


@pytest.mark.parametrize("page", PAGES)
async def test_stranger(page: str) -> None:
    """A stranger is shown where to sign in, and comes back from there to the page."""
    answer = await stranger(FakeLooks()).get(f"{page}?text=7")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={page}%3Ftext%3D7"


async def test_token_in_a_form() -> None:
    """A token that is pasted becomes a cookie that no script reads and no other site sends, for as long as it lasts."""
    answer = await stranger(FakeLooks()).post(
        "/sign-in", data={"token": f" {token(600)}\n", "next": "/sagas?text=7"}, headers={"origin": ORIGIN}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/sagas?text=7")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert 590 <= int(cookie.split("Max-Age=")[1].split(";")[0]) <= 600


@pytest.mark.parametrize(("sent", "words"), [("fan", "Only operators"), ("forged", "not valid"), ("öper", "not valid")])
async def test_other_tokens(sent: str, words: str) -> None:
    """A fan's token and one that is not valid open nothing, and the page says why."""
    answer = await stranger(FakeLooks()).post("/sign-in", data={"token": sent}, headers={"origin": ORIGIN})
    assert answer.status_code == 401
    assert words in answer.text
    assert "set-cookie" not in answer.headers


async def test_fan_with_a_cookie() -> None:
    """A cookie with a fan's token opens nothing."""
    client = browser(FakeLooks())
    client.cookies.set(COOKIE, "fan")
    assert (await client.get("/")).status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\nx", "sagas"]
)
def test_links_elsewhere(target: str) -> None:
    """After signing in nobody is sent to another site."""
    assert local(target) == "/"


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://evil"}, {"origin": "null"}, {"sec-fetch-site": "cross-site", "origin": ORIGIN}],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/parked/redrive", "/parked/discard", "/audit/gaps/1/fill"])
async def test_sent_by_another_site(path: str, headers: dict[str, str]) -> None:
    """What no page of the window has sent does nothing, whoever is signed in."""
    client = browser(FakeLooks())
    del client.headers["origin"]
    assert (await client.post(path, headers=headers)).status_code == 403


async def test_sent_by_a_page() -> None:
    """The browser's word that a page of the window has sent something is enough."""
    client = browser(FakeLooks())
    del client.headers["origin"]
    answer = await client.post("/sign-out", headers={"sec-fetch-site": "same-origin"})
    assert answer.headers["location"] == "/sign-in"
    assert 'window_token=""' in answer.headers["set-cookie"]


async def test_act_without_signing_in() -> None:
    """A stranger's POST is refused and not sent on."""
    answer = await stranger(FakeLooks()).post("/parked/redrive", data={"id": "x"}, headers={"origin": ORIGIN})
    assert answer.status_code == 401


async def test_large_form() -> None:
    """A form that is too large is refused before it is read as a whole."""
    answer = await browser(FakeLooks()).post("/parked/redrive", data={"id": "x" * 20_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("page", ["/sign-in", *PAGES])
async def test_what_a_browser_may_do(page: str) -> None:
    """Every page forbids scripts and styles that are written inside of it, and has none."""
    answer = await browser(FakeLooks()).get(page)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert answer.text.count("<script") == answer.text.count('<script type="module" src="/static/')


async def test_files() -> None:
    """What pages are made of is there for everybody, and nothing else of the folder is."""
    client = stranger(FakeLooks())
    assert (await client.get("/static/window.css")).status_code == 200
    assert (await client.get("/static/../templates/base.html")).status_code in (303, 404)
