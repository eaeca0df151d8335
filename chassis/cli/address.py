"""Address: where the running system is, told to every command in the same way."""

import os
from pathlib import Path

import typer
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

WHERE = "is the stack up? run  make up  (or `docker compose up`, then  make compose-env)"


class Address(BaseSettings):
    """The broker's addresses, with credentials: from the environment, else from the env file of the stack."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    rabbitmq_url: SecretStr
    rabbitmq_management_url: SecretStr


def address() -> Address:
    """Where the broker is; ends the command with status 2 and a sentence when nobody says."""
    file = env_file()
    try:
        return Address(_env_file=file)
    except ValidationError as error:
        missing = ", ".join(str(one["loc"][0]).upper() for one in error.errors())
        raise unreachable(f"{missing} stands neither in the environment nor in {file}") from error


def env_file() -> Path:
    """The env file of the stack: in STACK_DIR, else in `.stack` of this folder."""
    return Path(os.environ.get("STACK_DIR", ".stack")) / "env"


def unreachable(reason: str) -> typer.Exit:
    """Say why the system cannot be asked; raise what this returns."""
    typer.echo(f"{reason}; {WHERE}", err=True)
    return typer.Exit(2)
