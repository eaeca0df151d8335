"""What stops a stack is said in a sentence that tells what to do, before anything is started."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import stack
from stack.compose import containers
from stack.credentials import Credentials
from stack.directory import MIN_FREE, SUPERVISOR_LOCK, Directory
from stack.errors import StackError
from stack.ports import USUAL, Ports
from stack.run import given
from stack.run.given import Given
from stack.run.state import State
from stack.run.status import processes
from stack.servers import rabbitmq
from tests import conftest

NOBODY_LISTENS = "127.0.0.1:1"
BAD_URLS = (
    ("RABBITMQ_URL", "me:secret@localhost"),
    ("RABBITMQ_URL", "http://me:secret@localhost"),
    ("RABBITMQ_URL", "amqp://me:secret@localhost:99999"),
    ("RABBITMQ_MANAGEMENT_URL", "amqp://me:secret@localhost"),
    ("POINT_DATABASE_URL", "mysql://me:secret@localhost"),
    ("POINT_DATABASE_URL", "postgresql:///secret"),
)
# What a half-written or foreign file may hold.
DAMAGED = ("", "{", "[1]", '{"programs": 1, "admin": 2, "postgres": "x"}')


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """The folder of a stack that was never started."""
    directory = Directory.of(tmp_path / "stack")
    directory.create()
    return directory


@pytest.fixture
def without_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without rabbitmq-server, on which we may not install anything."""
    monkeypatch.setattr(rabbitmq, "_SERVER", tmp_path / "rabbitmq-server")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("RABBITMQ_URL", raising=False)
    monkeypatch.delenv("STACK_ENV", raising=False)


def a_session(*paths: str) -> pytest.Session:
    """A session that has collected tests in these files."""
    items = [SimpleNamespace(path=conftest.TESTS / path) for path in paths]
    config = SimpleNamespace(option=SimpleNamespace(collectonly=False))
    return cast("pytest.Session", SimpleNamespace(items=items, config=config))


@pytest.mark.parametrize("place", [".", "below"])
def test_folder_that_cannot_be_made_is_named(place: str, tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    taken = tmp_path / "taken"
    taken.touch()

    with pytest.raises(StackError, match=r"taken.* cannot be written: .*; name another folder with STACK_DIR"):
        stack.up(taken / place)


def test_full_disk_is_named(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started where PostgreSQL or RabbitMQ would stop for lack of room."""
    usage = shutil.disk_usage(directory.path)._replace(free=MIN_FREE - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(StackError, match=f"only 149 MB are free below {directory.path}, .*: make room"):
        stack.up(directory.path)


@pytest.mark.parametrize(("name", "url"), BAD_URLS)
def test_address_that_is_none_is_refused(
    name: str, url: str, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the variable, and not what may be secret in it."""
    monkeypatch.setenv(name, url)

    with pytest.raises(StackError, match=f"^{name} is wrong: ") as refused:
        stack.up(directory.path)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("RABBITMQ_URL", f"amqp://me:secret@{NOBODY_LISTENS}/"),
        ("POINT_DATABASE_URL", f"postgresql://me:secret@{NOBODY_LISTENS}/point"),
    ],
)
async def test_address_where_nobody_answers_is_named(name: str, url: str) -> None:
    """A server that somebody else should run is asked before services wait for it."""
    with pytest.raises(StackError, match=f"^{name}: {NOBODY_LISTENS} does not let us in: ") as refused:
        await Given.by({name: url}).require_answers()

    assert "secret" not in str(refused.value)


async def test_address_may_name_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them that answers is enough."""
    asked: list[str] = []

    async def sign_in(url: str) -> None:
        asked.append(url)
        if "dead" in url:
            raise ConnectionRefusedError

    monkeypatch.setattr(given, "_sign_in_to_node", sign_in)

    await Given.by({"RABBITMQ_URL": "amqp://me@dead:5672,alive:5672,spare:5672/"}).require_answers()

    assert asked == ["amqp://me@dead:5672/", "amqp://me@alive:5672/"]


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_passwords_are_not_replaced(text: str, directory: Directory) -> None:
    """Others would not open the data that is there."""
    file = directory.path / "credentials.json"
    file.write_text(text)

    with pytest.raises(StackError, match=f"credentials.json is damaged.*: remove {directory.path} to start anew"):
        Credentials.of(directory)

    assert file.read_text() == text


@pytest.mark.parametrize("text", [*DAMAGED, json.dumps(dict.fromkeys(USUAL, 70_000))])
def test_damaged_ports_are_chosen_anew(text: str, directory: Directory) -> None:
    """Any free port will do."""
    (directory.path / "ports.json").write_text(text)

    ports = Ports(directory)

    assert all(ports[name] > 0 for name in USUAL)
    ports.release()


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_state_is_named_and_does_not_hinder_down(text: str, directory: Directory) -> None:
    """`make down` forgets it."""
    directory.state_file.write_text(text)

    with pytest.raises(StackError, match=r"state.json is damaged: run  make down"):
        State.of(directory)
    stack.down(directory.path)

    assert State.of(directory) is None


@pytest.mark.usefixtures("without_broker")
def test_missing_broker_is_said_before_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the command, in place of hundreds of errors; tests that need no stack run."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    conftest.pytest_collection_finish(a_session("unit/test_stack.py"))

    with pytest.raises(pytest.exit.Exception, match="rabbitmq-server is missing; run:  sudo ") as ended:
        conftest.pytest_collection_finish(a_session("unit/test_stack.py", "end_to_end/test_hold.py"))

    assert ended.value.returncode != 0


def test_containers_are_not_described_over_a_running_stack(directory: Directory) -> None:
    """The env file is about one system at a time."""
    directory.describe({"POINT_URL": "http://127.0.0.1:8001"})

    with directory.locked(SUPERVISOR_LOCK), pytest.raises(StackError, match="run  make down  first"):
        containers.describe(directory)

    assert directory.environment() == {"POINT_URL": "http://127.0.0.1:8001"}


def test_containers_that_do_not_run_are_missed(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Docker, or without containers, a sentence says what to run."""
    monkeypatch.setitem(os.environ, "PATH", str(directory.path))

    with pytest.raises(StackError, match="docker compose cannot be run"):
        containers.describe(directory)


async def test_status_is_that_of_whatever_the_env_file_names(directory: Directory) -> None:
    """Containers have no process id here, and are asked at their addresses; without a file a sentence says so."""
    with pytest.raises(StackError, match=r"run  make up  \(or  docker compose up --wait, then  make compose-env\)"):
        await processes(directory)
    directory.describe({"POINT_URL": f"http://{NOBODY_LISTENS}", "TOKEN_KEYS": "somewhere"})

    found: list[Any] = await processes(directory)

    assert [(one.name, one.pid, one.port, one.answers) for one in found] == [("POINT_URL", None, 1, False)]


def test_down_leaves_the_env_file_of_containers(directory: Directory) -> None:
    """It stops nothing of theirs, so that they can still be found."""
    directory.describe({"POINT_URL": f"http://{NOBODY_LISTENS}"})

    assert not stack.down(directory.path)

    assert directory.environment()
