"""The keys of tokens are public, and change without a restart."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from chassis.errors import KeysUnreadableError
from chassis.web import keys
from chassis.web.keys import TokenKeys, usable
from stack.signing import SigningKey, key_set

ONE, OTHER = SigningKey.new().public, SigningKey.new().public
SECRET = {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}
NOBODY = "127.0.0.1:1"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The time, in seconds, which goes on when a test says so."""
    time = {"now": 1000.0}
    monkeypatch.setattr(keys, "_now", lambda: time["now"])
    return time


class Document:
    """A file with the keys of tokens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.source = str(path)

    def names(self, *public: dict[str, Any]) -> None:
        """From now on it names these keys."""
        self._path.write_text(key_set(public))

    def goes(self) -> None:
        """From now on it is not there."""
        self._path.unlink()


@pytest.fixture
def document(tmp_path: Path) -> Document:
    """A document that names one key."""
    made = Document(tmp_path / "jwks.json")
    made.names(ONE)
    return made


async def test_a_new_key_is_known_as_soon_as_it_is_used(document: Document, clock: dict[str, float]) -> None:
    """And the one before it as long as the document names it."""
    found = TokenKeys(document.source)
    assert await found.find(ONE["kid"])

    document.names(OTHER)
    clock["now"] += keys.MIN_AGE + 1

    assert await found.find(OTHER["kid"])
    assert await found.find(ONE["kid"]) is None


async def test_a_key_that_is_withdrawn_from_a_file_is_forgotten(document: Document, clock: dict[str, float]) -> None:
    """A second later, even when nobody uses another one."""
    found = TokenKeys(document.source)
    assert await found.find(ONE["kid"])
    document.names(OTHER)

    assert await found.find(ONE["kid"])
    clock["now"] += keys.MIN_AGE + 1
    assert await found.find(ONE["kid"]) is None


async def test_a_key_that_is_withdrawn_elsewhere_is_forgotten(
    clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute: until then nobody asks again."""
    documents = [key_set([ONE]), key_set([OTHER])]

    async def text(_: TokenKeys) -> str:
        return documents.pop(0)

    monkeypatch.setattr(TokenKeys, "_text", text)
    found = TokenKeys("https://issuer.invalid/jwks.json")
    assert await found.find(ONE["kid"])

    clock["now"] += keys.MAX_AGE - 1
    assert await found.find(ONE["kid"])
    clock["now"] += 2
    assert await found.find(ONE["kid"]) is None


async def test_unknown_keys_do_not_make_it_read_again_and_again(document: Document, clock: dict[str, float]) -> None:
    """Anybody can make up their names."""
    found = TokenKeys(document.source)
    assert await found.find("made up") is None

    document.names(OTHER)

    assert await found.find("made up too") is None
    assert await found.find(OTHER["kid"]) is None


async def test_who_asks_while_keys_are_read_waits_for_them(document: Document, clock: dict[str, float]) -> None:
    """A token with a new key is not refused because somebody else has just had the keys read."""
    found = TokenKeys(document.source)
    assert await found.find(ONE["kid"])
    document.names(OTHER)
    clock["now"] += keys.MIN_AGE + 1

    together = await asyncio.gather(*(found.find(OTHER["kid"]) for _ in range(5)))

    assert None not in together


async def test_keys_outlive_their_source(document: Document, clock: dict[str, float]) -> None:
    """Who could be recognised still can; where nothing was ever read, that is said."""
    found, nothing = TokenKeys(document.source), TokenKeys(f"http://{NOBODY}/jwks.json")
    assert await found.find(ONE["kid"])

    document.goes()
    clock["now"] += keys.MAX_AGE + 1

    assert await found.find(ONE["kid"])
    with pytest.raises(KeysUnreadableError):
        await nothing.find(ONE["kid"])


def test_only_public_keys_of_asymmetric_algorithms_are_used() -> None:
    """A shared secret would let whoever checks a token make one; a private key has no business here."""
    private = ONE | {"kid": "private", "d": "AA"}
    edwards = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True) | {"kid": "edwards"}
    nameless = {name: value for name, value in OTHER.items() if name != "kid"}

    assert usable(key_set([ONE, SECRET, private, edwards, nameless])).keys() == {ONE["kid"], "edwards"}


@pytest.mark.parametrize("broken", ["{", "{}", "[]", '{"keys": 7}', json.dumps({"keys": [{"kid": "x"}]})])
def test_what_is_no_document_of_keys_is_refused(broken: Any) -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match=r"JWKS|JSON|Expecting"):
        usable(broken)
