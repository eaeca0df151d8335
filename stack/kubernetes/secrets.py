"""Secrets: the names of those that manifests refer to, and where a pod finds what is in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stack.credentials import ROLES, role

SCALER = "keda"
"""The broker user that counts messages for KEDA"""
BROKER_CA, BROKER_TLS = "rabbitmq-ca", "rabbitmq-tls"
MONITOR = "monitor-token"
PLATFORM = "platform"
"""The Secret with the secrets of deliveries, and the ConfigMap with the address that they go to"""
TOKEN_KEYS = "token-keys"  # noqa: S105  # the name of a ConfigMap with public keys
MOUNTS = "/run/concert-seats"


def broker_secret(user: str) -> str:
    """The Secret of a broker user: `username` and `password`."""
    return f"{user}-broker"


def database_secret(service: str, kind: str = "") -> str:
    """The Secret of a role of a service's database: `username` and `password`."""
    return f"{service}-database{kind and f'-{kind}'}"


def database_secrets(service: str) -> Iterator[tuple[str, str]]:
    """Each role of a database that may log in, and its Secret."""
    yield service, database_secret(service)
    yield from ((role(service, kind), database_secret(service, kind)) for kind in ROLES)


@dataclass(frozen=True)
class Mount:
    """One key of a Secret or ConfigMap, as a file that follows it when it changes."""

    name: str
    source: str
    key: str
    is_secret: bool = True

    @property
    def folder(self) -> str:
        """Where it is mounted, without `subPath`: such a file would never change."""
        return f"{MOUNTS}/{self.name}"

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.folder}/{self.key}"

    @property
    def volume(self) -> dict[str, Any]:
        """The volume of the pod: that key alone, for its group alone."""
        chosen = {"items": [{"key": self.key, "path": self.key}], "defaultMode": 0o440}
        if self.is_secret:
            return {"name": self.name, "secret": {"secretName": self.source, **chosen}}
        return {"name": self.name, "configMap": {"name": self.source, **chosen}}

    @property
    def mount(self) -> dict[str, Any]:
        """The same, in the container."""
        return {"name": self.name, "mountPath": self.folder, "readOnly": True}


def token_keys() -> Mount:
    """The public keys of the bearer tokens."""
    return Mount("token-keys", TOKEN_KEYS, "jwks.json", is_secret=False)


def broker_password(user: str) -> Mount:
    """The password of a broker user."""
    return Mount("broker-password", broker_secret(user), "password")


def broker_ca() -> Mount:
    """What the broker's certificate is checked with."""
    return Mount("broker-ca", BROKER_CA, "ca.crt")


def database_ca(service: str) -> Mount:
    """What the certificate of a service's database is checked with; its operator makes it."""
    return Mount("database-ca", f"{service}-db-ca", "ca.crt")


def platform_secret() -> Mount:
    """The secrets that sign deliveries."""
    return Mount("platform", PLATFORM, "secret")
