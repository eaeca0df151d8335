"""`python -m stack.compose_env FILE`: the env file of a running `docker compose up`, as `make up` writes its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from stack.credentials import ADMIN
from stack.directory import ROOT, write_private
from stack.errors import StackError
from stack.services import EACH, SERVICES

_DEFINITIONS = ROOT / "stack" / "compose" / "rabbitmq" / "definitions.json"
_HTTP = 8000


def environment() -> dict[str, str]:
    """URLs as they are on this machine, and the token secret, asked of the containers.

    Raises `StackError` if they do not run.
    """
    names = [*(service.package for service in EACH), "platform"]
    urls = {f"{name.removesuffix('_svc').upper()}_URL": f"http://{_address(name, _HTTP)}" for name in names}
    databases = {f"{service.upper()}_DATABASE_URL": _database_url(service) for service in SERVICES}
    user = f"{ADMIN}:{_admin_password()}"
    return {
        **urls,
        **databases,
        "RABBITMQ_URL": f"amqp://{user}@{_address('rabbitmq', 5672)}/",
        "RABBITMQ_MANAGEMENT_URL": f"http://{user}@{_address('rabbitmq', 15672)}",
        "TOKEN_SECRET": _variable(EACH[0].package, "TOKEN_SECRET"),
    }


def _database_url(service: str) -> str:
    inside = urlsplit(_variable(f"{service}_svc", f"{service.upper()}_DATABASE_URL"))
    user = inside.netloc.rpartition("@")[0]
    return inside._replace(netloc=f"{user}@{_address('postgres', 5432)}").geturl()


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


def main() -> None:
    """Write the file that is named on the command line."""
    file = Path(sys.argv[1])
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        lines = (f"{name}={value}\n" for name, value in environment().items())
        write_private(file, "".join(lines))
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
