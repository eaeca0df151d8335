"""Address: where the running system is, told to every command in the same way."""

import os
from pathlib import Path

import typer
from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import checked_address

WHERE = "is the stack up? run  make up  (or `docker compose up`, then  make compose-env)"


class Address(BaseSettings):
    """Broker and window, with credentials: from the environment, else from the env file of the stack."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    rabbitmq_url: SecretStr | None = None
    rabbitmq_management_url: SecretStr | None = None
    window_url: SecretStr | None = None
    window_token: SecretStr | None = None

    @field_validator("rabbitmq_url")
    @classmethod
    def _is_a_broker(cls, url: SecretStr | None) -> SecretStr | None:
        return url and checked_address(url, "amqp", "amqps")

    @field_validator("rabbitmq_management_url", "window_url")
    @classmethod
    def _is_an_api(cls, url: SecretStr | None) -> SecretStr | None:
        return url and checked_address(url, "http", "https")


def broker_url() -> str:
    """Where the broker speaks AMQP; ends the command with status 2 and a sentence when nobody says."""
    return _told("rabbitmq_url")


def management_url() -> str:
    """Where the broker's management API is; ends the command with status 2 and a sentence when nobody says."""
    return _told("rabbitmq_management_url")


def window_url() -> str:
    """Where the window is; ends the command with status 2 and a sentence when nobody says."""
    return _told("window_url").rstrip("/")


def window_token() -> str:
    """The token of an operator, for the window; ends the command with status 2 and a sentence when nobody says."""
    token = _read("window_token")
    if not token:
        raise signed_out(f"WINDOW_TOKEN stands neither in the environment nor in {env_file()}")
    return token


def database_url(service: str) -> str:
    """The database of a service, for the role that erases; ends the command with status 2 when nobody says."""
    url = known_database_url(service)
    if url is None:
        raise unreachable(f"{_database_names(service)[0]} stands neither in the environment nor in {env_file()}")
    return url


def known_database_url(service: str) -> str | None:
    """The same, and None when nobody says."""
    return next((url for name in _database_names(service) if (url := known(name))), None)


def service_database_url(service: str) -> str:
    """The database of a service, for its own role; ends the command with status 2 when nobody says."""
    name = f"{service.upper()}_DATABASE_URL"
    url = known(name)
    if not url:
        raise unreachable(f"{name} stands neither in the environment nor in {env_file()}")
    return url


def known(name: str) -> str | None:
    """A variable: from the environment, else from the env file of the stack; None when nobody says."""
    file = env_file()
    return os.environ.get(name) or (dotenv_values(file).get(name) if file.exists() else None)


def _database_names(service: str) -> list[str]:
    return [f"{service.upper()}_{role}DATABASE_URL" for role in ("ERASURE_", "")]


def _told(name: str) -> str:
    url = _read(name)
    if url is None:
        raise unreachable(f"{name.upper()} stands neither in the environment nor in {env_file()}")
    return url


def _read(name: str) -> str | None:
    file = env_file()
    try:
        value: SecretStr | None = getattr(Address(_env_file=file), name)
    except ValidationError as error:
        for one in error.errors(include_input=False):
            typer.echo(f"{str(one['loc'][0]).upper()} is wrong: {one['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(2) from error
    return None if value is None else value.get_secret_value()


def env_file() -> Path:
    """The env file of the stack: in STACK_DIR, else in `.stack` of this folder."""
    return Path(os.environ.get("STACK_DIR", ".stack")) / "env"


def unreachable(reason: str) -> typer.Exit:
    """Say why the system cannot be asked; raise what this returns."""
    typer.echo(f"{reason}; {WHERE}", err=True)
    return typer.Exit(2)


def signed_out(reason: str) -> typer.Exit:
    """Say why the window does not let this in; raise what this returns."""
    typer.echo(f"{reason}; run  export WINDOW_TOKEN=$(make -s token USER=me SCOPE=operator)", err=True)
    return typer.Exit(2)
