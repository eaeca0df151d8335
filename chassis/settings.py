"""Settings: what every service is told by its environment."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from chassis.addresses import each_of, with_password

SETTINGS = TypeVar("SETTINGS", bound=BaseSettings)


def settings_of(service: str) -> SettingsConfigDict:
    """Settings come from variables that begin with the name of the service; errors never show what they hold."""
    return SettingsConfigDict(
        env_prefix=f"{service.upper()}_", extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )


def read(settings: type[SETTINGS]) -> SETTINGS:
    """The settings, from the environment; ends the process with a line for each variable that is missing or wrong."""
    try:
        return settings()
    except ValidationError as error:
        sys.exit("\n".join(_sentence(settings, one) for one in error.errors(include_input=False, include_url=False)))


def _sentence(settings: type[BaseSettings], error: Any) -> str:
    field = str(error["loc"][0]).lower()
    known = settings.model_fields.get(field)
    alias = known.validation_alias if known else None
    prefix = "" if isinstance(alias, AliasChoices) else settings.model_config.get("env_prefix", "")
    trouble = "is missing" if error["type"] == "missing" else f"is wrong: {_meant(error)}"
    meaning = f" ({known.description.splitlines()[0]})" if known and known.description else ""
    return f"{prefix}{field.upper()} {trouble}{meaning}; `make up` sets it, see .stack/env"


def _meant(error: Any) -> str:
    if error["type"] == "too_short":
        return f"at least {error['ctx']['min_length']} characters are needed"
    return str(error["msg"]).removeprefix("Value error, ")


def checked_keys(keys: str) -> str:
    """Where the keys of tokens come from; raises ValueError when anybody may have changed them on their way."""
    if keys.startswith("http://") and URL(keys).host not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("keys that come over http:// may be anybody's: use https://, or a file")
    return keys


def checked_address(url: SecretStr, *schemes: str) -> SecretStr:
    """The URL; raises ValueError, without quoting it, unless it has one of these schemes, and hosts with their ports.

    A port may be missing. Hosts are separated by commas.
    """
    each = each_of(url.get_secret_value())
    wrong = [number for number, one in enumerate(each, 1) if not _is_address(one, schemes)]
    if wrong:
        which = f"host {wrong[0]} of {len(each)} is none: " if len(each) > len(wrong) else ""
        form = f"{schemes[0]}://user:password@host:port,host:port/…"
        raise ValueError(f"{which}an address of the form {form} is needed, with a / in a password written as %2F")
    return url


def _is_address(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class ServiceSettings(BaseSettings):
    """The settings that all services share; each adds its own and says its prefix."""

    # The text under a field is its description, which the card of the service shows.
    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """The address that the REST interface listens on"""
    port: int = Field(ge=1, le=65535)
    """The port of the REST interface"""
    database_url: SecretStr
    """`postgresql://role:password@host:port/database`; of several hosts, `host:port,host:port`, the primary is used"""
    rabbitmq_url: SecretStr
    """`amqp://user:password@host:port/vhost`, or several nodes, `host:port,host:port`; messages carry that user"""
    rabbitmq_password_file: Path | None = None
    """A file with the password of that user, read anew for each connection, instead of one in `rabbitmq_url`"""
    token_keys: str = Field(validation_alias=AliasChoices("token_keys", "TOKEN_KEYS"), min_length=1)
    """The public keys of the bearer tokens (JWKS): an `https://` address, a file, or the document itself"""
    token_issuer: str = Field(
        default="concert-seats", validation_alias=AliasChoices("token_issuer", "TOKEN_ISSUER"), min_length=1
    )
    """Who issues the tokens, their `iss`; their `aud` has to name the service, such as `point_svc`"""
    user_requests: int = Field(default=20, ge=1)
    """How many requests a user may send to one process in a second"""
    address_requests: int = Field(default=200, ge=1)
    """How many an address may send to one process in a second, whoever asks; behind a gateway there is only one"""
    user_streams: int = Field(default=5, ge=1)
    """How many event streams of one process a user may have open"""
    max_connections: int = Field(default=1000, ge=1)
    """How many connections one process serves"""
    address_connections: int = Field(default=200, ge=1)
    """How many of them one address may have, whose others are closed at once; behind a gateway there is only one"""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long a connection without a request stays open: longer than a balancer keeps it, or it resets what comes"""
    docs: bool = True
    """Whether `/docs`, `/redoc`, `/openapi.json` and `/asyncapi` are there"""
    max_batch: int = Field(default=200, ge=1, le=1000)
    """How many events of a step may share a transaction; a step never waits for more than have arrived"""
    database_pool: int = Field(default=10, ge=2)
    """How many connections to the database the steps and jobs of the process may have"""
    request_pool: int = Field(default=8, ge=1)
    """How many more the requests to the process may have; neither takes one of the other's"""
    shutdown_seconds: float = Field(default=6.0, gt=0)
    """How long an orderly end may take, after the requests under way have been answered"""
    inbox_days: float = Field(default=30, ge=1)
    """How long a step remembers what it handled; twice as long while messages are parked"""
    said_hours: float = Field(default=24, gt=0, le=24)
    """How long what the broker has confirmed is kept, so that it can be said again when a queue is lost"""
    operation_days: float = Field(default=365, ge=1)
    """How long it is remembered what operators did with messages put aside"""

    def broker_url(self) -> str:
        """The address of the broker as it is now; raises OSError when the password cannot be read."""
        url = self.rabbitmq_url.get_secret_value()
        if self.rabbitmq_password_file is None:
            return url
        return with_password(url, self.rabbitmq_password_file.read_text().strip())

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, url: SecretStr) -> SecretStr:
        return checked_address(url, "postgresql", "postgres")

    @field_validator("token_keys")
    @classmethod
    def _comes_unchanged(cls, keys: str) -> str:
        return checked_keys(keys)

    @field_validator("rabbitmq_url")
    @classmethod
    def _is_a_broker(cls, url: SecretStr) -> SecretStr:
        return checked_address(url, "amqp", "amqps")
