"""The settings of the window, from variables that begin with `WINDOW_`."""

from datetime import timedelta
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings
from yarl import URL

from chassis.addresses import each_of, first_of, with_password
from chassis.settings import checked_address, checked_keys, settings_of

QUEUE = "window.events"
"""What the window listens to; the broker's definitions declare and bind it, never the window"""


class Settings(BaseSettings):
    """Where the window listens, keeps and answers."""

    model_config = settings_of("window")

    host: str = "127.0.0.1"
    """The address that pages and API listen on"""
    port: int = Field(default=8010, ge=1, le=65535)
    """The port of pages and API"""
    database_url: SecretStr
    """`postgresql://role:password@host:port/database`; of several hosts, `host:port,host:port`, the primary is used"""
    rabbitmq_url: SecretStr
    """`amqp://user:password@host:port/vhost`, or several nodes, `host:port,host:port`; the user may read one queue"""
    rabbitmq_password_file: Path | None = None
    """A file with the password of that user, read anew for each connection, instead of one in `rabbitmq_url`"""
    management_url: str = ""
    """The broker's HTTP API, on one host or several, for the user of `rabbitmq_url`; without it nothing is counted"""
    management_ca_file: Path | None = None
    """What the certificate of that API is checked with, where it is an `https://` address; else what Python trusts"""
    management_page: str = ""
    """RabbitMQ's own pages, as the browser of an operator reaches them; without it no page links to a queue"""
    services: dict[str, str] = Field(default_factory=dict)
    """The address of each service, as JSON: `{"point": "http://point:8000"}`; without it nothing can be redriven"""
    trace_url: str = ""
    """The page of a trace, with `{trace_id}` in it; without it no page links to one"""
    stage_url: str = ""
    """The program of the stage, which only the stack of `make up` has; without it there is no such page"""
    token_keys: str = Field(validation_alias=AliasChoices("token_keys", "TOKEN_KEYS"), min_length=1)
    """The public keys of the bearer tokens (JWKS): an `https://` address, a file, or the document itself"""
    token_issuer: str = Field(
        default="concert-seats", validation_alias=AliasChoices("token_issuer", "TOKEN_ISSUER"), min_length=1
    )
    """Who issues the tokens, their `iss`; their `aud` has to name `window`"""
    keep_hours: float = Field(default=7 * 24, ge=1)
    """How long messages are kept"""
    published: Path = Path(__file__).resolve().parents[1] / "contracts" / "published"
    """The folder of what the services have published about themselves"""
    database_pool: int = Field(default=8, ge=3)
    """How many connections to the database the process may have"""
    user_requests: int = Field(default=100, ge=1)
    """How many requests a user may send in a second"""
    address_requests: int = Field(default=200, ge=1)
    """How many an address may send in a second"""
    max_connections: int = Field(default=500, ge=1)
    """How many connections the process serves"""
    address_connections: int = Field(default=200, ge=1)
    """How many of them one address may have"""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long a connection without a request stays open: longer than a balancer keeps it, or it resets what comes"""

    @property
    def management_urls(self) -> list[str]:
        """The broker's HTTP API on each of its nodes; empty where it is not known."""
        return each_of(self.management_url) if self.management_url else []

    @property
    def keep(self) -> timedelta:
        """How long messages are kept."""
        return timedelta(hours=self.keep_hours)

    @property
    def vhost(self) -> str:
        """The virtual host of the broker."""
        return URL(first_of(self.rabbitmq_url.get_secret_value())).path.removeprefix("/") or "/"

    def broker_url(self) -> str:
        """The address of the broker as it is now; raises OSError when the password cannot be read."""
        url, file = self.rabbitmq_url.get_secret_value(), self.rabbitmq_password_file
        return url if file is None else with_password(url, file.read_text().strip())

    def api_login(self) -> tuple[str, str]:
        """User and password at the broker's HTTP API; raises OSError when the password cannot be read."""
        url = URL(first_of(self.broker_url()))
        return url.user or "", url.password or ""

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, url: SecretStr) -> SecretStr:
        return checked_address(url, "postgresql", "postgres")

    @field_validator("rabbitmq_url")
    @classmethod
    def _is_a_broker(cls, url: SecretStr) -> SecretStr:
        return checked_address(url, "amqp", "amqps")

    @field_validator("token_keys")
    @classmethod
    def _comes_unchanged(cls, keys: str) -> str:
        return checked_keys(keys)
