"""Problem details: every error is `application/problem+json` (RFC 9457)."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from chassis.errors import WebError

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS, MAX_NAME = 10, 64
"""How many mistakes of a request are named, and how much of the names that its sender has made up"""


class ProblemDocument(BaseModel):
    """The document of an error."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str


class Problem(WebError):  # noqa: N818  # the name that RFC 9457 gives it
    """An error with an answer. `kind` is a kebab-case word that programs may compare."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind or re.sub(r"[^a-z]+", "-", status.phrase.lower())
        self.headers = headers


def not_found(what: str) -> Problem:
    """What is not there and what is not yours look the same."""
    return Problem(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


def unexpected() -> Problem:
    """A defect."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here; it has been noted.")


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {int(status): {"description": status.phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_unexpected)


def response(request: Request, problem: Problem, **more: Any) -> JSONResponse:
    """The answer to a request that states a problem."""
    return answer(request.url.path, problem, **more)


def answer(path: str, problem: Problem, **more: Any) -> JSONResponse:
    """The answer under a path that states a problem."""
    document = ProblemDocument(
        type=f"urn:problem:{problem.kind}",
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
        instance=path,
        **more,
    )
    return JSONResponse(
        document.model_dump(), problem.status, headers=dict(problem.headers or {}), media_type=MEDIA_TYPE
    )


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  # for the type checker: it is installed for this class
    return response(request, error)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = _allowed(request, headers["Allow"])
    return response(request, Problem(status, str(error.detail), headers=headers))


def _allowed(request: Request, named: str) -> str:
    """All methods of a resource, of which the framework has named those of the first route alone."""
    for path, verbs in request.app.openapi()["paths"].items():
        if named.lower() in verbs and compile_path(path)[0].match(request.url.path):
            return ", ".join(sorted(map(str.upper, verbs)))
    return named


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
    found = error.errors()
    errors = [
        {"where": [str(part)[:MAX_NAME] for part in one["loc"]], "message": one["msg"]} for one in found[:MAX_ERRORS]
    ]
    detail = "; ".join(f"{'.'.join(one['where'])}: {one['message']}" for one in errors)
    detail += f"; and {len(found) - MAX_ERRORS} more" if len(found) > MAX_ERRORS else ""
    problem = Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "invalid-request")
    return response(request, problem, errors=jsonable_encoder(errors))


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer to a defect; `chassis.web.last_resort` logs the error itself."""
    return response(request, unexpected())
