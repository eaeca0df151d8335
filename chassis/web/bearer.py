"""Bearer tokens: who asks is the `sub` of a signed token, never a field of the request."""

import time
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError

from chassis.errors import KeysUnreadableError
from chassis.settings import ServiceSettings
from chassis.web.keys import TokenKeys
from chassis.web.problem import Problem
from contracts.event import UserId

LEEWAY = timedelta(seconds=30)
"""How far the clock of whoever issues tokens may be apart from this one (RFC 7519, section 4.1.4)"""
MAX_LIFE = timedelta(hours=12)
"""How long a token may be valid, from when it was issued, and from now"""
MAX_TOKEN = 4096
"""How many characters a token may have"""
MAX_REMEMBERED = 2_000
"""How many tokens are remembered that were checked; the oldest one makes room"""
OPERATOR, MONITOR = "operator", "monitor"
_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT")


class Claims(BaseModel):
    """What a token says about its bearer; `scope` is a list of words (RFC 8693, section 4.2)."""

    sub: UserId
    scope: str = ""

    def has(self, *scopes: str) -> bool:
        """Whether the bearer has one of these scopes."""
        return not set(scopes).isdisjoint(self.scope.split())

    @property
    def is_operator(self) -> bool:
        """Whether the bearer is an operator."""
        return self.has(OPERATOR)

    def speaks_for(self, user_id: str) -> bool:
        """Whether the bearer is this user, or an operator."""
        return self.sub == user_id or self.is_operator


class _Believed(NamedTuple):
    """A token that was checked: what it says, until when, and with which key."""

    claims: Claims
    ends: float
    kid: str
    key: jwt.PyJWK


class Bearers:
    """Tells who bears a token that was issued for one service."""

    def __init__(self, keys: str, issuer: str, audience: str) -> None:
        self._keys = TokenKeys(keys)
        self._issuer = issuer
        self._audience = audience
        self._believed: dict[str, _Believed] = {}
        """Tokens that need no second check: a signature takes as long as all the rest of a small request"""

    @classmethod
    def of(cls, name: str, settings: ServiceSettings) -> "Bearers":
        """Those of a service."""
        return cls(settings.token_keys, settings.token_issuer, f"{name}_svc")

    async def claims(self, token: str) -> Claims:
        """The claims of a valid token; raises Problem 401 for any other, 503 while the keys cannot be read.

        One that was issued in the future is valid: a clock that is ahead would have its tokens refused for being fresh.
        """
        try:
            if (known := self._believed.get(token)) and await self._still_holds(known):
                return known.claims
            kid, key = await self._key(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                options={"require": ["sub", "exp", "iat", "iss", "aud"], "verify_iat": False},
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
            )
            issued = min(time.time() + LEEWAY.total_seconds(), _number(claims["iat"]))
            ends = _number(claims["exp"])
            if ends > issued + MAX_LIFE.total_seconds():
                raise jwt.InvalidTokenError("it would last for too long")
            found = Claims.model_validate(claims)
            self._remember(token, _Believed(found, ends + LEEWAY.total_seconds(), kid, key))
            return found
        except (jwt.InvalidTokenError, ValidationError) as error:
            raise unauthorized("The bearer token is not valid.", 'Bearer error="invalid_token"') from error
        except KeysUnreadableError as error:
            detail = "Nobody can be recognised: the keys of the tokens cannot be read. Try again shortly."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"}) from error

    async def _still_holds(self, known: _Believed) -> bool:
        """Whether a token has not ended, and its key is still the one that it was checked with."""
        return time.time() < known.ends and await self._keys.find(known.kid) is known.key

    def _remember(self, token: str, believed: _Believed) -> None:
        if len(self._believed) >= MAX_REMEMBERED:
            del self._believed[next(iter(self._believed))]
        self._believed[token] = believed

    async def _key(self, token: str) -> tuple[str, jwt.PyJWK]:
        """The key that the token names, and its name."""
        if len(token) > MAX_TOKEN:
            raise jwt.InvalidTokenError("it is too long")
        kid = str(jwt.get_unverified_header(token).get("kid", ""))
        key = await self._keys.find(kid)
        if key is None:
            raise jwt.InvalidTokenError("its key is not known")
        return kid, key


def _number(claim: Any) -> float:
    """A moment that a token names (RFC 7519, section 2)."""
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise jwt.InvalidTokenError(f"{claim!r} is no moment")
    return claim


def asked_for() -> Problem:
    """The answer to a request without a token that needs one."""
    return unauthorized("A bearer token is needed; `make token USER=7` prints one.", "Bearer")


def unauthorized(detail: str, challenge: str) -> Problem:
    """A 401 with its challenge (RFC 6750, section 3)."""
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


async def _claims(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
) -> Claims:
    if credentials is None:
        raise asked_for()
    known = getattr(request.state, "claims", None)
    if isinstance(known, Problem):
        raise known
    if known is None:
        known = await request.app.state.bearers.claims(credentials.credentials)
    claims: Claims = known
    return claims


CurrentClaims = Annotated[Claims, Depends(_claims)]
"""What the token of whoever asks says."""


async def _user_id(claims: CurrentClaims) -> str:
    return claims.sub


async def _operator_id(claims: CurrentClaims) -> str:
    if not claims.is_operator:
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators may do this.")
    return claims.sub


async def _monitor_id(claims: CurrentClaims) -> str:
    if not claims.has(OPERATOR, MONITOR):
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators and monitors may see this.")
    return claims.sub


async def _is_trusted(request: Request) -> bool:
    try:
        return (await _claims(request, await _scheme(request))).has(OPERATOR, MONITOR)
    except Problem:
        return False


CurrentUser = Annotated[str, Depends(_user_id)]
"""The id of the user who asks."""

CurrentOperator = Annotated[str, Depends(_operator_id)]
"""The id of the operator who asks; anybody else gets a 403."""

CurrentMonitor = Annotated[str, Depends(_monitor_id)]
"""The id of whoever watches the system, an operator or a program with the scope `monitor`; others get a 403."""

IsTrusted = Annotated[bool, Depends(_is_trusted)]
"""Whether it is an operator or a monitor who asks; a stranger is none, and may ask too."""
