"""The passwords of one stack: random, made once, kept for its owner only."""

import base64
import json
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.services import PROCESSES
from stack.signing import SigningKey

ADMIN = "admin"
REPLICA = "replica"
"""The role with which one database server copies another"""
ROLES = ("owner", "erasure")
"""The roles of each database that can log in, besides the service's own"""
_SECRETS = TypeAdapter(dict[str, str])


def _password() -> str:
    # Hexadecimal digits need no quoting in a URL, in SQL or in an Erlang term.
    return secrets.token_hex(16)


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


class Credentials(BaseModel, frozen=True, extra="allow"):
    """All secrets of a stack; each service has a password at the broker, and one for each role of its database."""

    __pydantic_extra__: dict[str, str]

    admin: str = Field(default_factory=_password)
    replica: str = Field(default_factory=_password)
    token_signing_key: str = Field(default_factory=lambda: SigningKey.new().text)
    erlang_cookie: str = Field(default_factory=_password)
    platform_secret: str = Field(default_factory=_webhook_secret)

    @classmethod
    def of(cls, directory: Directory) -> Self:
        """Read the secrets of a stack, and make those that are missing: all of them, or those of a new service."""
        file = _file(directory)
        try:
            known = _SECRETS.validate_json(file.read_bytes()) if file.exists() else {}
            credentials = cls.model_validate({user: _password() for user in _users()} | known)
        except ValidationError as error:
            raise StackError(
                f"{file} is damaged, and the data cannot be read without the passwords in it: "
                f"remove {directory.path} to start anew"
            ) from error
        if credentials.model_dump() != known:
            credentials.write(directory)
        return credentials

    def write(self, directory: Directory) -> None:
        """Keep them for the stack in a directory."""
        write_private(_file(directory), json.dumps(self.model_dump(), indent=2))

    def renewed(self, *names: str) -> Self:
        """The same, with new secrets under these names."""
        fresh = type(self)().model_dump()
        return self.model_copy(update={name: fresh.get(name) or _password() for name in names})

    def password(self, user: str) -> str:
        """The password of the admin, of one service, or of one role of its database."""
        return str(getattr(self, user))

    def broker_password(self, user: str) -> str:
        """The password of the admin, or of the broker's user of one service."""
        return self.password(user if user == ADMIN else _broker_user(user))


def role(service: str, kind: str) -> str:
    """The name of a role of a service's database."""
    return f"{service}_{kind}"


def _file(directory: Directory) -> Path:
    return directory.path / "credentials.json"


def broker_users() -> list[str]:
    """The names of the secrets of the broker's users."""
    return [_broker_user(service) for service in PROCESSES]


def _broker_user(service: str) -> str:
    return f"{service}_broker"


def _users() -> list[str]:
    return [*PROCESSES, *broker_users(), *(role(service, kind) for service in PROCESSES for kind in ROLES)]
