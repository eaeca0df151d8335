"""A private PostgreSQL with one database and role per service."""

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import asyncpg

from stack.credentials import ADMIN, Credentials, role
from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.ports import Ports
from stack.program import Once, Program
from stack.servers.binaries import binaries, clean_environment, own, privileges
from stack.servers.packages import tail
from stack.servers.roles import CLOSED, MAX_CONNECTIONS, create_database, create_roles, let_in, more_connections
from stack.servers.tls import Authority
from stack.services import PROCESSES

_RULES = """\
# Whoever comes, from here, with a password.
{rule} all all 127.0.0.1/32 scram-sha-256
{rule} replication all 127.0.0.1/32 scram-sha-256
"""
Before = Callable[[], Awaitable[object]]
NONE: Mapping[str, object] = MappingProxyType({})
_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1"


@dataclass(frozen=True)
class Server:
    """The database server of one stack, with the databases of `services`."""

    directory: Directory
    ports: Ports | Mapping[str, int]
    credentials: Credentials
    services: tuple[str, ...]
    authority: Authority | None = None
    """Signs the certificate of the server, if it speaks TLS"""
    replicas: int = 1
    """How many processes of each service there are"""
    name: str = "postgres"
    """What its process is called"""
    place: str = "postgres"
    """Under what it has its port and its folder"""

    @property
    def folder(self) -> Path:
        """Where all files of the server lie."""
        return self.directory.path / self.place

    @property
    def data(self) -> Path:
        """The data alone."""
        return self.folder / "data"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.ports[self.place]

    @property
    def address(self) -> str:
        """The same, with the host."""
        return f"127.0.0.1:{self.port}"

    @property
    def names(self) -> list[str]:
        """What has to be ready for whoever needs databases."""
        return [self.name]

    @property
    def processes(self) -> list[str]:
        """What the processes are called."""
        return [self.name]

    def onces(self) -> list[Once]:
        """Nothing is to be done."""
        return []

    def programs(self) -> list[Program]:
        """The server."""
        return [self.program()]

    def url(self, user: str = ADMIN, database: str = "postgres") -> str:
        """The URL of a database for a role."""
        return self._url(f"{user}:{Credentials.of(self.directory).password(user)}", database)

    def url_without_password(self, user: str, database: str, passwords: Path) -> str:
        """The same for a role whose password is in a file."""
        return self._url(user, database, f"passfile={passwords}")

    def _url(self, login: str, database: str, *options: str) -> str:
        checked = [f"sslmode=verify-full&sslrootcert={self.authority.file}"] if self.authority else []
        query = "&".join([*options, *checked])
        return f"postgresql://{login}@{self.address}/{database}{'?' if query else ''}{query}"

    def program(
        self, before: Before | None = None, settings: Mapping[str, object] = NONE, needs: tuple[str, ...] = ()
    ) -> Program:
        """The server as a process that stays in the foreground."""
        return Program(
            name=self.name,
            command=[str(self.bin("postgres")), "-D", str(self.data), *self._settings(settings)],
            environment=clean_environment(),
            port=self.port,
            probe=self.url(),
            needs=needs,
            before=before or self.prepare,
            after=self._create_databases,
            # Ends all sessions at once, writes everything down and exits.
            stop_signal=signal.SIGINT,
            privileges=privileges(),
        )

    def _settings(self, more: Mapping[str, object]) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": MAX_CONNECTIONS + len(PROCESSES) * more_connections(self.replicas),
            "idle_in_transaction_session_timeout": "60s",
            "log_line_prefix": "%m [%p] %u@%d ",
            **more,
        }
        if self.authority is not None:
            files = self.authority.of("postgres")
            settings |= {"ssl": "on", "ssl_cert_file": files.certificate, "ssl_key_file": self._own_key(files.key)}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def bin(self, name: str) -> Path:
        """A program of PostgreSQL."""
        found = binaries(tls=self.authority is not None)
        if found is None:
            raise StackError("PostgreSQL is missing")
        return found / name

    def _own_key(self, key: Path) -> Path:
        return self.folder / key.name

    async def prepare(self) -> None:
        """Make the data if there are none, and write what the server reads beside them."""
        await self._create_cluster()
        await self.prepare_files()

    async def prepare_files(self) -> None:
        """Write what the server reads beside its data; raises `StackError` where these are of another version."""
        data = self.data
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
            key = self._own_key(self.authority.of("postgres").key)
            write_private(key, self.authority.of("postgres").key.read_text())
            own(key)

    async def _understands(self, version: str) -> bool:
        """Whether the programs are of the version that made the data."""
        process = await asyncio.create_subprocess_exec(
            str(self.bin("postgres")), "--version", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return f" {version}." in said.decode()

    async def _create_cluster(self) -> None:
        if self.data.exists():
            return
        password = self.folder / "password"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(password, self.credentials.admin)
        options = ["--username", ADMIN, "--pwfile", str(password), "--auth", "scram-sha-256"]
        options += ["--encoding", "UTF8", "--locale", "C"]
        try:
            await self.fill("initdb", *options)
        finally:
            password.unlink()

    async def fill(self, program: str, *options: str) -> None:
        """Have one of PostgreSQL's programs make the data; what was there before is put aside."""
        # Made beside its place and moved there when it is whole: nobody trips over what was interrupted.
        fresh, aside = self.folder / "fresh", self.folder / "data.before"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        own(fresh)
        await self._run(program, *options, "--pgdata", str(fresh))
        if self.data.exists():
            shutil.rmtree(aside, ignore_errors=True)
            self.data.rename(aside)
        fresh.rename(self.data)

    async def _run(self, program: str, *arguments: str) -> None:
        log = self.directory.log(self.name)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *["setpriv", *privileges(), "--", str(self.bin(program)), *arguments],
                env=clean_environment(),
                stdout=output,
                stderr=output,
            )
        if await process.wait() != 0:
            raise StackError(f"{program} failed; its last lines in {log}:\n{tail(log)}")

    async def _create_databases(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url())
            try:
                if not await connection.fetchval("SELECT pg_is_in_recovery()"):
                    await self._create_missing(connection)
            finally:
                await connection.close()
        except Exception:  # noqa: BLE001 - whatever a dying server does to its client, the next try decides
            return False
        return True

    async def _create_missing(self, connection: asyncpg.Connection) -> None:
        # A standby that has to confirm it may only come when this server is ready.
        await connection.execute("SET synchronous_commit = local")
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
            await inside.execute("SET synchronous_commit = local")
            await inside.execute(CLOSED)
            if hand_over:
                await inside.execute(f'REASSIGN OWNED BY "{service}" TO "{role(service, "owner")}"')
        finally:
            await inside.close()
