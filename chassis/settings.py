"""What every service is told by its environment."""

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def settings_of(service: str) -> SettingsConfigDict:
    """Settings come from variables that begin with the name of the service."""
    return SettingsConfigDict(env_prefix=f"{service.upper()}_", extra="ignore", use_attribute_docstrings=True)


class ServiceSettings(BaseSettings):
    """The settings that all services share; each adds its own and says its prefix."""

    # The text under a field is its description, which the card of the service shows.
    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """The address that the REST interface listens on"""
    port: int = Field(ge=1, le=65535)
    """The port of the REST interface"""
    database_url: SecretStr
    """`postgresql://role:password@host:port/database`"""
    rabbitmq_url: SecretStr
    """`amqp://user:password@host:port/vhost`; the user is the one whose name messages carry"""
    token_secret: SecretStr = Field(validation_alias=AliasChoices("token_secret", "TOKEN_SECRET"), min_length=32)
    """The key of the bearer tokens (HS256), the same in every service"""
    max_batch: int = Field(default=200, ge=1, le=1000)
    """How many events of a step may share a transaction; a step never waits for more than have arrived"""
    database_pool: int = Field(default=10, ge=2)
    """How many connections to the database the process may have"""
    shutdown_seconds: float = Field(default=6.0, gt=0)
    """How long an orderly end may take, after the requests under way have been answered"""
    inbox_days: float = Field(default=30, ge=1)
    """How long a step remembers what it handled, at the least: while messages are parked, it forgets nothing"""
