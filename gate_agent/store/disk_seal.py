"""Content sealed on a gate's disk: AES-256-GCM, a fresh nonce before each, bound to the one place where it lies."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gate_agent.errors import StoreFault

_NONCE_BYTES = 12


class DiskSeal:
    """Seals under one key of 32 bytes, which is used for nothing else."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, place: str) -> bytes:
        """Return content sealed for one place; only `unseal` with the same place opens it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Return what was sealed for this place. Raises `StoreFault` for anything else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise StoreFault("what was sealed on this disk was altered, or is of another store") from error
