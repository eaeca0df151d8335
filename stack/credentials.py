"""The passwords of one stack: random, made once, kept for its owner only."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from stack.directory import write_private

if TYPE_CHECKING:
    from stack.directory import Directory

ADMIN = "admin"


def _password() -> str:
    # Hexadecimal digits need no quoting in a URL, in SQL or in an Erlang term.
    return secrets.token_hex(16)


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


class Credentials(BaseModel, frozen=True):
    """All secrets of a stack; a service has one password, at the broker and at the database."""

    admin: str = Field(default_factory=_password)
    point: str = Field(default_factory=_password)
    reservation: str = Field(default_factory=_password)
    payment: str = Field(default_factory=_password)
    seat: str = Field(default_factory=_password)
    token_secret: str = Field(default_factory=lambda: secrets.token_hex(32))
    erlang_cookie: str = Field(default_factory=_password)
    platform_secret: str = Field(default_factory=_webhook_secret)

    @classmethod
    def of(cls, directory: Directory) -> Credentials:
        """Read the secrets of a stack, or make them the first time."""
        file = directory.path / "credentials.json"
        if file.exists():
            return cls.model_validate_json(file.read_text())
        fresh = cls()
        write_private(file, fresh.model_dump_json(indent=2))
        return fresh

    def password(self, user: str) -> str:
        """The password of the admin or of one service."""
        return str(getattr(self, user))
