"""The pages that list: what goes on now, sagas, what is put aside, findings and gaps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.window import sagas
from tests.window_pages.browsing import Services, browser
from tests.window_pages.fakes import CHOREOGRAPHY, FakeLooks, hour
from window.looks import Finding, Gap, StepNumbers
from window.message import Message


def many(count: int) -> list[Message]:
    """The messages of many sagas."""
    return [one for number in range(count) for one in sagas.checkout(name=f"saga {number}")]


def aside() -> list[Message]:
    """Two messages that are parked and one that rests."""
    first, second, third = (sagas.checkout(name=name)[2] for name in ("a", "b", "c"))
    seen = [sagas.parked(first, "payment.pay"), sagas.parked(second, "payment.pay")]
    seen.append(sagas.rests(third, "point.spend"))
    return [replace(one, number=number) for number, one in enumerate(seen, 1)]


async def test_now() -> None:
    """The first page draws every step of every choreography, and names what is in trouble."""
    looks = FakeLooks(numbers={"payment.pay": StepNumbers(0.4, 312, 0, 3, 1, None)}, minutes=hour())
    answer = await browser(looks).get("/")
    assert answer.text.count('class="map"') == len(CHOREOGRAPHY.sagas)
    assert "312 queued, no cons." in answer.text
    assert "3 rest, 1 parked" in answer.text
    assert "seat.rejected: seat.reserve to payment.revert" in answer.text
    assert "Nothing is under way" in answer.text


async def test_in_flight() -> None:
    """A saga in flight stands on the first page with what it waits for."""
    messages = sagas.checkout()[:4]
    answer = await browser(FakeLooks(messages)).get("/")
    assert f'href="/sagas/{messages[0].saga_id}"' in answer.text
    assert "seat.reserve has not answered payment.paid" in answer.text


async def test_live_now() -> None:
    """The stream of the first page signals every move."""
    answer = await browser(FakeLooks()).get("/live/now")
    assert answer.text.count("event: moved") > 2


async def test_paging() -> None:
    """Sagas go on from the last one of a page, and each stands on one page."""
    looks = FakeLooks(many(60))
    client = browser(looks)
    first = await client.get("/sagas")
    assert 'href="/sagas?after=11"' in first.text
    second = await client.get("/sagas?after=11")
    assert "Older" not in second.text
    assert [first.text.count("<tr>"), second.text.count("<tr>")] == [51, 11]


async def test_search() -> None:
    """What was looked for goes to the archive as it is, and is kept from page to page."""
    looks = FakeLooks(many(60))
    answer = await browser(looks).get("/sagas?text=&state=failed&saga=checkout")
    assert looks.asked[-1][0].state == "failed"
    assert 'href="/sagas?state=failed&amp;saga=checkout&amp;after=11"' in answer.text


async def test_search_by_id() -> None:
    """An id that names one saga leads straight to it."""
    messages = sagas.checkout()
    answer = await browser(FakeLooks(messages)).get(f"/sagas?text={messages[0].saga_id}")
    assert answer.headers["location"] == f"/sagas/{messages[0].saga_id}"


@pytest.mark.parametrize(("query", "words"), [("", "has seen no saga yet"), ("?text=nobody", "fits this")])
async def test_no_sagas(query: str, words: str) -> None:
    """An empty table says why it is empty."""
    assert words in (await browser(FakeLooks()).get(f"/sagas{query}")).text


@pytest.mark.parametrize("query", ["after=x", "after=-1", f"after={1 << 64}", f"text={'x' * 300}"])
async def test_wrong_queries(query: str) -> None:
    """A query that no page of the window makes is refused."""
    assert (await browser(FakeLooks()).get(f"/sagas?{query}")).status_code == 422


async def test_parked() -> None:
    """What is parked can be chosen; what rests comes back by itself and cannot."""
    answer = await browser(FakeLooks(aside())).get("/parked")
    assert answer.text.count('type="checkbox" name="id"') == 2
    assert "until 20:00:26" in answer.text
    only = await browser(FakeLooks(aside())).get("/parked?step=point.spend")
    assert only.text.count('type="checkbox" name="id"') == 0


async def test_redrive() -> None:
    """Chosen messages are redriven by the service of their step, at the rate, with the operator's token, once."""
    services, messages = Services(redriven=["x"], missing=["y"], left=[]), aside()
    ids = [str(one.event_id) for one in messages[:2]]
    answer = await browser(FakeLooks(messages), services=services).post(
        "/parked/redrive", data={"id": [f"payment.pay {one}" for one in ids], "rate": "7", "key": "once"}
    )
    ((request, body),) = services.asked
    assert str(request.url) == "http://payment/operations/parked/redrive"
    assert body == {"ids": ids, "rate": 7}
    assert (request.headers["authorization"], request.headers["idempotency-key"]) == ("Bearer operator", "once")
    assert "payment: 1 redriven, 1 no longer there." in answer.text


