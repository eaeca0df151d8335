"""The roles of a service's database: who may connect to it, how many times at once, and for how long keep it busy."""

from collections.abc import Callable, Collection, Iterator

from stack.credentials import ROLES, role

MAX_CONNECTIONS = 400
"""Of the server; enough for five services"""
CONNECTIONS = {"owner": 20, "retention": 5, "erasure": 2}
SERVICE_CONNECTIONS = 60
"""Of all processes of a service together; one takes 18 at most"""
SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    # A role cannot raise this one for itself.
    "temp_file_limit": "256MB",
}
"""Of every role but the owner, whose migrations may take long"""


def roles_of(service: str) -> list[str]:
    """The service's own role, and the others of its database."""
    return [service, *(role(service, kind) for kind in ROLES)]


def create_roles(service: str, password: Callable[[str], str], existing: Collection[str] = ()) -> Iterator[str]:
    """The statements that make the roles of a service, or bring those that exist up to date."""
    for name in roles_of(service):
        limit = CONNECTIONS.get(name.removeprefix(f"{service}_"), SERVICE_CONNECTIONS)
        verb = "ALTER" if name in existing else "CREATE"
        yield f"{verb} ROLE \"{name}\" LOGIN CONNECTION LIMIT {limit} PASSWORD '{password(name)}'"
        if name != role(service, "owner"):
            yield from (f"ALTER ROLE \"{name}\" SET {setting} = '{value}'" for setting, value in SETTINGS.items())


def create_database(service: str) -> str:
    """The statement that makes the database of a service."""
    return f'CREATE DATABASE "{service}" OWNER "{role(service, "owner")}"'


def let_in(service: str) -> Iterator[str]:
    """The statements that let the roles of a service into its database, and nobody else."""
    yield f'REVOKE ALL ON DATABASE "{service}" FROM PUBLIC'
    for name in roles_of(service):
        yield f'GRANT CONNECT ON DATABASE "{service}" TO "{name}"'
