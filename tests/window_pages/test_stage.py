"""The page of the stage: what it shows of what the stage says, and what its buttons ask for."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from chassis.web import problem
from stack.stage.processes import NAMES
from tests.choreography import HEARS_AND_SAYS
from tests.window.sagas import checkout, named
from tests.window_pages.fakes import CHOREOGRAPHY, FakeBearers, FakeLooks
from window.pages.view import Links, View
from window.signing_in import COOKIE, SigningIn
from window.stage.acts import ACTS, Asked
from window.stage.asking import Stage, StageError
from window.stage.routes import STEPS, Said, router
from window.stage.scene import STATES

EVIL = "<script>alert(1)</script>"
SAGA, PAYMENT, SOLD = named("one"), uuid4(), uuid4()
ANSWER = {"status": "cancelled", "refund_id": str(uuid4()), "held": 1, "sold": 2}
BUTTONS = ("refund", "give-back")
SEATS = [
    {"seat_id": number, "label": f"01-{number:02d}", "price": 50_000, "state": state, "until": None}
    for number, state in enumerate(STATES, start=1)
]
VIEW: dict[str, Any] = {
    "balance": 1234,
    "dates": [{"date_id": 1, "title": EVIL, "starts_at": "2027-05-07T19:30:00Z", "open_seats": 6}],
    "pages": 1,
    "seats": SEATS,
    "holds": [
        {
            "payment_id": str(PAYMENT),
            "status": "temp",
            "reason": None,
            "seats": ["01-02"],
            "total": 50_000,
            "expires_at": "2027-01-01T00:00:00Z",
            "payment": "published",
        },
        {
            "payment_id": str(SOLD),
            "status": "confirmed",
            "reason": None,
            "seats": ["01-04"],
            "total": 50_000,
            "expires_at": "2027-01-01T00:00:00Z",
            "payment": "paid",
        },
    ],
    "checkouts": [
        {"checkout_id": str(SAGA), "payment_id": str(SOLD), "status": "completed", "reason": None, "amount": 50_000}
    ],
    "sagas": [{"saga_id": str(SAGA), "kind": "checkout", "begun_at": "2027-01-01T00:00:00Z"}],
    "processes": [{"name": name, "condition": "running", "pid": 1, "seconds": None} for name in NAMES],
    "platform": "well",
}


class FakeStage:
    """Says what it is told to say, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, Any] = {
            "/invariants": [{"name": "I1", "what": EVIL, "holds": False, "violations": [EVIL]}]
        }
        self.trouble = ""

    async def __call__(self, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer that was prepared for the path."""
        if self.trouble:
            raise StageError(self.trouble)
        self.asked.append((method, path, body))
        return VIEW if path.startswith("/view") else self.answers.get(path, {})


@pytest.fixture
def stage() -> FakeStage:
    """A stage that answers."""
    return FakeStage()


@pytest.fixture
async def browser(stage: FakeStage) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of an operator who is signed in."""
    app = FastAPI()
    problem.install(app)
    looks = FakeLooks(messages=checkout())
    app.include_router(router(stage, View(looks, CHOREOGRAPHY, Links(has_stage=True))))
    transport = httpx2.ASGITransport(app=SigningIn(app, FakeBearers()))
    headers = {"sec-fetch-site": "same-origin", "cookie": f"{COOKIE}=operator"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://window", headers=headers) as client:
        yield client


async def test_page_shows_seats_wallet_saga_and_invariants(browser: httpx2.AsyncClient) -> None:
    """Each seat says in words what it is to the fan, and whatever others wrote is shown as text."""
    answer = await browser.get("/stage?fan=ann")

    assert answer.status_code == 200
    assert all(f"50,000 points, {meaning}" in answer.text for _, meaning in STATES.values())
    assert "Timeline of the saga across" in answer.text
    assert "checkout.completed" in answer.text
    assert "<b>1,234</b> points" in answer.text
    assert EVIL not in answer.text
    assert answer.text.count("&lt;script&gt;") >= 3
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_page_has_nothing_inline(browser: httpx2.AsyncClient) -> None:
    """Its policy allows neither scripts nor styles inside of it."""
    text = (await browser.get("/stage")).text

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text)


async def test_every_seat_can_be_chosen(browser: httpx2.AsyncClient) -> None:
    """What is held or sold can be withdrawn."""
    text = (await browser.get("/stage/live")).text
    chosen = re.findall(r'name="seat" value="(\d+)" id="seat-\d+">', text)

    assert chosen == [str(seat["seat_id"]) for seat in SEATS]


async def test_what_is_paid_can_be_refunded_and_what_is_held_given_back(browser: httpx2.AsyncClient) -> None:
    """Until somebody has: what was given back is not offered again."""
    offered = [bool(re.search(rf'id="{button}-', (await browser.get("/stage/live")).text)) for button in BUTTONS]

    assert offered == [True, True]


@pytest.mark.parametrize("payment", ["refunding", "refunded", None])
async def test_what_is_given_back_is_not_offered(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, payment: str | None
) -> None:
    """A refund that is under way locks the payment."""
    held = {**VIEW["holds"][0], "payment_id": str(SOLD), "status": "confirmed", "payment": payment}
    monkeypatch.setitem(VIEW, "holds", [held])

    text = (await browser.get("/stage/live")).text

    assert not any(re.search(rf'id="{button}-', text) for button in BUTTONS)


async def test_stage_that_is_silent_is_told(browser: httpx2.AsyncClient, stage: FakeStage) -> None:
    """The page stands, with the sentence."""
    stage.trouble = "The stage does not answer."

    answer = await browser.get("/stage")

    assert answer.status_code == 200
    assert "The stage does not answer." in answer.text


async def test_outcome_of_a_button_is_shown_once(browser: httpx2.AsyncClient, stage: FakeStage) -> None:
    """The browser is sent back to the page of the same fan, and a link cannot make that say anything else."""
    stage.answers["/fans/ann/charge"] = {"balance": 77}

    sent = await browser.post("/stage/charge", data={"fan": "ann", "date": "2", "page": "1", "amount": "77"})
    first, again = await browser.get(sent.headers["location"]), await browser.get(sent.headers["location"])

    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/stage?fan=ann&date=2&page=1&said=")
    assert "Charged 77 points: the wallet holds 77." in first.text
    assert "Charged" not in again.text
    assert ("POST", "/fans/ann/charge", {"amount": 77}) in stage.asked


@pytest.mark.parametrize(
    ("act", "fields", "sentence"),
    [
        ("charge", {"fan": "a", "amount": "many"}, "A whole number is needed for the points."),
        ("charge", {"fan": "a", "amount": "-1"}, "A whole number"),
        ("charge", {"fan": "a", "amount": "9" * 5000}, "A whole number"),
        ("hold", {"fan": "a"}, "Choose a seat first."),
        ("hold", {"fan": "a", "seat": "x"}, "A whole number is needed for a seat."),
        ("pay", {"fan": "a", "payment_id": "../.."}, "That is no hold."),
        ("give-back", {"fan": "a", "payment_id": "../.."}, "That is no hold."),
        ("refund", {"fan": "a", "checkout_id": ""}, "That is no checkout."),
        ("call-off", {"fan": "a"}, "A whole number is needed for the evening."),
        ("crowd", {"seat": ["1", "2"]}, "A crowd wants one seat"),
    ],
)
async def test_button_that_makes_no_sense_asks_for_nothing(
    browser: httpx2.AsyncClient, stage: FakeStage, act: str, fields: Mapping[str, Any], sentence: str
) -> None:
    """A sentence says why."""
    sent = await browser.post(f"/stage/{act}", data=fields)
    asked = list(stage.asked)

    assert sentence in (await browser.get(sent.headers["location"])).text
    assert asked == []


@pytest.mark.parametrize(
    ("act", "fields", "request_"),
    [
        ("withdraw", {"seat": "7"}, ("POST", "/seats/7/withdraw", None)),
        ("return", {"seat": "7"}, ("POST", "/seats/7/return", None)),
        ("give-back", {"fan": "a/b", "payment_id": str(PAYMENT)}, ("DELETE", f"/fans/a%2Fb/holds/{PAYMENT}", None)),
        ("refund", {"fan": "a", "checkout_id": str(SAGA)}, ("POST", "/fans/a/refund", {"checkout_id": str(SAGA)})),
        ("call-off", {"date": "7"}, ("POST", "/dates/7/cancel", None)),
        ("platform", {"mode": "error"}, ("PUT", "/platform", {"mode": "error", "seconds": 60})),
        ("platform", {"mode": "well"}, ("DELETE", "/platform", None)),
        ("process", {"name": "seat_svc", "how": "pause"}, ("POST", "/processes/seat_svc/pause", None)),
        ("process", {"name": "seat_svc", "how": "stop"}, ("POST", "/processes/seat_svc/stop", {"seconds": 20})),
        ("process", {"name": "../x", "how": "kill"}, ("POST", "/processes/..%2Fx/kill", None)),
    ],
)
async def test_button_asks_the_stage(stage: FakeStage, act: str, fields: dict[str, str], request_: Any) -> None:
    """No field can lead to another path than the one that is meant."""
    stage.answers = dict.fromkeys((request_[1],), ANSWER)

    await ACTS[act](Asked(stage, "operator", {name: [value] for name, value in fields.items()}))

    assert stage.asked == [request_]


async def test_buttons_are_for_operators_and_from_here(browser: httpx2.AsyncClient, stage: FakeStage) -> None:
    """What another site sends is refused, as is whoever is not signed in."""
    foreign = await browser.post("/stage/crowd", data={"seat": "1"}, headers={"sec-fetch-site": "cross-site"})
    stranger = await browser.post("/stage/crowd", data={"seat": "1"}, headers={"cookie": ""})
    unknown = await browser.post("/stage/dance", data={})

    assert (foreign.status_code, stranger.status_code, unknown.status_code) == (403, 401, 404)
    assert stage.asked == []


async def test_refusal_of_the_stage_is_told_in_its_words() -> None:
    """So is that it does not answer at all."""

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/gone":
            raise httpx2.ConnectError("no")
        assert request.headers["authorization"] == "Bearer token"
        return httpx2.Response(409, json={"detail": "seat_svc does not run."})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        stage = Stage("http://stage/", http)
        with pytest.raises(StageError, match=r"seat_svc does not run\."):
            await stage("token", "POST", "/processes/seat_svc/kill")
        with pytest.raises(StageError, match="does not answer"):
            await stage("token", "GET", "/gone")


def test_only_some_outcomes_are_kept() -> None:
    """Those that nobody came for go first."""
    said = Said()
    keys = [said.note(str(number), is_good=True) for number in range(101)]

    assert said.take(keys[0]) is None
    assert said.take(keys[1]) == (True, "1")
    assert said.take(keys[1]) is None


def test_steps_to_poison_are_steps() -> None:
    """The buttons name queues that there are."""
    assert set(STEPS) <= set(HEARS_AND_SAYS)
