"""A private HAProxy: the one address of what stands in several places."""

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stack.directory import Directory, write_private
from stack.program import Program
from stack.progress import Progress
from stack.servers.packages import install
from stack.size import MAX_REPLICAS

_SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
"""Debian keeps it where only root looks"""

# As many connections as the files that may be open allow, of which an engine for containers may allow any number.
_GLOBAL = """\
global
    fd-hard-limit 20000
    hard-stop-after 10s
"""
# A replica that is not ready is asked nothing, unless none is: what it says is better than what a balancer can say.
_DEFAULTS = """\
defaults
    timeout connect 2s
    timeout client 2m
    timeout server 2m
    timeout http-keep-alive 60s
    retries 3
    option redispatch 1
    option allbackups
    default-server inter 2s fastinter 500ms downinter 500ms fall 1 rise 1
    default-server observe layer4 error-limit 1 on-error mark-down

listen balancer
    mode http
    bind {ready}
    http-request return status 200 if {{ path /readyz }}
    http-request return status 404
"""
_RESOLVED = """
# Docker's name server: all containers of a service, as they come and go.
resolvers docker
    nameserver engine 127.0.0.11:53
    hold valid 1s
    hold obsolete 1s
    hold nx 1s
    timeout resolve 1s
"""
_HTTP = """
listen {name}
    mode http
    bind {address}
    balance leastconn
    option httpchk GET /readyz
"""
_TCP = """
listen {name}
    mode tcp
    bind {address}
    balance roundrobin
    timeout client 1d
    timeout server 1d
"""


@dataclass(frozen=True)
class Front:
    """An address, and where what comes there goes: over HTTP each request, else each connection."""

    name: str
    port: int
    ports: Sequence[int]
    is_http: bool = True


def ensure_installed(directory: Directory, progress: Progress) -> None:
    """Find HAProxy on this machine, else install it."""
    if _found() is None:
        install("haproxy", directory.log("apt"), progress)


def program(directory: Directory, port: int, fronts: Sequence[Front]) -> Program:
    """The balancer as a process; it is ready as soon as it listens, whoever stands behind it."""
    file = directory.path / "haproxy.cfg"

    async def write() -> None:
        write_private(file, configuration(port, fronts))

    return Program(
        name="balancer",
        command=[_found() or "haproxy", "-db", "-f", str(file)],
        environment={},
        port=port,
        probe=f"http://127.0.0.1:{port}/readyz",
        before=write,
        stop_signal=signal.SIGTERM,
    )


def configuration(port: int, fronts: Sequence[Front]) -> str:
    """What HAProxy reads."""
    return "".join([_GLOBAL, _DEFAULTS.format(ready=f"127.0.0.1:{port}"), *map(_front, fronts)])


def configuration_of_containers(port: int, services: Mapping[str, int], inside: int) -> str:
    """The same where services are containers: each has a port of the balancer, and any number of containers."""
    fronts = [_front_of_containers(name, own, inside) for name, own in services.items()]
    return "".join([_GLOBAL, _RESOLVED, "\n", _DEFAULTS.format(ready=f":{port}"), *fronts])


def _front(front: Front) -> str:
    head = (_HTTP if front.is_http else _TCP).format(name=front.name, address=f"127.0.0.1:{front.port}")
    places = [(f"{front.name}-{number}", f"127.0.0.1:{port}") for number, port in enumerate(front.ports, 1)]
    checked = [f"    server {name} {place} check" for name, place in places]
    spare = [f"    server {name}-unready {place} backup" for name, place in places if front.is_http]
    return "\n".join([head.rstrip(), *checked, *spare]) + "\n"


def _front_of_containers(name: str, port: int, inside: int) -> str:
    head = _HTTP.format(name=name, address=f":{port}").rstrip()
    found = f"{MAX_REPLICAS} {name}:{inside} resolvers docker init-addr none"
    return f"{head}\n    server-template {name}- {found} check\n    server-template {name}-unready- {found} backup\n"


def _found() -> str | None:
    return shutil.which("haproxy", path=_SEARCHED)
