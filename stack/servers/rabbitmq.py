"""A private node of the machine's RabbitMQ: own ports, data, users and plugins."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aio_pika
import httpx2
from aio_pika.exceptions import DeliveryError
from pamqp.common import FieldTable

from chassis.choreography.rights import MAX_CHANNELS, MAX_MESSAGE_BYTES, USER_LIMITS, VHOST_LIMITS
from stack.credentials import ADMIN, Credentials
from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.ports import Ports
from stack.program import Program
from stack.progress import Progress
from stack.servers import definitions
from stack.servers.packages import install
from stack.servers.tls import Authority
from stack.services import WINDOW, Told

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_NODE = "concert@localhost"
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
load_definitions = {folder}/definitions.json
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
    ports: Ports
    credentials: Credentials
    services: tuple[Told, ...]
    authority: Authority | None = None
    """Signs the certificate of the node, if it speaks TLS"""

    @property
    def folder(self) -> Path:
        """Where all files of the node lie."""
        return self.directory.path / "rabbitmq"

    @property
    def management_url(self) -> str:
        """The administrator's URL of the HTTP API and the UI."""
        return f"http://{ADMIN}:{self.credentials.admin}@127.0.0.1:{self.ports['management']}"

    def url(self, user: str = ADMIN, vhost: str = "") -> str:
        """The AMQP URL of a user."""
        return self._url(f"{user}:{self.credentials.broker_password(user)}", vhost)

    def url_without_password(self, user: str) -> str:
        """The AMQP URL of a user whose password is in a file."""
        return self._url(user)

    def _url(self, login: str, vhost: str = "") -> str:
        scheme, query = ("amqps", f"?cafile={self.authority.file}") if self.authority else ("amqp", "")
        return f"{scheme}://{login}@127.0.0.1:{self.ports['rabbitmq']}/{vhost}{query}"

    def programs(self) -> list[Program]:
        """The node, and the Erlang port mapper that it would otherwise start and leave behind."""
        port = self.ports["epmd"]
        mapper = Program(
            name="epmd",
            command=[shutil.which("epmd") or "epmd", "-port", str(port), "-address", "127.0.0.1"],
            environment=_clean_environment(),
            port=port,
            probe=f"tcp://127.0.0.1:{port}",
            before=self._write_files,
        )
        broker = Program(
            name="rabbitmq",
            command=[str(_SERVER)],
            environment=self._environment(),
            port=self.ports["rabbitmq"],
            probe=self.url(),
            needs=("epmd",),
            healthy=self._confirms,
            patience=30,
        )
        return [mapper, broker]

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
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_DIST_PORT": str(self.ports["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    async def _write_files(self) -> None:
        folder = self.folder
        (folder / "traces").mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(
            listeners=self._listeners(),
            management=self.ports["management"],
            folder=folder,
            message_bytes=MAX_MESSAGE_BYTES,
            channels=MAX_CHANNELS,
        )
        advanced = _ADVANCED.format(folder=folder, user=ADMIN, password=self.credentials.admin)
        write_private(folder / ".erlang.cookie", self.credentials.erlang_cookie)
        write_private(folder / "rabbitmq-env.conf", "")
        write_private(folder / "rabbitmq.conf", config)
        write_private(folder / "advanced.config", advanced)
        write_private(folder / "enabled_plugins", "[rabbitmq_management,rabbitmq_tracing].\n")
        write_definitions(self.directory, self.services, self.credentials)

    def _listeners(self) -> str:
        if self.authority is None:
            return _PLAIN.format(amqp=self.ports["rabbitmq"])
        files = self.authority.of("rabbitmq")
        return _ENCRYPTED.format(
            amqp=self.ports["rabbitmq"],
            authority=self.authority.file,
            certificate=files.certificate,
            key=files.key,
        )


