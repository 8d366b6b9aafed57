"""The site key of short-term references: it wraps the keys of records (AES key wrap, RFC 3394) and makes their lookup marks.

The file `face_reference.key` in the keys folder holds 32 random bytes, mode 0600, made on the gate and never exported. Wrapping and
lookup use keys derived from it (HKDF-SHA-256, RFC 5869), so that neither says anything about the other. Faults (`StoreFault`):
EG-REF-001 the key file is absent, or not one · EG-REF-002 a wrapped key was altered or belongs to another site key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from gate_agent.errors import StoreFault
from gate_agent.store.secret_file import SECRET_BYTES, make_secret, read_secret

FILE_NAME = "face_reference.key"
KEY_BYTES = SECRET_BYTES
WRAPPED_BYTES = KEY_BYTES + 8
NO_SITE_KEY, NOT_UNWRAPPED = "EG-REF-001", "EG-REF-002"


class ReferenceKeys:
    """The two keys that one site key stands for."""

    def __init__(self, site_key: bytes) -> None:
        """Derive both keys. Raises `StoreFault` unless the site key is 32 bytes that are not all the same."""
        if len(site_key) != KEY_BYTES or len(set(site_key)) == 1:
            raise StoreFault(f"a site key is {KEY_BYTES} random bytes", code=NO_SITE_KEY)
        self._wrapping_key = _derived(site_key, b"egate face reference wrap")
        self._lookup_key = _derived(site_key, b"egate face reference lookup")

    @classmethod
    def read(cls, keys_folder: Path) -> ReferenceKeys:
        """Return the keys of a site. Raises `StoreFault` when the file is absent, malformed or readable by others."""
        return cls(read_secret(keys_folder / FILE_NAME, NO_SITE_KEY))

    def fresh(self) -> tuple[bytes, bytes]:
        """Return a new record key and the same wrapped."""
        record_key = secrets.token_bytes(KEY_BYTES)
        return record_key, aes_key_wrap(self._wrapping_key, record_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a record key. Raises `StoreFault` when the wrapped one is not what this site wrapped."""
        try:
            return aes_key_unwrap(self._wrapping_key, wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise StoreFault("a record key was altered or is of another site", code=NOT_UNWRAPPED) from error

    def lookup(self, purpose: str, issuing_state: str, document_number: str) -> bytes:
        """Return the mark under which a holder's record is found for one purpose; useless without the site key."""
        parts = (purpose.encode(), issuing_state.encode(), document_number.encode())
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._lookup_key, framed, hashlib.sha256)


def _derived(site_key: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, None, purpose).derive(site_key)


def make_site_key(keys_folder: Path) -> bool:
    """Make the site key unless there is one; True when it was made. Raises `StoreFault`.

    Whoever replaces the key gives up every reference kept under it: that is also how a site forgets all of them at once.
    """
    return make_secret(keys_folder / FILE_NAME, NO_SITE_KEY)
