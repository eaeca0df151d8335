"""The page that shows what a service hears and says."""

import re
from copy import deepcopy
from pathlib import Path

import httpx2
import pytest

from chassis.choreography.envelope import type_of
from chassis.choreography.graph import Choreography
from chassis.choreography.loading import load
from chassis.documents import asyncapi, asyncapi_page
from chassis.web.app import create_app
from point_svc.main import definition
from point_svc.settings import Settings
from stack.signing import key_set

EACH = {service.name: Choreography((service,)) for service in load(Path(__file__).parents[2]).services}

each_service = pytest.mark.parametrize("graph", EACH.values(), ids=EACH.keys())


@each_service
def test_the_page_shows_every_event_of_the_service(graph: Choreography) -> None:
    """Each step and each event has its place on the page, and every link within the page has a target."""
    page = asyncapi_page.render(asyncapi.document(graph))

    places = re.findall(r' id="([^"]+)"', page)
    assert len(places) == len(set(places))
    assert {step.queue for step in graph.steps} <= set(places)
    assert {type_of(event) for event in graph.events} <= set(places)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)
    for event in graph.events:
        assert all(f"<code>{field}</code>" in page for field in event.model_fields)


@each_service
def test_the_page_loads_nothing(graph: Choreography) -> None:
    """The page refers to its neighbours only: no script, no image, no other host."""
    page = asyncapi_page.render(asyncapi.document(graph))

    links = set(re.findall(r'(?:href|src|action|data|srcset)="([^#"][^"]*)"', page))
    assert links == {"docs", "asyncapi.json"}
    assert not re.search(r"<(script|link|img|iframe|object|embed|base|form)\b|@import|url\(|://", page)


def test_the_page_shows_markup_as_text() -> None:
    """What docstrings and schemas say is never taken for HTML."""
    document = deepcopy(asyncapi.document(EACH["point"], title="<script>alert(1)</script>"))
    for message in document["components"]["messages"].values():
        message["summary"] = "<img src=x onerror=alert(1)> & `<b>`"
        message["examples"][0]["payload"] = {"<i>": '"</pre>'}

    page = asyncapi_page.render(document)

    assert not re.search(r"<(script|img|b|i)\b", page)
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; <code>&lt;b&gt;</code>" in page


async def test_a_service_serves_page_and_document() -> None:
    """`/asyncapi` and `/asyncapi.json` answer beside `/docs`, without a token, a database or a broker."""
    settings = Settings(
        port=8001,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        rabbitmq_url="amqp://nobody@127.0.0.1:1/",
        token_keys=key_set([]),
    )
    transport = httpx2.ASGITransport(app=create_app(definition(settings)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://point") as http:
        page, document = await http.get("/asyncapi"), await http.get("/asyncapi.json")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "point.spend" in page.text
    assert document.json() == asyncapi.document(EACH["point"], title="point_svc", version="0.1.0")


async def test_a_service_may_keep_its_pages_to_itself() -> None:
    """Where `POINT_DOCS` is off, there is neither a page nor a document."""
    settings = Settings(
        port=8001,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        rabbitmq_url="amqp://nobody@127.0.0.1:1/",
        token_keys=key_set([]),
        docs=False,
    )
    transport = httpx2.ASGITransport(app=create_app(definition(settings)))
    paths = ("/docs", "/redoc", "/openapi.json", "/asyncapi", "/asyncapi.json")
    async with httpx2.AsyncClient(transport=transport, base_url="http://point") as http:
        statuses = [(await http.get(path)).status_code for path in paths]

    assert statuses == [404] * len(paths)
