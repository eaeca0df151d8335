"""Bearer tokens for trying the system out: the services trust whoever knows the stack's token secret."""

import os
from datetime import UTC, datetime, timedelta

import jwt

from stack.directory import Directory
from stack.errors import StackError

_VALID_FOR = timedelta(hours=12)


def token(user: str, secret: str, scope: str | None = None) -> str:
    """A token that says who the user is, and what else they may do, for 12 hours."""
    now = datetime.now(UTC)
    claims = {"sub": user, "iat": now, "exp": now + _VALID_FOR}
    return jwt.encode(claims | ({"scope": scope} if scope else {}), secret, algorithm="HS256")


def token_secret(directory: Directory) -> str:
    """The secret from the environment, else from the stack's env file."""
    secret = os.environ.get("TOKEN_SECRET") or directory.environment().get("TOKEN_SECRET")
    if not secret:
        raise StackError("there is no TOKEN_SECRET, and no stack that has one: run  make up")
    return secret
