"""A token is made for users that there can be, and for no others."""

from pathlib import Path

import pytest

from chassis.web.bearer import Bearers
from stack.directory import Directory
from stack.errors import StackError
from stack.signing import SigningKey, key_set
from stack.tokens import ISSUER, Scope, publish_key, signing_key, token, user_id, user_ids

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
