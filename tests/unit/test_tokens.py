"""A token is made for users that there can be, and for no others."""

from pathlib import Path

import jwt
import pytest

from chassis.web.bearer import Bearers
from stack.__main__ import _say_window
from stack.directory import Directory
from stack.errors import StackError
from stack.signing import SigningKey, key_set
from stack.tokens import ISSUER, Scope, publish_key, signing_key, token, user_id, user_ids, with_operator

KEY = SigningKey.new()


async def test_every_user_that_is_named_gets_a_token() -> None:
    """Commas and blanks both part them, and the services believe what the tokens say."""
    users = user_ids("7,8 anna@example.org")

    point, seat = (Bearers(key_set([KEY.public]), ISSUER, audience) for audience in ("point_svc", "seat_svc"))

    claims = [await point.claims(token(user, KEY.text, Scope.OPERATOR)) for user in users]
    assert claims == [await seat.claims(token(user, KEY.text, Scope.OPERATOR)) for user in users]

    assert [(one.sub, one.scope) for one in claims] == [
        ("7", "operator"),
        ("8", "operator"),
        ("anna@example.org", "operator"),
    ]


@pytest.mark.parametrize("text", ["", "  ", ","])
def test_nobody_gets_no_token(text: str) -> None:
    """Whoever forgets the user is asked for one."""
    with pytest.raises(StackError):
        user_ids(text)


@pytest.mark.parametrize("text", ["a/b", "7\n", "김", "x" * 65, "7 8"])
def test_user_whom_no_service_would_believe_is_refused(text: str) -> None:
    """The same rule holds here as in the services."""
    with pytest.raises(StackError, match="no user can be called"):
        user_id(text)


def test_token_needs_a_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing runs there is no key, and the sentence says how to start."""
    monkeypatch.delenv("TOKEN_SIGNING_KEY", raising=False)

    with pytest.raises(StackError, match="run  make up"):
        signing_key(Directory.of(tmp_path))


def test_keys_of_tokens_that_are_out_stay_published(tmp_path: Path) -> None:
    """The new key comes first, and each is there once."""
    old, new = SigningKey.new(), SigningKey.new()
    directory = Directory.of(tmp_path)

    for key in (old, new, new):
        file = publish_key(directory, key.text)

    assert file.read_text() == key_set([new.public, old.public])


def test_the_window_is_named_with_a_way_in(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line however narrow the terminal, with an operator's token after `#`, which no server is sent."""
    # given
    key = SigningKey.new().text
    environment = with_operator({"TOKEN_SIGNING_KEY": key, "WINDOW_URL": "http://127.0.0.1:8010"})
    # when
    _say_window(environment)
    # then
    (line,) = capsys.readouterr().out.splitlines()
    name, link = line.split()
    address, _, shown = link.partition("#token=")
    assert (name, address) == ("window", "http://127.0.0.1:8010/sign-in")
    claims = jwt.decode(shown, options={"verify_signature": False})
    assert claims["scope"] == "operator"
    assert "window" in claims["aud"]
    assert claims["exp"] - claims["iat"] == 12 * 3600


@pytest.mark.parametrize("environment", [{}, {"WINDOW_URL": "http://window"}])
def test_a_window_without_a_key_is_named_without_a_token(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else issues the tokens, or there is no window."""
    _say_window(with_operator(environment))
    assert capsys.readouterr().out.split() == ["window", *environment.values()][: 2 * len(environment)]
