"""The files from which services read their passwords each time they connect, so that those can change meanwhile."""

from pathlib import Path

from stack.credentials import Credentials
from stack.directory import Directory, write_private


class HandedOut:
    """The files of one stack, one folder for each service."""

    def __init__(self, directory: Directory) -> None:
        self._folder = directory.path / "secrets"

    def database(self, service: str) -> Path:
        """The password of a service's role, as libpq reads it (PostgreSQL documentation, "The Password File")."""
        return self._folder / service / "pgpass"

    def broker(self, service: str) -> Path:
        """The password of a service's broker user."""
        return self._folder / service / "rabbitmq"

    def webhooks(self, program: str) -> Path:
        """The secrets of deliveries, for who signs them or for who checks them."""
        return self._folder / program / "webhooks"

    def write_database(self, service: str, credentials: Credentials) -> None:
        """Hand out the password of a service's role. Those of the others are none of its business."""
        self._write(self.database(service), f"*:*:*:{service}:{credentials.password(service)}\n")

    def write_broker(self, service: str, credentials: Credentials) -> None:
        """Hand out the password of a service's broker user."""
        self._write(self.broker(service), credentials.broker_password(service))

    def write_webhooks(self, program: str, *secrets: str) -> None:
        """Hand out the secrets of deliveries."""
        self._write(self.webhooks(program), "\n".join(secrets))

    def _write(self, file: Path, text: str) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, text)
