"""A database with several servers is used at the one that can be written to."""

import asyncio
from typing import Any

import asyncpg
import pytest

from chassis.errors import NoPrimaryError
from chassis.store.failures import is_connection_lost, is_outage, is_transient
from chassis.store.servers import Servers, connect

URL = "postgresql://lamp@one:1,two:2,three:3/hall?sslmode=require"
ONE, TWO, THREE = (
    f"postgresql://lamp@{host}/hall?sslmode=require&target_session_attrs=primary"
    for host in ("one:1", "two:2", "three:3")
)


class Network:
    """Servers that answer as they are told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.answers: dict[str, Exception] = {}

    async def connect(self, dsn: str, *, timeout: float, **_: Any) -> Any:  # noqa: ASYNC109  # as the driver has it
        """Let the client in, unless told otherwise."""
        self.asked.append((dsn, timeout))
        if error := self.answers.get(dsn):
            raise error
        return f"connection to {dsn}"

    @property
    def order(self) -> list[str]:
        """Which servers were asked."""
        return [dsn for dsn, _ in self.asked]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """What is between here and the servers."""
    found = Network()
    monkeypatch.setattr(asyncpg, "connect", found.connect)
    return found


async def test_primary_is_asked_first_from_then_on(network: Network) -> None:
    """A pool that grows does not wait for a dead server each time."""
    # given
    network.answers = {ONE: ConnectionRefusedError(), TWO: asyncpg.TargetServerAttributeNotMatched()}
    pool = Servers(URL)
    # when
    await pool.connect(timeout=5)
    await pool.connect(timeout=5)
    # then
    assert network.order == [ONE, TWO, THREE, THREE]


async def test_new_primary_is_found_after_a_failover(network: Network) -> None:
    """The old one answers no more, or as a standby."""
    # given
    pool = Servers(URL)
    await pool.connect(timeout=5)
    # when
    network.answers = {ONE: asyncpg.TargetServerAttributeNotMatched()}
    await pool.connect(timeout=5)
    # then
    assert network.order == [ONE, ONE, TWO]


async def test_one_of_several_servers_has_not_the_time_of_all(network: Network) -> None:
    """A packet that is dropped is answered by nobody."""
    # given
    network.answers = {ONE: TimeoutError()}
    # when
    await Servers(URL).connect(timeout=10)
    # then
    assert [seconds for _, seconds in network.asked] == [2.5, 2.5]


async def test_only_server_is_used_as_its_address_says(network: Network) -> None:
    """With all the time there is, whatever it is: a proxy in front may know better."""
    await connect("postgresql://lamp@one/hall", 10)
    assert network.asked == [("postgresql://lamp@one/hall", 10)]


async def test_what_is_wanted_of_the_servers_may_be_said(network: Network) -> None:
    """Then nothing is added."""
    await connect("postgresql://lamp@one,two/hall?target_session_attrs=read-write", 10)
    assert network.order == ["postgresql://lamp@one/hall?target_session_attrs=read-write"]


async def test_what_a_server_says_is_told_before_what_is_out_of_reach(network: Network) -> None:
    """A wrong password is what an operator has to know."""
    # given
    network.answers = {ONE: ConnectionRefusedError(), TWO: asyncpg.InvalidPasswordError("no"), THREE: TimeoutError()}
    # then
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(URL, 10)


async def test_database_without_a_primary_is_an_outage_that_passes(network: Network) -> None:
    """Nothing counts against a message while a standby takes over."""
    # given
    network.answers = dict.fromkeys((ONE, TWO, THREE), asyncpg.TargetServerAttributeNotMatched())
    # when
    with pytest.raises(NoPrimaryError) as raised:
        await connect(URL, 10)
    # then
    assert is_outage(raised.value)
    assert is_transient(raised.value)


def test_server_that_has_become_read_only_costs_the_connection() -> None:
    """It may have been the primary; the next connection leads to the one that is."""
    error = asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction")
    assert is_connection_lost(error)
    assert is_transient(error)
    assert is_outage(error)


async def test_who_is_cancelled_meanwhile_is_cancelled(network: Network) -> None:
    """No other server is asked then."""
    network.answers = {ONE: asyncio.CancelledError()}  # type: ignore[dict-item]  # no Exception, as it happens
    with pytest.raises(asyncio.CancelledError):
        await connect(URL, 10)
    assert network.order == [ONE]
