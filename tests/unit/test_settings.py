"""What is missing or wrong in the environment of a service is said in a sentence, and nothing secret with it."""

import pytest

from chassis.settings import read
from point_svc.settings import Settings

RIGHT = {
    "POINT_DATABASE_URL": "postgresql://point:secret@127.0.0.1:5432/point",
    "POINT_RABBITMQ_URL": "amqp://point:secret@127.0.0.1:5672/",
    "POINT_PORT": "8001",
    "TOKEN_KEYS": "jwks.json",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that point_svc needs."""
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


def test_settings_are_read() -> None:
    """With everything there, they are what the environment says."""
    assert read(Settings).port == 8001


@pytest.mark.parametrize("name", ["POINT_DATABASE_URL", "POINT_RABBITMQ_URL", "TOKEN_KEYS"])
def test_what_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its variable, with what it is."""
    # given
    monkeypatch.delenv(name)
    # when
    with pytest.raises(SystemExit, match=rf"^{name} is missing \(.+\); `make up` sets it"):
        read(Settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POINT_DATABASE_URL", "point:secret@127.0.0.1/point"),
        ("POINT_DATABASE_URL", "mysql://point:secret@127.0.0.1/point"),
        ("POINT_RABBITMQ_URL", "point:secret@127.0.0.1"),
        ("POINT_RABBITMQ_URL", "amqp://"),
        ("POINT_RABBITMQ_URL", "amqp://point:sec/secret@127.0.0.1:1/"),
        ("POINT_RABBITMQ_URL", "amqp://point:secret@127.0.0.1:70000/"),
        ("POINT_DATABASE_URL", "postgresql://point:sec/secret@127.0.0.1:1/point"),
        ("POINT_DATABASE_URL", "postgresql://127.0.0.1:99999/secret"),
        ("POINT_DATABASE_URL", "postgresql://point:secret@[::1/point"),
        ("POINT_PORT", "secret"),
        ("TOKEN_KEYS", ""),
        ("TOKEN_KEYS", "http://issuer.invalid/secret.json"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value may be a secret, or hold one."""
    # given
    monkeypatch.setenv(name, value)
    # when
    with pytest.raises(SystemExit) as ended:
        read(Settings)
    # then
    assert str(ended.value.code).startswith(f"{name} is wrong: ")
    assert "secret" not in str(ended.value.code).removeprefix(name).lower()


def test_everything_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each variable."""
    # given
    for name in ("POINT_DATABASE_URL", "TOKEN_KEYS"):
        monkeypatch.delenv(name)
    # when
    with pytest.raises(SystemExit) as ended:
        read(Settings)
    # then
    assert len(str(ended.value.code).splitlines()) == 2
