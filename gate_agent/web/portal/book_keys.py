"""Keys of the portal's book: what lies on the disk says nothing without the site's key, a saved draft nothing without the traveller, too.

A record's key is derived (HKDF-SHA-256, RFC 5869) from the site key, a salt of its own, its purpose and, for a saved draft, code and
document number; it seals one record once (AES-256-GCM). Records are found by keyed marks (HMAC-SHA-256). Whoever copies the file holds
noise; whoever copies the site's key with it still has to guess code and document number of a draft, about 40 bits and more.
"""

from __future__ import annotations

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE = bytes(12)  # each key seals one record, once


class BookKeys:
    """Seals and finds records of the book."""

    def __init__(self, site_key: bytes) -> None:
        """Take the site's key. Raises `ValueError` unless it is 32 bytes that are not all the same."""
        if len(site_key) != KEY_BYTES or len(set(site_key)) == 1:
            raise ValueError(f"a site key is {KEY_BYTES} random bytes")
        self._site_key = site_key

    def mark(self, purpose: str, *parts: str) -> bytes:
        """Return the mark under which a record is found."""
        return hmac.digest(self._site_key, _framed("mark", purpose, *parts), "sha256")

    def seal(self, content: bytes, purpose: str, *secret_parts: str) -> bytes:
        """Return the sealed content, its salt before it."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return salt + AESGCM(self._key(salt, purpose, secret_parts)).encrypt(_NONCE, content, None)

    def unseal(self, sealed: bytes, purpose: str, *secret_parts: str) -> bytes | None:
        """Return the content, None when key, purpose or a secret part is another one, or the bytes were altered."""
        salt, body = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
        try:
            return AESGCM(self._key(salt, purpose, secret_parts)).decrypt(_NONCE, body, None)
        except InvalidTag:
            return None

    def _key(self, salt: bytes, purpose: str, secret_parts: tuple[str, ...]) -> bytes:
        return HKDF(hashes.SHA256(), KEY_BYTES, salt, _framed("seal", purpose, *secret_parts)).derive(self._site_key)


def _framed(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
