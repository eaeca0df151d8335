"""The roles of a service's database: who may connect to it, how many times at once, and for how long keep it busy."""

from collections.abc import Callable, Collection, Iterator

from stack.credentials import ROLES, role
from stack.size import USUAL_REPLICAS

MAX_CONNECTIONS = 450
"""Of the server; enough for five services and the window, in their usual number"""
CONNECTIONS = {"owner": 20, "erasure": 2}
SERVICE_CONNECTIONS = 60
"""Of all processes of a service together, up to three; one takes 18 at most"""
_MORE_CONNECTIONS = 20
"""For each process of a service beyond those"""
SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    # A role cannot raise this one for itself.
    "temp_file_limit": "256MB",
}
"""Of every role but the owner, whose migrations may take long"""


CLOSED = """DO $$
DECLARE closed regprocedure;
BEGIN
    FOR closed IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(pg_(try_)?advisory_lock|lo_|lo(read|write)$)'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', closed);
    END LOOP;
END $$"""
"""Takes from everybody what no service needs, in the database where it is run.

A lock of a session outlives its transaction. Large objects are rows of a table that belongs to nobody.
"""


def roles_of(service: str) -> list[str]:
    """The service's own role, and the others that may enter its database."""
    return [service, *(role(service, kind) for kind in ROLES)]


def retention_of(service: str) -> str:
    """The role that old rows go under: nobody is it, and the owner makes its functions."""
    return role(service, "retention")


def more_connections(replicas: int) -> int:
    """How many more connections than usual the processes of a service may need, if there are so many."""
    return max(0, replicas - USUAL_REPLICAS) * _MORE_CONNECTIONS


def create_roles(
    service: str, password: Callable[[str], str], existing: Collection[str] = (), replicas: int = 1
) -> Iterator[str]:
    """The statements that make the roles of a service, or bring those that exist up to date."""
    usual = SERVICE_CONNECTIONS + more_connections(replicas)
    for name in roles_of(service):
        limit = CONNECTIONS.get(name.removeprefix(f"{service}_"), usual)
        verb = "ALTER" if name in existing else "CREATE"
        yield f"{verb} ROLE \"{name}\" LOGIN CONNECTION LIMIT {limit} PASSWORD '{password(name)}'"
        if name != role(service, "owner"):
            yield from (f"ALTER ROLE \"{name}\" SET {setting} = '{value}'" for setting, value in SETTINGS.items())
    retention = retention_of(service)
    yield f'{"ALTER" if retention in existing else "CREATE"} ROLE "{retention}" NOLOGIN PASSWORD NULL'
    yield f'GRANT "{retention}" TO "{role(service, "owner")}"'


def create_database(service: str) -> str:
    """The statement that makes the database of a service."""
    return f'CREATE DATABASE "{service}" OWNER "{role(service, "owner")}"'


def let_in(service: str) -> Iterator[str]:
    """The statements that let the roles of a service into its database, and nobody else."""
    yield f'REVOKE ALL ON DATABASE "{service}" FROM PUBLIC'
    for name in roles_of(service):
        yield f'GRANT CONNECT ON DATABASE "{service}" TO "{name}"'
