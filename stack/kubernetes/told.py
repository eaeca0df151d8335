"""Told: the environment of each process, from the names of its settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis.settings import ServiceSettings
from stack.credentials import role
from stack.kubernetes.manifest import PORT
from stack.kubernetes.secrets import (
    PLATFORM,
    Mount,
    broker_ca,
    broker_password,
    database_ca,
    database_secret,
    platform_secret,
    token_keys,
)
from stack.services import GENEROUS, WINDOW, Told

_PASSWORD, _OWNERS_PASSWORD = "DATABASE_PASSWORD", "OWNER_PASSWORD"  # names of variables
STATED = ("shutdown_seconds", "database_pool", "request_pool", "max_batch")
"""Settings whose values manifests count on, and therefore state"""


@dataclass(frozen=True)
class Environment:
    """What a container is told, and the files that it is told of."""

    variables: list[dict[str, Any]]
    mounts: list[Mount] = field(default_factory=list)


def default(setting: str) -> Any:
    """The value of a setting of every service, when nobody sets it."""
    return ServiceSettings.model_fields[setting].default


def of_service(service: Told) -> Environment:
    """The environment of a service.

    Behind a gateway everybody comes from one address, so addresses are not limited; users are.
    """
    name = service.name
    password = broker_password(name)
    offers = {
        "host": "0.0.0.0",  # noqa: S104  # in a pod, whose ports a NetworkPolicy guards
        "port": str(PORT),
        "database_url": _database_url(name, name, _PASSWORD),
        "rabbitmq_url": _broker_url(name),
        "rabbitmq_password_file": password.path,
        "platform_secret_file": platform_secret().path,
        "address_requests": GENEROUS["address_requests"],
        "address_connections": GENEROUS["address_connections"],
        "max_connections": GENEROUS["max_connections"],
        **{setting: str(default(setting)) for setting in STATED},
    }
    taken = service.takes(offers) | {"TOKEN_KEYS": token_keys().path}
    outside = [_from_map(f"{name.upper()}_PLATFORM_URL", PLATFORM, "url")] if "platform_url" in service.settings else []
    mounts = [token_keys(), password, broker_ca(), database_ca(name)]
    if "platform_secret_file" in service.settings:
        mounts.append(platform_secret())
    return Environment([_from_secret(_PASSWORD, database_secret(name)), *_values(taken), *outside], mounts)


def of_window(services: Sequence[Told]) -> Environment:
    """The environment of the window."""
    password = broker_password(WINDOW)
    settings = {
        "HOST": "0.0.0.0",  # noqa: S104  # as above
        "PORT": str(PORT),
        "DATABASE_URL": _database_url(WINDOW, WINDOW, _PASSWORD),
        "RABBITMQ_URL": _broker_url(WINDOW),
        "RABBITMQ_PASSWORD_FILE": password.path,
        "MANAGEMENT_URL": "https://rabbitmq:15671",
        "MANAGEMENT_CA_FILE": broker_ca().path,
        "SERVICES": json.dumps({service.name: f"http://{service.name}:{PORT}" for service in services}),
        "ADDRESS_REQUESTS": GENEROUS["address_requests"],
        "ADDRESS_CONNECTIONS": GENEROUS["address_connections"],
        "MAX_CONNECTIONS": GENEROUS["max_connections"],
    }
    told = {f"{WINDOW.upper()}_{name}": value for name, value in settings.items()}
    mounts = [token_keys(), password, broker_ca(), database_ca(WINDOW)]
    taken = told | {"TOKEN_KEYS": token_keys().path}
    return Environment([_from_secret(_PASSWORD, database_secret(WINDOW)), *_values(taken)], mounts)


def of_migration(name: str, process: Environment) -> Environment:
    """The environment of what migrates a database: that of its process, and the owner's password."""
    url = _database_url(role(name, "owner"), name, _OWNERS_PASSWORD)
    owner = [
        _from_secret(_OWNERS_PASSWORD, database_secret(name, "owner")),
        {"name": f"{name.upper()}_MIGRATION_URL", "value": url},
    ]
    return Environment([*process.variables, *owner], process.mounts)


def _database_url(user: str, service: str, variable: str) -> str:
    """The address of a database; Kubernetes puts the password in the place of its variable."""
    checked = f"sslmode=verify-full&sslrootcert={database_ca(service).path}"
    return f"postgresql://{user}:$({variable})@{service}-db-rw:5432/{service}?{checked}"


def _broker_url(user: str) -> str:
    return f"amqps://{user}@rabbitmq:5671/?cafile={broker_ca().path}"


def _values(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def _from_secret(variable: str, secret: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}}


def _from_map(variable: str, name: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}
