"""Who asks is the `sub` of a signed token."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import jwt
import pytest

from chassis.web.bearer import ALGORITHM, LEEWAY, Claims, read_claims
from chassis.web.problem import Problem

KEY, OTHER_KEY = "k" * 64, "l" * 64


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves something out."""
    said = {"sub": "ann", "exp": datetime.now(UTC) + timedelta(hours=1)} | changes
    return {name: value for name, value in said.items() if value is not None}


def token(said: dict[str, Any], key: str = KEY, algorithm: str = ALGORITHM) -> str:
    """The token that says so."""
    return jwt.encode(said, key, algorithm)


def test_a_good_token_names_its_bearer() -> None:
    """The user is the `sub`; without a scope the bearer may do what anybody may."""
    assert read_claims(token(claims()), KEY) == Claims(sub="ann", scope="")


def test_a_token_may_have_a_scope() -> None:
    """The scope is a list of words."""
    assert read_claims(token(claims(scope="operator audit")), KEY).scope.split() == ["operator", "audit"]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "a.b.c",
        token(claims(), OTHER_KEY),
        token(claims(), algorithm="HS512"),
        jwt.encode(claims(), None, algorithm="none"),
        token(claims(exp=datetime(2020, 1, 1, tzinfo=UTC))),
        token(claims(exp=None)),
        token(claims(sub=None)),
        token(claims(sub="")),
        token(claims(sub="x" * 65)),
        token(claims(sub="ann\nbob")),
        token(claims(scope=["operator"])),
        token(claims(nbf=datetime.now(UTC) + timedelta(hours=1))),
    ],
    ids=[
        "empty",
        "no token",
        "no base64",
        "other key",
        "other algorithm",
        "unsigned",
        "expired",
        "endless",
        "nobody",
        "empty user",
        "long user",
        "odd user",
        "odd scope",
        "too early",
    ],
)
def test_any_other_token_is_refused(bad: str) -> None:
    """The answer is a 401 that says how to do better, and nothing about why."""
    # when
    with pytest.raises(Problem) as refused:
        read_claims(bad, KEY)
    # then
    assert refused.value.status == HTTPStatus.UNAUTHORIZED
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert refused.value.detail == "The bearer token is not valid."


@pytest.mark.parametrize("changes", [{"iat": timedelta(minutes=5)}, {"exp": -LEEWAY / 2}, {"nbf": LEEWAY / 2}], ids=str)
def test_clock_of_the_issuer_may_differ(changes: dict[str, timedelta]) -> None:
    """A token that is fresh by a clock that is ahead, or just over by one that is behind, is taken."""
    now = datetime.now(UTC)
    said = claims(**{name: now + offset for name, offset in changes.items()})
    assert read_claims(token(said), KEY).sub == "ann"
