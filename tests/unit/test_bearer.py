"""Who asks is the `sub` of a signed token."""

import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
import pytest

from chassis.web import keys
from chassis.web.bearer import LEEWAY, MAX_LIFE, Bearers, Claims
from chassis.web.problem import Problem
from stack.signing import SigningKey, key_set

KEY, OTHER_KEY = SigningKey.new(), SigningKey.new()
ISSUER, AUDIENCE = "concert-seats", "point_svc"
BEARERS = Bearers(key_set([KEY.public]), ISSUER, AUDIENCE)


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves something out."""
    now = datetime.now(UTC)
    good = {"sub": "ann", "iat": now, "exp": now + timedelta(hours=1), "iss": ISSUER, "aud": AUDIENCE}
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(said: dict[str, Any], key: SigningKey = KEY) -> str:
    """The token that says so."""
    return key.sign(said)


def disguised(algorithm: str, key: str = "") -> str:
    """A token that names the good key and is signed in another way: with its public part as a secret, or not at all."""
    return jwt.encode(claims(), key, algorithm, headers={"kid": KEY.public["kid"]})


async def test_a_good_token_names_its_bearer() -> None:
    """The user is the `sub`; without a scope the bearer may do what anybody may."""
    assert await BEARERS.claims(token(claims())) == Claims(sub="ann", scope="")


async def test_a_token_may_have_a_scope() -> None:
    """The scope is a list of words."""
    found = await BEARERS.claims(token(claims(scope="operator audit")))
    assert found.scope.split() == ["operator", "audit"]
    assert found.has("operator")
    assert not found.has("monitor")


async def test_a_token_may_be_for_several_services() -> None:
    """Among them this one."""
    assert (await BEARERS.claims(token(claims(aud=["seat_svc", AUDIENCE])))).sub == "ann"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "a.b.c",
        "x" * 5000,
        token(claims(), OTHER_KEY),
        jwt.encode(claims(), KEY.private, "ES256"),
        jwt.encode(claims(), KEY.private, "ES256", headers={"kid": OTHER_KEY.public["kid"]}),
        disguised("HS256", KEY.public["x"] * 2),
        disguised("none"),
        token(claims(exp=datetime(2020, 1, 1, tzinfo=UTC))),
        token(claims(exp=None)),
        token(claims(exp=datetime.now(UTC) + 2 * MAX_LIFE)),
        token(claims(iat=datetime.now(UTC) - 30 * MAX_LIFE)),
        token(claims(iat=None)),
        token(claims(iat=float("nan"), exp=datetime.now(UTC) + 2 * MAX_LIFE)),
        token(claims(iat="7")),
        token(claims(exp=str(int(time.time()) + 60))),
        token(claims(sub=None)),
        token(claims(sub="")),
        token(claims(sub="x" * 65)),
        token(claims(sub="ann\nbob")),
        token(claims(scope=["operator"])),
        token(claims(nbf=datetime.now(UTC) + timedelta(hours=1))),
        token(claims(iss=None)),
        token(claims(iss="somebody")),
        token(claims(aud=None)),
        token(claims(aud=["seat_svc"])),
    ],
    ids=[
        "empty",
        "no token",
        "no base64",
        "long",
        "other key",
        "no key named",
        "unknown key named",
        "public key as a secret",
        "unsigned",
        "expired",
        "endless",
        "lasting",
        "old, and soon over",
        "of unknown age",
        "of no age",
        "issued at a text",
        "ending at a text",
        "nobody",
        "empty user",
        "long user",
        "odd user",
        "odd scope",
        "too early",
        "no issuer",
        "other issuer",
        "no audience",
        "other audience",
    ],
)
async def test_any_other_token_is_refused(bad: str) -> None:
    """The answer is a 401 that says how to do better, and nothing about why."""
    # when
    with pytest.raises(Problem) as refused:
        await BEARERS.claims(bad)
    # then
    assert refused.value.status == HTTPStatus.UNAUTHORIZED
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert refused.value.detail == "The bearer token is not valid."


@pytest.mark.parametrize("changes", [{"iat": timedelta(minutes=5)}, {"exp": -LEEWAY / 2}, {"nbf": LEEWAY / 2}], ids=str)
async def test_clock_of_the_issuer_may_differ(changes: dict[str, timedelta]) -> None:
    """A token that is fresh by a clock that is ahead, or just over by one that is behind, is taken."""
    now = datetime.now(UTC)
    said = claims(**{name: now + offset for name, offset in changes.items()})
    assert (await BEARERS.claims(token(said))).sub == "ann"


async def test_a_token_that_was_believed_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not checked again and again, and not believed for longer."""
    good = token(claims())
    bearers = Bearers(key_set([KEY.public]), ISSUER, AUDIENCE)
    first = await bearers.claims(good)

    monkeypatch.setattr(jwt, "decode", None)
    assert await bearers.claims(good) is first
    monkeypatch.undo()
    monkeypatch.setattr(time, "time", (datetime.now(UTC) + timedelta(hours=2)).timestamp)
    assert not await bearers._still_holds(bearers._believed[good])


async def test_a_token_that_was_believed_goes_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the key is withdrawn, it is worth nothing any more."""
    file = tmp_path / "jwks.json"
    file.write_text(key_set([KEY.public]))
    now = {"now": 1000.0}
    monkeypatch.setattr(keys, "_now", lambda: now["now"])
    bearers = Bearers(str(file), ISSUER, AUDIENCE)
    good = token(claims())
    await bearers.claims(good)

    file.write_text(key_set([OTHER_KEY.public]))
    now["now"] += 2

    with pytest.raises(Problem):
        await bearers.claims(good)
