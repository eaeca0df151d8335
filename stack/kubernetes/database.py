"""Database: a CloudNativePG cluster for each service, with roles and two standbys, one of which has every commit.

The roles are made with the cluster, because the database lets them in by name; their passwords and limits are managed.
"""

from collections.abc import Iterator
from typing import Any

from stack.credentials import role
from stack.kubernetes.manifest import Manifest, manifest
from stack.kubernetes.secrets import database_secret, database_secrets
from stack.kubernetes.told import default
from stack.kubernetes.workloads import MAX_REPLICAS, SURGE
from stack.servers.roles import CLOSED, CONNECTIONS, SETTINGS, let_in, retention_of, roles_of

API = "postgresql.cnpg.io/v1"
INSTANCES = 3
IMAGE = "ghcr.io/cloudnative-pg/postgresql:17"
RESERVED = 20
"""Connections for the operator, for its instance managers and for people"""


def of_service(name: str, replicas: int = MAX_REPLICAS) -> Manifest:
    """The database of a service, or of the window."""
    owner = role(name, "owner")
    spec = {
        "instances": INSTANCES,
        "imageName": IMAGE,
        "primaryUpdateStrategy": "unsupervised",
        "primaryUpdateMethod": "switchover",
        "enableSuperuserAccess": False,
        "bootstrap": {
            "initdb": {
                "database": name,
                "owner": owner,
                "secret": {"name": database_secret(name, "owner")},
                "encoding": "UTF8",
                "localeCollate": "C",
                "localeCType": "C",
                "dataChecksums": True,
                "postInitSQL": list(_made_at_first(name)),
                "postInitApplicationSQL": [*let_in(name), CLOSED],
            }
        },
        "managed": {"roles": list(_managed(name, replicas))},
        "postgresql": {
            "parameters": _parameters(replicas),
            "pg_hba": list(_rules(name)),
            # A commit is on a standby before it is acknowledged; without one, writes wait.
            "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
        },
        "storage": {"size": "20Gi"},
        "walStorage": {"size": "10Gi"},
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "preferred",
            "topologyKey": "kubernetes.io/hostname",
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"cnpg.io/cluster": f"{name}-db"}},
            }
        ],
    }
    return manifest(API, "Cluster", f"{name}-db", spec=spec)


def connections(replicas: int) -> int:
    """How many connections the role of a service needs while it is upgraded with so many replicas."""
    return (replicas + SURGE) * (int(default("database_pool")) + int(default("request_pool")))


def _parameters(replicas: int) -> dict[str, str]:
    most = connections(replicas) + sum(CONNECTIONS.values()) + RESERVED
    return {"max_connections": str(most), "idle_in_transaction_session_timeout": "60s"}


def _made_at_first(service: str) -> Iterator[str]:
    """The statements that make the roles, as the superuser, before there is a database for them; the owner is there."""
    owner, retention = role(service, "owner"), retention_of(service)
    yield f'ALTER ROLE "{owner}" CONNECTION LIMIT {CONNECTIONS["owner"]}'
    for name in roles_of(service):
        if name != owner:
            yield f'CREATE ROLE "{name}" NOLOGIN'
            yield from (f"ALTER ROLE \"{name}\" SET {setting} = '{value}'" for setting, value in SETTINGS.items())
    yield f'CREATE ROLE "{retention}" NOLOGIN'
    yield f'GRANT "{retention}" TO "{owner}"'


def _managed(service: str, replicas: int) -> Iterator[dict[str, Any]]:
    """The roles that log in, but for the owner, whose password comes from where the database does."""
    for name, secret in database_secrets(service):
        if name != role(service, "owner"):
            most = CONNECTIONS.get(name.removeprefix(f"{service}_"), connections(replicas))
            yield {
                "name": name,
                "ensure": "present",
                "login": True,
                "connectionLimit": most,
                "passwordSecret": {"name": secret},
            }


def _rules(service: str) -> Iterator[str]:
    """Its own roles, with TLS and a password; the operator's own rules come before these, and nothing after."""
    yield from (f"hostssl {service} {name} all scram-sha-256" for name in roles_of(service))
    yield "host all all all reject"
