"""Bearer tokens for trying the system out: the services trust whoever knows the stack's token secret."""

import os
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt
from pydantic import TypeAdapter, ValidationError

from contracts.event import UserId
from stack.directory import Directory
from stack.errors import START, StackError

_VALID_FOR = timedelta(hours=12)
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)


class Scope(StrEnum):
    """What a token may allow besides being its user."""

    OPERATOR = "operator"


def token(user: str, secret: str, scope: str | None = None) -> str:
    """A token that says who the user is, and what else they may do, for 12 hours."""
    now = datetime.now(UTC)
    claims = {"sub": user, "iat": now, "exp": now + _VALID_FOR}
    return jwt.encode(claims | ({"scope": scope} if scope else {}), secret, algorithm="HS256")


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


def token_secret(directory: Directory) -> str:
    """The secret from the environment, else from the stack's env file; raises `StackError` if neither has one."""
    secret = os.environ.get("TOKEN_SECRET") or directory.environment().get("TOKEN_SECRET")
    if not secret:
        raise StackError(f"there is no TOKEN_SECRET in the environment nor in {directory.env_file}: {START}")
    return secret