def write_definitions(directory: Directory, services: Sequence[Told], credentials: Credentials) -> None:
    """Write what the node of a stack loads each time that it starts."""
    document = definitions.definitions(services, credentials.broker_password, [_PROBE])
    write_private(directory.path / "rabbitmq" / "definitions.json", json.dumps(document, indent=2))


def _clean_environment() -> dict[str, str]:
    # Settings of another node in the caller's environment are not meant for this one.
    return {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}


@dataclass(frozen=True)
class ForeignBroker:
    """A broker that somebody else runs, named by `RABBITMQ_URL`, with its HTTP API if that is known."""

    amqp_url: str
    management_url: str
    credentials: Credentials
    services: tuple[Told, ...]

    def url(self, user: str = ADMIN) -> str:
        """The AMQP URL of a user; the one that was given, if users of our own cannot be made."""
        if user == ADMIN or not self.management_url:
            return self.amqp_url
        parts = urlsplit(self.amqp_url)
        place = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{user}:{self.credentials.broker_password(user)}@{place}").geturl()

    async def create_users(self) -> None:
        """Make one user and one policy per service through the HTTP API, or bring existing ones up to date."""
        if not self.management_url:
            return
        try:
            await self._put_users_and_policies()
        except httpx2.HTTPStatusError as error:
            # Without the URL: the password is in it.
            answer = error.response
            raise StackError(
                f"RABBITMQ_MANAGEMENT_URL: {answer.status_code} {answer.reason_phrase}; mend it"
            ) from error
        except httpx2.HTTPError as error:
            raise StackError(f"RABBITMQ_MANAGEMENT_URL: {error}; mend it, or unset it") from error

    async def _put_users_and_policies(self) -> None:
        vhost = urlsplit(self.amqp_url).path.removeprefix("/") or quote("/", safe="")
        async with httpx2.AsyncClient(base_url=self.management_url, trust_env=False) as api:
            for service in self.services:
                await self._put_user(api, vhost, service)
            await self._put_window(api, vhost)
            for name, policy in definitions.limits(self.services).items():
                await _put(api, f"policies/{vhost}/{name}", policy)
            for name, limit in VHOST_LIMITS.items():
                await _put(api, f"vhost-limits/{vhost}/{name}", {"value": limit})

    async def _put_user(self, api: httpx2.AsyncClient, vhost: str, service: Told) -> None:
        name = service.name
        await _put(api, f"users/{name}", definitions.user(self.credentials.broker_password(name)))
        await _put(api, f"permissions/{vhost}/{name}", definitions.rights(service))
        for right in definitions.topic_rights(service):
            await _put(api, f"topic-permissions/{vhost}/{name}", right)
        await _put_user_limits(api, name)

    async def _put_window(self, api: httpx2.AsyncClient, vhost: str) -> None:
        """The user of the window, and the queue that it may not declare itself."""
        told = definitions.user(self.credentials.broker_password(WINDOW), definitions.WINDOW_TAGS)
        await _put(api, f"users/{WINDOW}", told)
        await _put(api, f"permissions/{vhost}/{WINDOW}", definitions.WINDOW_RIGHTS)
        await _put_user_limits(api, WINDOW)
        queue = definitions.WINDOW_QUEUE
        await _put(api, f"queues/{vhost}/{queue}", definitions.QUEUE)
        for exchange in definitions.window_hears(self.services):
            await _put(api, f"exchanges/{vhost}/{exchange}", definitions.EXCHANGE)
            bound = await api.post(f"/api/bindings/{vhost}/e/{exchange}/q/{queue}", json=definitions.BINDING)
            bound.raise_for_status()


async def _put_user_limits(api: httpx2.AsyncClient, name: str) -> None:
    for limit, value in USER_LIMITS.items():
        await _put(api, f"user-limits/{name}/{limit}", {"value": value})


async def _put(api: httpx2.AsyncClient, path: str, what: Mapping[str, Any]) -> None:
    (await api.put(f"/api/{path}", json=what)).raise_for_status()
