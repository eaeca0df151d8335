"""Where a running `docker compose up` is reached: what `make up` writes to its env file, asked of the containers."""

import json
import os
import shutil
import subprocess
from urllib.parse import urlsplit

from stack.credentials import ADMIN
from stack.directory import ROOT, Directory
from stack.errors import StackError
from stack.run.targets import write_targets
from stack.services import EACH, PROCESSES, WINDOW
from stack.signing import SigningKey
from stack.tokens import with_operator

_DEFINITIONS = ROOT / "stack" / "compose" / "rabbitmq" / "definitions.json"
_HTTP = 8000


def describe(directory: Directory) -> None:
    """Write the env file of the containers, for every command to find them.

    Raises `StackError` if they do not run, or if a stack of `make up` runs that the file is about.
    """
    if directory.is_supervised:
        raise StackError(
            f"{directory.env_file} is about the stack that runs there: run  make down  first, "
            "or name another folder with STACK_DIR"
        )
    environment = _environment()
    directory.create()
    directory.describe(with_operator(environment))
    write_targets(directory, {one.name: [urlsplit(environment[f"{one.name.upper()}_URL"]).port or 0] for one in EACH})


def _environment() -> dict[str, str]:
    urls = {f"{one.name.upper()}_URL": f"http://{_address('balancer', one.port)}" for one in EACH}
    urls |= {f"{name.upper()}_URL": f"http://{_address(name, _HTTP)}" for name in ("platform", WINDOW)}
    databases = {name: url for service in PROCESSES for name, url in _databases(service).items()}
    user = f"{ADMIN}:{_admin_password()}"
    return {
        **urls,
        **databases,
        **{f"{service.upper()}_RABBITMQ_URL": _broker_url(service) for service in PROCESSES},
        "RABBITMQ_URL": f"amqp://{user}@{_address('rabbitmq', 5672)}/",
        "RABBITMQ_MANAGEMENT_URL": f"http://{user}@{_address('rabbitmq', 15672)}",
        "TOKEN_KEYS": _variable(EACH[0].package, "TOKEN_KEYS"),
        "TOKEN_SIGNING_KEY": os.environ.get("TOKEN_SIGNING_KEY") or SigningKey.for_development().text,
    }


def _databases(service: str) -> dict[str, str]:
    """The database of a service for its role, and for the owner, who stands in for who erases."""
    prefix = service.upper()
    migration = json.loads(_compose("config", "--format", "json"))["services"][f"{service}-migrate"]
    owner_url = _from_outside(migration["environment"][f"{prefix}_MIGRATION_URL"], "postgres", 5432)
    return {
        f"{prefix}_DATABASE_URL": _outside(service, "DATABASE_URL", "postgres", 5432),
        f"{prefix}_OWNER_DATABASE_URL": owner_url,
        f"{prefix}_ERASURE_DATABASE_URL": owner_url,
    }


def _broker_url(service: str) -> str:
    return _outside(service, "RABBITMQ_URL", "rabbitmq", 5672)


def _outside(service: str, setting: str, container: str, port: int) -> str:
    """The address that a service is given, as it is from outside of the containers."""
    return _from_outside(
        _variable(service if service == WINDOW else f"{service}_svc", f"{service.upper()}_{setting}"), container, port
    )


def _from_outside(url: str, container: str, port: int) -> str:
    inside = urlsplit(url)
    user = inside.netloc.rpartition("@")[0]
    return inside._replace(netloc=f"{user}@{_address(container, port)}").geturl()


def _admin_password() -> str:
    users = json.loads(_DEFINITIONS.read_text())["users"]
    return str(next(user["password"] for user in users if user["name"] == ADMIN))


def _address(container: str, port: int) -> str:
    return _compose("port", container, str(port))


def _variable(container: str, name: str) -> str:
    return _compose("exec", "-T", container, "printenv", name)


def _compose(*arguments: str) -> str:
    command = [shutil.which("docker") or "docker", "compose", *arguments]
    try:
        answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    except OSError as error:
        raise StackError(f"docker compose cannot be run: {error}") from error
    except subprocess.CalledProcessError as error:
        text = error.stderr.strip()
        raise StackError(f"{text}\nDoes it run?  docker compose up --build --wait") from error
    return answer.stdout.strip()