async def test_redrive_nothing() -> None:
    """Where nothing is chosen, no service is asked."""
    services = Services()
    answer = await browser(FakeLooks(), services=services).post("/parked/redrive", data={"rate": "7"})
    assert "Nothing was chosen" in answer.text
    assert not services.asked


@pytest.mark.parametrize(
    ("step", "status", "words"),
    [("payment.pay", 409, "answered 409: it is busy"), ("nobody.x", 200, "no address")],
)
async def test_redrive_refused(step: str, status: int, words: str) -> None:
    """A service that refuses, and one that nobody knows, are told in words."""
    services = Services(status, detail="it is busy")
    answer = await browser(FakeLooks(), services=services).post("/parked/redrive", data={"id": f"{step} {uuid4()}"})
    assert words in answer.text


async def test_show_one() -> None:
    """One message that is parked shows its body and its error, and offers to redrive or discard it."""
    message = aside()[0]
    answer = await browser(FakeLooks([message])).get(f"/parked/payment.pay/{message.event_id}")
    assert "LockNotAvailableError" in answer.text
    assert "&#34;payment_id&#34;" in answer.text
    assert 'action="/parked/redrive"' in answer.text
    assert 'action="/parked/discard"' in answer.text


async def test_discard() -> None:
    """A message is discarded at the step that put it aside, with the reason."""
    services, message = Services(id="x", discarded=1), aside()[0]
    sent = {"id": f"payment.pay {message.event_id}", "reason": " a test ", "where": "parked", "key": "once"}
    answer = await browser(FakeLooks([message]), services=services).post("/parked/discard", data=sent)
    ((request, body),) = services.asked
    assert request.url.path == f"/operations/parked/{message.event_id}/discard"
    assert dict(request.url.params) == {"where": "parked", "queue": "payment.pay"}
    assert body == {"reason": "a test"}
    assert "because: a test" in answer.text
    assert f"/parked/payment.pay/{message.event_id}" not in answer.text, "it is still listed"


async def test_what_is_not_discarded_stays_listed() -> None:
    """A service that refuses has the message still."""
    services, message = Services(409, detail="it is busy"), aside()[0]
    sent = {"id": f"payment.pay {message.event_id}", "reason": "a test", "where": "parked", "key": "once"}
    answer = await browser(FakeLooks([message]), services=services).post("/parked/discard", data=sent)
    assert "it is busy" in answer.text
    assert f"/parked/payment.pay/{message.event_id}" in answer.text


async def test_discard_without_a_reason() -> None:
    """Nothing is discarded without a reason."""
    services = Services()
    answer = await browser(FakeLooks(), services=services).post("/parked/discard", data={"id": "payment.pay x"})
    assert "A reason is needed" in answer.text
    assert not services.asked


async def test_history() -> None:
    """Who did what is read from the services."""
    done = {"at": "2026-03-01T20:00:00Z", "who": "ops", "action": "discard", "message_id": "<x>", "reason": "a test"}
    answer = await browser(FakeLooks(), services=Services(operations=[done])).get("/parked/history")
    assert "&lt;x&gt;" in answer.text
    assert "a test" in answer.text


async def test_findings() -> None:
    """A finding that disagrees stands on every page and names the sagas that break it."""
    saga_id = uuid4()
    looks = FakeLooks(findings=[Finding("a", True, "fine", []), Finding("<seats>", False, "sold twice", [saga_id])])
    client = browser(looks)
    assert f'href="/sagas/{saga_id}"' in (await client.get("/audit")).text
    for page in ("/", "/sagas", "/parked"):
        assert "&lt;seats&gt; disagrees: sold twice" in (await client.get(page)).text


async def test_fill() -> None:
    """A gap is filled by every service saying again what it said since, and is then noted as asked for."""
    since = datetime.now(UTC) - timedelta(hours=2)
    looks, services, noted = FakeLooks(missing=[Gap(3, since, since, 5, None)]), Services(events=[], hours=2), []

    async def filled(number: int, operator: str) -> None:
        noted.append((number, operator))

    answer = await browser(looks, services=services, filled=filled).post("/audit/gaps/3/fill", data={"key": "once"})
    ((request, body),) = services.asked
    assert request.url.path == "/operations/resay"
    assert body["events"] is None
    assert 2 < body["hours"] < 2.2
    assert "payment says again" in answer.text
    assert noted == [(3, "ops")]


async def test_fill_refused() -> None:
    """A gap that a service refuses to fill stays open, and the page says why."""
    since = datetime.now(UTC)
    noted: list[tuple[int, str]] = []

    async def filled(number: int, operator: str) -> None:
        noted.append((number, operator))

    looks = FakeLooks(missing=[Gap(3, since, since, 5, None)])
    answer = await browser(looks, services=Services(503, detail="busy"), filled=filled).post("/audit/gaps/3/fill")
    assert "payment answered 503: busy" in answer.text
    assert not noted
