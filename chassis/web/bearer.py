"""Bearer tokens: who asks is the `sub` of a signed token, never a field of the request."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError

from chassis.web.problem import Problem
from contracts.event import UserId

ALGORITHM = "HS256"
LEEWAY = timedelta(seconds=30)
"""How far the clock of whoever issues tokens may be apart from this one (RFC 7519, section 4.1.4)"""
OPERATOR = "operator"
_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT")


class Claims(BaseModel):
    """What a token says about its bearer; `scope` is a list of words (RFC 8693, section 4.2)."""

    sub: UserId
    scope: str = ""


def read_claims(token: str, secret: str) -> Claims:
    """The claims of a valid token; raises Problem 401 for any other.

    When it was issued decides nothing: a token of a clock that is ahead would be refused for being fresh.
    """
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            options={"require": ["sub", "exp"], "verify_iat": False},
            leeway=LEEWAY,
        )
        return Claims.model_validate(claims)
    except (jwt.InvalidTokenError, ValidationError) as error:
        raise _unauthorized("The bearer token is not valid.", 'Bearer error="invalid_token"') from error


async def _claims(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
) -> Claims:
    if credentials is None:
        raise _unauthorized("A bearer token is needed; `make token USER=7` prints one.", "Bearer")
    return read_claims(credentials.credentials, request.app.state.token_secret)


async def _user_id(claims: Annotated[Claims, Depends(_claims)]) -> str:
    return claims.sub


async def _operator_id(claims: Annotated[Claims, Depends(_claims)]) -> str:
    if OPERATOR not in claims.scope.split():
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators may do this.")
    return claims.sub


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


CurrentUser = Annotated[str, Depends(_user_id)]
"""The id of the user who asks."""

CurrentOperator = Annotated[str, Depends(_operator_id)]
"""The id of the operator who asks; anybody else gets a 403."""
