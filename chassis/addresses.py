"""Addresses: one may name several hosts, such as `amqp://user:password@one:5672,two:5672/vhost`."""

from urllib.parse import quote


def each_of(url: str) -> list[str]:
    """One address for each host that an address names, in their order."""
    scheme, separator, rest = url.partition("://")
    authority, tail = _split(rest)
    login, at, hosts = authority.rpartition("@")
    return [f"{scheme}{separator}{login}{at}{host}{tail}" for host in hosts.split(",")]


def first_of(url: str) -> str:
    """The address with its first host alone; what does not depend on the host can be read from it."""
    return each_of(url)[0]


def with_password(url: str, password: str) -> str:
    """The address with this password, for all its hosts."""
    scheme, separator, rest = url.partition("://")
    authority, tail = _split(rest)
    login, _, hosts = authority.rpartition("@")
    user = login.partition(":")[0]
    return f"{scheme}{separator}{user}:{quote(password, safe='')}@{hosts}{tail}"


def _split(rest: str) -> tuple[str, str]:
    """Users and hosts, and what follows them."""
    end = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
    return rest[:end], rest[end:]
