"""Bearer tokens for trying the system out: the services trust whoever has the stack's signing key."""

import json
import os
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.event import UserId
from stack.directory import Directory, write_private
from stack.errors import START, StackError
from stack.services import EACH, WINDOW
from stack.signing import SigningKey, key_set

ISSUER = "concert-seats"
STAGE = "stage"
AUDIENCES = (*(service.package for service in EACH), WINDOW, STAGE)
_VALID_FOR = timedelta(hours=12)
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)


class Scope(StrEnum):
    """What a token may allow besides being its user."""

    OPERATOR = "operator"
    MONITOR = "monitor"


def token(user: str, key: str, scope: str | None = None) -> str:
    """A token that says who the user is, and what else they may do, at every service for 12 hours."""
    return SigningKey.of(key).sign(claims(user) | ({"scope": scope} if scope else {}))


def with_operator(environment: dict[str, str]) -> dict[str, str]:
    """What an env file says, with a fresh token to ask the window with, where somebody can sign one."""
    key = environment.get("TOKEN_SIGNING_KEY")
    return environment | ({"WINDOW_TOKEN": token("operator", key, Scope.OPERATOR)} if key else {})


def claims(user: str) -> dict[str, Any]:
    """What such a token says."""
    now = datetime.now(UTC)
    return {"iss": ISSUER, "aud": list(AUDIENCES), "sub": user, "iat": now, "exp": now + _VALID_FOR}


def user_id(text: str) -> str:
    """The user that is named; raises `StackError` if nobody can be called that."""
    if not text:
        raise StackError("for whom? name a user, as in  USER=7")
    try:
        return _USER_ID.validate_python(text)
    except ValidationError as error:
        raise StackError(
            f"no user can be called {text!r}: 1 to 64 letters, digits and . _ @ : - make a user"
        ) from error


def user_ids(text: str) -> list[str]:
    """The users that are named, apart by commas or blanks; raises `StackError` if there are none."""
    users = text.replace(",", " ").split()
    return [user_id(user) for user in users or [text]]


def signing_key(directory: Directory) -> str:
    """The key from the environment, else from the stack's env file; raises `StackError` if neither has one."""
    key = os.environ.get("TOKEN_SIGNING_KEY") or directory.environment().get("TOKEN_SIGNING_KEY")
    if not key:
        raise StackError(f"there is no TOKEN_SIGNING_KEY in the environment nor in {directory.env_file}: {START}")
    return key


def publish_key(directory: Directory, key: str) -> Path:
    """Add the public part of a signing key to the file that services check tokens with; answer the file."""
    file = directory.path / "jwks.json"
    known = json.loads(file.read_text())["keys"] if file.exists() else []
    public = SigningKey.of(key).public
    write_private(file, key_set([public, *(one for one in known if one["kid"] != public["kid"])]))
    return file


def withdraw_keys(directory: Directory, key: str) -> None:
    """Publish no other key than this one: tokens that were signed with others are not believed any more."""
    write_private(directory.path / "jwks.json", key_set([SigningKey.of(key).public]))
