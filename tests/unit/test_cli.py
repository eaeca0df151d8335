"""`python -m chassis` answers with a sentence and a status where something is missing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.cli.app import app

COMMANDS = (["check"], ["graph"], ["publish"], ["drift", "--url", "http://127.0.0.1:1"], ["parked", "list"])
NOWHERE = {"RABBITMQ_URL": "amqp://me:secret@127.0.0.1:1/", "RABBITMQ_MANAGEMENT_URL": "http://me:secret@127.0.0.1:1"}
ASKING = (["drift"], ["parked", "list"], ["resting", "list"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_nothing_to_check_is_an_error(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder without services, every command says where it should be run."""
    # given
    monkeypatch.chdir(tmp_path)
    # when
    answer = CliRunner().invoke(app, command, env=NOWHERE)
    # then
    assert answer.exit_code == 1
    assert "run it where the services are" in answer.output


def test_database_of_no_service_is_not_migrated() -> None:
    """Who is not there is named."""
    answer = CliRunner().invoke(app, ["migrate", "nobody"])

    assert answer.exit_code == 1
    assert "no service here: nobody" in answer.output


@pytest.mark.parametrize("command", ASKING, ids=lambda command: command[0])
@pytest.mark.parametrize("addresses", [{}, NOWHERE], ids=["no address", "nobody there"])
def test_system_that_is_not_there_is_an_error(
    command: list[str], addresses: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without addresses, and where nobody answers."""
    # given
    monkeypatch.setenv("STACK_DIR", str(tmp_path))
    for name in NOWHERE:
        monkeypatch.delenv(name, raising=False)
    # when
    answer = CliRunner().invoke(app, command, env=addresses)
    # then
    assert answer.exit_code == 2
    assert "is the stack up? run  make up" in answer.output


@pytest.mark.parametrize("command", ASKING, ids=lambda command: command[0])
@pytest.mark.parametrize(
    "url", ["localhost", "localhost:15672", "SCHEME://u:sec/ret@127.0.0.1:1", "SCHEME://u:p@h:70000"]
)
def test_address_that_leads_nowhere_is_named_and_not_shown(command: list[str], url: str) -> None:
    """It is the address that has to be mended, not the stack."""
    # given
    wrong = {name: url.replace("SCHEME", value.partition(":")[0]) for name, value in NOWHERE.items()}
    # when
    answer = CliRunner().invoke(app, command, env=wrong)
    # then
    assert answer.exit_code == 2
    assert "RABBITMQ_" in answer.output
    assert "is wrong: an address of the form" in answer.output
    assert "make up" not in answer.output
    assert "sec" not in answer.output


@pytest.mark.parametrize("command", ASKING, ids=lambda command: command[0])
def test_addresses_come_from_the_file_of_the_stack(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STACK_DIR says where it is; what is secret in it is not shown."""
    # given
    (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in NOWHERE.items()))
    monkeypatch.setenv("STACK_DIR", str(tmp_path))
    for name in NOWHERE:
        monkeypatch.delenv(name, raising=False)
    # when
    answer = CliRunner().invoke(app, command)
    # then
    assert answer.exit_code == 2
    assert "stands neither" not in answer.output
    assert "secret" not in answer.output


def test_redrive_wants_to_be_told_what() -> None:
    """Everything only for who asks for everything."""
    answer = CliRunner().invoke(app, ["parked", "redrive"])
    assert answer.exit_code == 2
    assert "give an ID, --queue NAME or --all" in answer.output
