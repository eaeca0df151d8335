"""Of two database servers one is the primary, which is written down, and one that is fenced does not run."""

import asyncio
from pathlib import Path

import pytest

from stack.credentials import Credentials
from stack.directory import SUPERVISOR_LOCK, Directory
from stack.errors import StackError
from stack.program import Program
from stack.run.failover import Failover
from stack.run.state import State
from stack.run.supervisor import Board, Keeper
from stack.servers.fence import fence, is_fenced, let_go
from stack.servers.postgres import Server
from stack.servers.standby import COPYING, Pair, name_primary
from stack.size import Size

PORTS = {"postgres": 1111, "postgres-2": 2222}


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """The folder of a stack that was never started."""
    directory = Directory.of(tmp_path)
    directory.create()
    return directory


@pytest.fixture
def pair(directory: Directory) -> Pair:
    """Two servers, neither of which was started."""
    return Pair(Server(directory, PORTS, Credentials.of(directory), ("point",)))


def with_data(server: Server) -> None:
    """Make a server look as if it had been started before."""
    server.data.mkdir(parents=True)


def test_the_address_is_that_of_both(pair: Pair, tmp_path: Path) -> None:
    """Whoever connects looks for the primary among them, with a password in the address or in a file."""
    assert pair.url("point", "point").endswith("@127.0.0.1:1111,127.0.0.1:2222/point?target_session_attrs=primary")
    assert pair.url_without_password("point", "point", tmp_path / "pgpass") == (
        f"postgresql://point@127.0.0.1:1111,127.0.0.1:2222/point?passfile={tmp_path}/pgpass&target_session_attrs=primary"
    )


def test_the_first_is_the_primary_until_another_is_named(pair: Pair, directory: Directory) -> None:
    """The standby is the other one."""
    assert (pair.primary.name, pair.standby.name) == ("postgres-1", "postgres-2")

    name_primary(directory, 2)

    assert (pair.primary.name, pair.standby.name) == ("postgres-2", "postgres-1")


def test_only_a_standby_without_data_needs_the_primary(pair: Pair) -> None:
    """It has to copy it; afterwards each waits for the other, so that they have to start together."""
    first, second = pair.programs()
    assert (first.needs, second.needs) == ((), ("postgres-1",))

    for server in pair.servers:
        with_data(server)

    assert [program.needs for program in pair.programs()] == [(), ()]


def test_each_follows_the_other_if_it_is_the_standby(pair: Pair) -> None:
    """Roles change without another command line: who has no signal file leaves these settings alone."""
    first, second = (" ".join(program.command) for program in pair.programs())

    assert "primary_conninfo=host=127.0.0.1 port=2222 user=replica" in first
    assert "primary_conninfo=host=127.0.0.1 port=1111 user=replica" in second
    assert not any(pair.first.credentials.replica in command for command in (first, second))


def test_nothing_waits_for_a_server_that_is_fenced(pair: Pair, directory: Directory) -> None:
    """The stack runs with one server until somebody has the other rejoin."""
    assert pair.names == ["postgres-1", COPYING]

    fence(directory, "postgres-2")

    assert pair.names == ["postgres-1"]
    assert pair.onces() == []


async def test_a_former_primary_does_not_start_as_one(pair: Pair, directory: Directory) -> None:
    """Not even if its fence is gone: it has data and does not follow anybody."""
    for server in pair.servers:
        with_data(server)
    name_primary(directory, 2)

    with pytest.raises(StackError, match=r"postgres-1 was a primary, and another one is: run  python -m stack rejoin"):
        await pair.programs()[0].before()


async def test_a_primary_that_was_not_promoted_does_not_start(pair: Pair) -> None:
    """A failover was cut off; it says how to go on."""
    with_data(pair.primary)
    (pair.primary.data / "standby.signal").touch()

    with pytest.raises(StackError, match=r"run  python -m stack failover  again"):
        await pair.programs()[0].before()


async def test_a_program_that_is_fenced_is_started_when_it_may_be(directory: Directory, tmp_path: Path) -> None:
    """Until then nobody waits for it, and it is made ready by nothing."""
    # given
    begun = asyncio.Event()

    async def begin() -> None:
        begun.set()

    program = Program("postgres-2", ["sleep", "60"], {"PATH": "/bin:/usr/bin"}, 1, "tcp://127.0.0.1:1", before=begin)
    fence(directory, program.name)
    board = Board(directory, [program], [])
    async with asyncio.TaskGroup() as tasks:
        # when
        keeper = Keeper(program, board, tasks)
        await asyncio.sleep(0)
        # then
        state = State.of(directory)
        assert state is not None
        assert state.programs[program.name].fenced
        assert state.unready() == []
        assert not begun.is_set()
        # when
        let_go(directory, program.name)
        # then
        async with asyncio.timeout(10):
            await begun.wait()
        await keeper.stop()


def test_a_failover_needs_a_stack_with_a_standby(directory: Directory) -> None:
    """A stack that does not run, or has one server, is told how to get one that has two."""
    with pytest.raises(StackError, match="run  make up STANDBY=1"):
        Failover(directory)
    Size().keep(directory)
    with directory.locked(SUPERVISOR_LOCK), pytest.raises(StackError, match="run  make up STANDBY=1"):
        Failover(directory)


def test_fences_are_there_until_they_are_taken_away(directory: Directory) -> None:
    """Also for the next supervisor."""
    assert not is_fenced(directory, "postgres-1")
    fence(directory, "postgres-1")
    assert is_fenced(directory, "postgres-1")
    let_go(directory, "postgres-1")
    assert not is_fenced(directory, "postgres-1")
