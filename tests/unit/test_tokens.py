"""A token is made for users that there can be, and for no others."""

from pathlib import Path

import pytest

from chassis.web.bearer import read_claims
from stack.directory import Directory
from stack.errors import StackError
from stack.tokens import Scope, token, token_secret, user_id, user_ids

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105  # of this test alone


def test_every_user_that_is_named_gets_a_token() -> None:
    """Commas and blanks both part them, and the services believe what the tokens say."""
    users = user_ids("7,8 anna@example.org")

    claims = [read_claims(token(user, SECRET, Scope.OPERATOR), SECRET) for user in users]

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
    """Where nothing runs there is no secret, and the sentence says how to start."""
    monkeypatch.delenv("TOKEN_SECRET", raising=False)

    with pytest.raises(StackError, match="run  make up"):
        token_secret(Directory.of(tmp_path))
