"""An address may name several hosts, and is read one host at a time."""

import pytest
from pydantic import SecretStr

from chassis.addresses import each_of, first_of, with_password
from chassis.settings import checked_address


def test_each_host_has_the_rest_of_the_address() -> None:
    """User, password, what follows the hosts: all of them are the same for each."""
    assert each_of("amqps://la,mp:secret@one:5671,two,[::1]:7/hall?cafile=/a,b") == [
        "amqps://la,mp:secret@one:5671/hall?cafile=/a,b",
        "amqps://la,mp:secret@two/hall?cafile=/a,b",
        "amqps://la,mp:secret@[::1]:7/hall?cafile=/a,b",
    ]


@pytest.mark.parametrize("url", ["amqp://one", "postgresql://lamp@one:1/db?x=y", "http://lamp:secret@one:1"])
def test_address_of_one_host_is_itself(url: str) -> None:
    """As it has always been."""
    assert each_of(url) == [url]
    assert first_of(url) == url


def test_password_is_that_of_all_hosts() -> None:
    """Written so that no sign of it ends the login."""
    found = with_password("amqp://lamp:secret@one:1,two:2/hall", "n/e:w@")
    assert found == "amqp://lamp:n%2Fe%3Aw%40@one:1,two:2/hall"  # pragma: allowlist secret


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("amqp://lamp:secret@one:1,two:70000/", "host 2 of 2 is none"),
        ("amqp://lamp:secret@one:1,,three:3/", "host 2 of 3 is none"),
        ("amqp://lamp:secret@,two/", "host 1 of 2 is none"),
        ("http://lamp:secret@one,two/", "an address of the form amqp://"),
    ],
)
def test_host_that_is_none_is_counted_and_not_quoted(url: str, reason: str) -> None:
    """Whoever has made a mistake hears in which of them, and nobody a secret."""
    with pytest.raises(ValueError, match=reason) as raised:
        checked_address(SecretStr(url), "amqp", "amqps")
    assert "secret" not in str(raised.value)


def test_list_of_hosts_is_an_address() -> None:
    """Of a broker and of a database."""
    for url in (
        "amqp://lamp:secret@one:1,two:2,three:3/",
        "postgresql://lamp@one:1,two/db?target_session_attrs=primary",
    ):
        assert checked_address(SecretStr(url), "amqp", "postgresql").get_secret_value() == url
