"""Keys: the public keys that bearer tokens are checked with, read anew when they may have changed (JWKS, RFC 7517)."""

import asyncio
import json
from pathlib import Path

import httpx2
import jwt
import structlog

from chassis.errors import KeysUnreadableError, describe

log = structlog.get_logger(__name__)

ALGORITHMS = frozenset({"ES256", "EdDSA"})
"""Asymmetric ones alone: who can check a token cannot make one"""
MAX_AGE = 60.0
"""Seconds after which the keys are read anew, so that one that was withdrawn is believed no longer than that"""
MIN_AGE = 1.0
"""How soon they are read anew for a key that is not known, which anybody can make up, or for a file that has changed"""
TIMEOUT = 3.0


class TokenKeys:
    """The keys at a source: an `https://` address, a file, or the document itself."""

    def __init__(self, source: str) -> None:
        """Raises ValueError when the source is a document that cannot be read."""
        self._source = source
        self._keys: dict[str, jwt.PyJWK] | None = None
        self._read_at = self._looked_at = 0.0
        self._changed_at = 0
        """When the file was changed that was read last"""
        self._reading = asyncio.Lock()
        if source.startswith("{"):
            self._keys = usable(source)

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of this name, if there is one now; raises KeysUnreadableError when no keys could ever be read."""
        if not self._source.startswith("{"):
            await self._refresh(kid)
        return (self._keys or {}).get(kid)

    async def _refresh(self, kid: str) -> None:
        if not self._is_due(kid):
            return
        read_at = self._read_at
        async with self._reading:
            if self._read_at != read_at:
                return  # somebody else has read them meanwhile
            try:
                self._keys = usable(await self._text())
            except (OSError, ValueError, httpx2.HTTPError) as error:
                log.error("keys of tokens cannot be read", source=self._source, error=describe(error))
                if self._keys is None:
                    raise KeysUnreadableError(f"{self._source}: {describe(error)}") from error
            finally:
                # Not before: who asks meanwhile has to wait for what is being read.
                self._read_at = self._looked_at = _now()

    def _is_due(self, kid: str) -> bool:
        now = _now()
        if self._keys is None or now - self._read_at > MAX_AGE:
            return True
        if kid not in self._keys:
            return now - self._read_at > MIN_AGE
        if now - self._looked_at <= MIN_AGE:
            return False
        self._looked_at = now
        return self._has_changed()

    def _has_changed(self) -> bool:
        try:
            return self._is_file and Path(self._source).stat().st_mtime_ns != self._changed_at
        except OSError:
            return False  # nothing better is to be had there

    @property
    def _is_file(self) -> bool:
        return not self._source.startswith(("https://", "http://"))

    async def _text(self) -> str:
        if self._is_file:
            return await asyncio.to_thread(self._read)
        async with httpx2.AsyncClient(timeout=TIMEOUT) as client:
            return (await client.get(self._source)).raise_for_status().text

    def _read(self) -> str:
        file = Path(self._source)
        # Before it is read: what is written meanwhile is read next time.
        self._changed_at = file.stat().st_mtime_ns
        return file.read_text()


def usable(document: str) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS document that are public and asymmetric, by their names; raises ValueError if it is none."""
    try:
        keys = [jwt.PyJWK(one) for one in json.loads(document)["keys"] if _is_usable(one)]
    except (KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise ValueError(f"it is no JWKS document: {describe(error)}") from error
    return {key.key_id: key for key in keys if key.key_id and key.algorithm_name in ALGORITHMS}


def _is_usable(key: dict[str, str]) -> bool:
    """Whether it is one of the algorithms above, and public."""
    return key["kty"] in ("EC", "OKP") and "d" not in key


def _now() -> float:
    return asyncio.get_running_loop().time()
