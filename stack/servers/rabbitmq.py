"""A private node of the machine's RabbitMQ: own ports, data, users and plugins."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aio_pika
from aio_pika.exceptions import DeliveryError
from pamqp.common import FieldTable

from chassis.choreography.rights import MAX_CHANNELS, MAX_MESSAGE_BYTES
from stack.credentials import ADMIN, Credentials
from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.ports import Ports
from stack.program import Once, Program
from stack.progress import Progress
from stack.servers import definitions
from stack.servers.packages import install
from stack.servers.tls import Authority
from stack.services import Told
from stack.size import numbered

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_PROBE = "probe"
_CONFIRMED_WITHIN = 5.0

_PLAIN = "listeners.tcp.1 = 127.0.0.1:{amqp}"
_ENCRYPTED = """\
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:{amqp}
ssl_options.cacertfile = {authority}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false"""
_CONFIG = """\
{listeners}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
# Enough for what is on its way to the disk when the alarm comes: the write-ahead log twice, and as much in segments.
disk_free_limit.absolute = 256MB
max_message_size = {message_bytes}
channel_max = {channels}
# It is kept in memory too; the default of 512 MB would be most of what the node uses.
raft.wal_max_size_bytes = 67108864
log.console = true
log.console.level = info
log.file = false
"""
_DEFINITIONS = "load_definitions = {file}\n"
_CLUSTER = """\
{peers}
cluster_formation.peer_discovery_backend = classic_config
# A node that sees no majority stops serving, instead of saying other things than the majority does.
cluster_partition_handling = pause_minority
# Seconds until a node that says nothing any more is taken for lost; a quarter more or less.
net_ticktime = 15
queue_leader_locator = balanced
"""

# Erlang: the tracing plugin has no keys in the format of rabbitmq.conf.
_ADVANCED = """\
[{{rabbitmq_tracing, [
    {{directory, "{folder}/traces"}},
    {{username, <<"{user}">>}},
    {{password, <<"{password}">>}}
]}}].
"""


def ensure_installed(directory: Directory, progress: Progress) -> None:
    """Find RabbitMQ on this machine, else install it."""
    if not _SERVER.exists():
        install("rabbitmq-server", directory.log("apt"), progress)
    if not _SERVER.exists():
        raise StackError(f"rabbitmq-server is installed, but there is no {_SERVER}")


@dataclass(frozen=True)
class Node:
    """The broker of one stack, with one user per service besides the administrator."""

    directory: Directory
    ports: Ports | Mapping[str, int]
    credentials: Credentials
    services: tuple[Told, ...]
    authority: Authority | None = None
    """Signs the certificate of the node, if it speaks TLS"""
    number: int = 1
    nodes: int = 1
    """How many there are"""

    @property
    def name(self) -> str:
        """What its process is called."""
        return self._one_of_several("rabbitmq")

    @property
    def names(self) -> list[str]:
        """What the processes of the broker are called, if this is the only one."""
        return [self.name]

    @property
    def folder(self) -> Path:
        """Where all files of the node lie."""
        return self.directory.path / ("rabbitmq" if self.number == 1 else self.name)

    @property
    def has_data(self) -> bool:
        """Whether it was started before."""
        return (self.folder / "data").exists()

    @property
    def management_url(self) -> str:
        """The administrator's URL of the HTTP API and the UI."""
        return f"http://{ADMIN}:{self.credentials.admin}@{self.address('management')}"

    def address(self, what: str = "rabbitmq") -> str:
        """Where it listens for AMQP, or for something else."""
        return f"127.0.0.1:{self.port(what)}"

    def port(self, what: str) -> int:
        """The port on which it listens for AMQP, or for something else."""
        return self.ports[self._one_of_several(what)]

    def _one_of_several(self, name: str) -> str:
        return name if self.nodes == 1 else numbered(name, self.number)

    def url(self, user: str = ADMIN, vhost: str = "") -> str:
        """The AMQP URL of a user."""
        return self._url(f"{user}:{self.credentials.broker_password(user)}", vhost)

    def url_without_password(self, user: str) -> str:
        """The AMQP URL of a user whose password is in a file."""
        return self._url(user)

    def _url(self, login: str, vhost: str = "") -> str:
        scheme, query = ("amqps", f"?cafile={self.authority.file}") if self.authority else ("amqp", "")
        return f"{scheme}://{login}@{self.address()}/{vhost}{query}"

    def programs(self) -> list[Program]:
        """The node, and what it needs."""
        return [mapper(self.ports["epmd"]), self.program()]

    def onces(self) -> list[Once]:
        """Nothing is to be done."""
        return []

    def program(self, after: tuple[str, ...] = (), peers: Sequence[int] = ()) -> Program:
        """The node as a process, started after these programs, and joining one of these nodes if it has no data."""
        return Program(
            name=self.name,
            command=[str(_SERVER)],
            environment=self._environment(),
            port=self.port("rabbitmq"),
            probe=self.url(),
            needs=("epmd", *after),
            before=partial(self.write_files, peers),
            healthy=self._confirms,
            patience=30,
        )

    async def _confirms(self) -> bool:
        """Say whether the node takes messages: after its disk was full it may live, listen, and refuse each of them.

        Asked in a virtual host of its own. One that does not answer at all may be busy, frozen or held up by an alarm.
        """
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN), await aio_pika.connect(self.url(vhost=_PROBE)) as connection:
                channel = await connection.channel()
                arguments: FieldTable = {"x-queue-type": "quorum", "x-max-length": 1}
                await channel.declare_queue(_PROBE, durable=True, arguments=arguments)
                await channel.default_exchange.publish(aio_pika.Message(b""), _PROBE)
        except DeliveryError:
            return False
        except Exception:  # noqa: BLE001 - it was no answer, hence no refusal
            return True
        return True

    def _environment(self) -> dict[str, str]:
        return _clean_environment() | {
            "HOME": str(self.folder),
            # The start script then becomes the node, instead of waiting beside it.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Keeps the machine's own /etc/rabbitmq out.
            "RABBITMQ_CONF_ENV_FILE": f"{self.folder}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{self.folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/data",
            "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": node_name(self.number),
            "RABBITMQ_DIST_PORT": str(self.port("distribution")),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # For tests that put something between the nodes.
            "ERL_EPMD_PORT": os.environ.get(f"RABBITMQ_{self.number}_EPMD_VIA") or str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def for_tools(self) -> dict[str, str]:
        """What the command line tools have to be told to find the node, and to be let in."""
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": node_name(self.number),
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
        }

    async def write_files(self, peers: Sequence[int]) -> None:
        """Write what the node reads; it joins one of its peers if it has no data."""
        folder = self.folder
        (folder / "traces").mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(
            listeners=self._listeners(),
            management=self.port("management"),
            folder=folder,
            message_bytes=MAX_MESSAGE_BYTES,
            channels=MAX_CHANNELS,
        )
        advanced = _ADVANCED.format(folder=folder, user=ADMIN, password=self.credentials.admin)
        write_private(folder / ".erlang.cookie", self.credentials.erlang_cookie)
        write_private(folder / "rabbitmq-env.conf", "")
        write_private(folder / "rabbitmq.conf", config + self._more(peers))
        write_private(folder / "advanced.config", advanced)
        write_private(folder / "enabled_plugins", "[rabbitmq_management,rabbitmq_tracing].\n")
        write_definitions(self.directory, self.services, self.credentials)

    def _more(self, peers: Sequence[int]) -> str:
        # What one node imports, all of them have.
        imports = _DEFINITIONS.format(file=definitions_file(self.directory)) if self.number == 1 else ""
        names = [f"cluster_formation.classic_config.nodes.{peer} = {node_name(peer)}" for peer in peers]
        return imports + (_CLUSTER.format(peers="\n".join(names)) if peers else "")

    def _listeners(self) -> str:
        if self.authority is None:
            return _PLAIN.format(amqp=self.port("rabbitmq"))
        files = self.authority.of("rabbitmq")
        return _ENCRYPTED.format(
            amqp=self.port("rabbitmq"),
            authority=self.authority.file,
            certificate=files.certificate,
            key=files.key,
        )


def mapper(port: int) -> Program:
    """The Erlang port mapper of a stack, which a node would otherwise start and leave behind."""
    return Program(
        name="epmd",
        command=[shutil.which("epmd") or "epmd", "-port", str(port), "-address", "127.0.0.1"],
        environment=_clean_environment(),
        port=port,
        probe=f"tcp://127.0.0.1:{port}",
    )


def node_name(number: int) -> str:
    """What the nodes of a stack call each other; the first is called the same when it is alone."""
    return "concert@localhost" if number == 1 else f"concert-{number}@localhost"


def definitions_file(directory: Directory) -> Path:
    """What the node of a stack loads each time that it starts."""
    return directory.path / "rabbitmq" / "definitions.json"


def write_definitions(directory: Directory, services: Sequence[Told], credentials: Credentials) -> None:
    """Write what the node of a stack loads each time that it starts."""
    document = definitions.definitions(services, credentials.broker_password, [_PROBE])
    write_private(definitions_file(directory), json.dumps(document, indent=2))


def _clean_environment() -> dict[str, str]:
    # Settings of another node in the caller's environment are not meant for this one.
    return {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
