"""Every error is a problem (RFC 9457)."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from chassis.web import problem
from chassis.web.problem import Problem, documented, not_found

KINDS = {
    "/gone": (HTTPStatus.GONE, "urn:problem:gone"),
    "/kind": (HTTPStatus.CONFLICT, "urn:problem:lamp-burns"),
    "/missing": (HTTPStatus.NOT_FOUND, "urn:problem:not-found"),
    "/nowhere": (HTTPStatus.NOT_FOUND, "urn:problem:not-found"),
    "/number/x": (HTTPStatus.UNPROCESSABLE_ENTITY, "urn:problem:invalid-request"),
    "/defect": (HTTPStatus.INTERNAL_SERVER_ERROR, "urn:problem:internal-server-error"),
}


def an_app() -> FastAPI:
    """An application in which everything goes wrong."""
    app = FastAPI()
    problem.install(app)

    @app.get("/gone")
    async def gone() -> None:
        raise Problem(HTTPStatus.GONE, "It was here.", headers={"Retry-After": "9"})

    @app.get("/kind")
    async def kind() -> None:
        raise Problem(HTTPStatus.CONFLICT, "It burns.", "lamp-burns")

    @app.get("/missing")
    async def missing() -> None:
        raise not_found("lamp")

    @app.get("/number/{number}")
    async def number(number: int) -> None: ...

    @app.get("/defect")
    async def defect() -> None:
        raise ZeroDivisionError("secret")

    return app


async def test_resource_names_all_its_methods() -> None:
    """Also those that have a route of their own, and not those of another resource whose path would fit."""
    app, router = FastAPI(), APIRouter(prefix="/lamps")
    problem.install(app)

    @router.post("/all")
    async def light() -> None: ...

    @router.get("/{number}")
    async def look(number: int) -> None: ...

    @router.delete("/{number}")
    async def throw_away(number: int) -> None: ...

    app.include_router(router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://lamps") as client:
        answers = [await client.put(path) for path in ("/lamps/1", "/lamps/all", "/openapi.json")]

    assert {answer.status_code for answer in answers} == {405}
    allowed = [set(answer.headers["Allow"].split(", ")) for answer in answers]
    assert allowed == [{"DELETE", "GET"}, {"POST"}, {"GET", "HEAD"}]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application."""
    transport = httpx2.ASGITransport(app=an_app(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://lamps") as client:
        yield client


@pytest.mark.parametrize("path", KINDS)
async def test_every_error_is_a_problem(client: httpx2.AsyncClient, path: str) -> None:
    """Ours, FastAPI's, Starlette's and a defect have the same form, and say of what kind they are."""
    # given
    status, kind = KINDS[path]
    # when
    answer = await client.get(path)
    # then
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == problem.MEDIA_TYPE
    assert answer.status_code == document["status"] == status
    assert document["type"] == kind
    assert document["title"] == status.phrase
    assert document["instance"] == path
    assert document["detail"]


async def test_a_wrong_method_is_a_problem(client: httpx2.AsyncClient) -> None:
    """What the router itself refuses keeps its headers."""
    # when
    answer = await client.post("/gone")
    # then
    assert answer.json()["type"] == "urn:problem:method-not-allowed"
    assert answer.headers["allow"] == "GET"


async def test_a_problem_may_have_headers(client: httpx2.AsyncClient) -> None:
    """Such as when to come back."""
    assert (await client.get("/gone")).headers["retry-after"] == "9"


async def test_an_invalid_request_says_what_is_wrong_with_it(client: httpx2.AsyncClient) -> None:
    """Where, and why."""
    # when
    document = (await client.get("/number/x")).json()
    # then
    assert document["detail"].startswith("path.number: ")
    assert [error["where"] for error in document["errors"]] == [["path", "number"]]


async def test_a_defect_tells_nothing_about_itself(client: httpx2.AsyncClient) -> None:
    """What went wrong inside is not for the outside."""
    assert "secret" not in (await client.get("/defect")).text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (HTTPStatus.NOT_FOUND, "not-found"),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "unprocessable-"),
        (HTTPStatus.IM_A_TEAPOT, "i-m-a-teapot"),
    ],
)
def test_a_kind_is_a_word_for_programs(status: HTTPStatus, kind: str) -> None:
    """Without a word of its own, a problem is of the kind of its status."""
    assert Problem(status, "…").kind.startswith(kind)


def test_what_is_not_yours_looks_like_what_is_not_there() -> None:
    """The same status, kind and words, whatever the reason."""
    found = not_found("payment")
    assert (found.status, found.kind, found.detail) == (
        HTTPStatus.NOT_FOUND,
        "not-found",
        "There is no such payment.",
    )


def test_a_route_documents_its_problems() -> None:
    """Each status refers to the one schema of problems."""
    # when
    responses = documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
    # then
    assert list(responses) == [404, 409]
    assert all(list(response["content"]) == [problem.MEDIA_TYPE] for response in responses.values())
