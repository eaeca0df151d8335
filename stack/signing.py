"""Signing: the key that this stack issues its tokens with, and the document that lets others check them (RFC 7517)."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from jwt.algorithms import ECAlgorithm

from stack.errors import StackError

ALGORITHM = "ES256"


@dataclass(frozen=True)
class SigningKey:
    """A private key; as text it is base64 of PKCS #8, which needs no quoting anywhere."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls) -> Self:
        """A key that nobody has had."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def for_development(cls) -> Self:
        """The key that everybody knows."""
        return cls(ec.derive_private_key(int.from_bytes(b"for development, not for the web"), ec.SECP256R1()))

    @classmethod
    @cache
    def of(cls, text: str) -> Self:
        """The key in a text; raises StackError if there is none."""
        try:
            private = load_der_private_key(base64.urlsafe_b64decode(text), password=None)
        except (ValueError, TypeError) as error:
            raise StackError("TOKEN_SIGNING_KEY is no key: take the one in the env file, or none") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise StackError("TOKEN_SIGNING_KEY is no key for ES256")
        return cls(private)

    @property
    def text(self) -> str:
        """The key as text."""
        der = self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return base64.urlsafe_b64encode(der).decode()

    @cached_property
    def public(self) -> dict[str, Any]:
        """The public key as a JWK, named by its thumbprint (RFC 7638)."""
        jwk = {name: value for name, value in _jwk(self.private).items() if name in ("crv", "kty", "x", "y")}
        return jwk | {"kid": _thumbprint(jwk), "alg": ALGORITHM, "use": "sig"}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token that says so."""
        return jwt.encode(dict(claims), self.private, ALGORITHM, headers={"kid": self.public["kid"]})


def key_set(keys: Iterable[Mapping[str, Any]]) -> str:
    """The document of some public keys."""
    return json.dumps({"keys": list(keys)}, separators=(",", ":"))


def _jwk(private: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    found: dict[str, Any] = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return found


def _thumbprint(jwk: Mapping[str, str]) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode())
    return base64.urlsafe_b64encode(digest.finalize()).decode().rstrip("=")
