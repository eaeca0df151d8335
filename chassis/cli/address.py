"""Address: where the running system is, told to every command in the same way."""

import os
from pathlib import Path

import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

WHERE = "is the stack up? run  make up  (or `docker compose up`, then  make compose-env)"


class Address(BaseSettings):
    """The broker's addresses, with credentials: from the environment, else from the env file of the stack."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    rabbitmq_url: SecretStr | None = None
    rabbitmq_management_url: SecretStr | None = None


def broker_url() -> str:
    """Where the broker speaks AMQP; ends the command with status 2 and a sentence when nobody says."""
    return _told("rabbitmq_url")


def management_url() -> str:
    """Where the broker's management API is; ends the command with status 2 and a sentence when nobody says."""
    return _told("rabbitmq_management_url")


def _told(name: str) -> str:
    file = env_file()
    url = getattr(Address(_env_file=file), name)
    if url is None:
        raise unreachable(f"{name.upper()} stands neither in the environment nor in {file}")
    return str(url.get_secret_value())


def env_file() -> Path:
    """The env file of the stack: in STACK_DIR, else in `.stack` of this folder."""
    return Path(os.environ.get("STACK_DIR", ".stack")) / "env"


def unreachable(reason: str) -> typer.Exit:
    """Say why the system cannot be asked; raise what this returns."""
    typer.echo(f"{reason}; {WHERE}", err=True)
    return typer.Exit(2)
