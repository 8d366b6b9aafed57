"""How a sealed gallery's bytes are made: keys derived from the gallery key, the sealed header, one slot per record.

    file    two equal headers of 4096 bytes, then slots of equal size
    header  magic 8, salt 32, nonce 12, length 4, AES-256-GCM of a JSON object (its tag behind it), zeros
    slot    record key wrapped by AES key wrap (RFC 3394) 40, nonce 12, AES-256-GCM of: key length 1, key 64, float16 features

A slot whose wrapped key is zeros is free. The header carries the exclusive or of a keyed hash (HMAC-SHA-256) of every held slot with
its number, so that a record that was dropped, moved or put back from an older copy is found out when the gallery is opened.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from dataclasses import asdict, dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from numpy.typing import NDArray

from models.gallery_checks import LARGEST_KEY_BYTES, GalleryFault

MAGIC = b"EGGAL\x001\n"
HEADER_BYTES = 4096
SALT_BYTES = 32
KEY_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + 8
NO_SEAL = bytes(32)
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class GalleryIdentity:
    """Whose features a gallery holds: features of another model, calibration or fusion must never be compared with them."""

    model_id: str
    calibration_id: str
    fusion: str
    dimension: int


@dataclass(frozen=True, slots=True)
class HeaderState:
    """What a header says besides the identity. `pending` (first slot, count) is being written or destroyed: held by nobody."""

    generation: int
    held: int
    seal: bytes
    pending: tuple[int, int] | None


def altered(what: str) -> GalleryFault:
    """Return the fault for bytes that do not open."""
    return GalleryFault(f"{what}: altered, or sealed with another key", code="MD-GAL-006")


class RecordSeal:
    """Seals and opens headers and slots of one file. Keys are derived by HKDF-SHA-256 from the gallery key and the file's salt."""

    def __init__(self, gallery_key: bytes, salt: bytes, dimension: int) -> None:
        """Derive the keys. Raises `GalleryFault` for a gallery key that is not 32 bytes."""
        if not isinstance(gallery_key, bytes) or len(gallery_key) != KEY_BYTES:
            raise GalleryFault(f"a gallery key has {KEY_BYTES} bytes")
        derived = HKDF(SHA256(), 3 * KEY_BYTES, salt, b"egate sealed gallery 1").derive(gallery_key)
        self._header = AESGCM(derived[:KEY_BYTES])
        self._wrapping_key = derived[KEY_BYTES : 2 * KEY_BYTES]
        self._hash_key = derived[2 * KEY_BYTES :]
        self._salt = salt
        self._content_bytes = 1 + LARGEST_KEY_BYTES + 2 * dimension
        self.slot_bytes = WRAPPED_BYTES + _NONCE_BYTES + self._content_bytes + _TAG_BYTES

    def header(self, identity: GalleryIdentity, state: HeaderState) -> bytes:
        """Return a sealed header of 4096 bytes."""
        content = {
            "identity": asdict(identity),
            "generation": state.generation,
            "held": state.held,
            "seal": state.seal.hex(),
            "pending": state.pending,
        }
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._header.encrypt(nonce, json.dumps(content).encode(), MAGIC)
        whole = MAGIC + self._salt + nonce + _LENGTH.pack(len(sealed)) + sealed
        if len(whole) > HEADER_BYTES:
            raise GalleryFault("the gallery's identity does not fit its header")
        return whole.ljust(HEADER_BYTES, b"\0")

    def open_header(self, header: bytes) -> tuple[GalleryIdentity, HeaderState]:
        """Return identity and state of a sealed header. Raises `GalleryFault` (MD-GAL-006) when it does not open."""
        nonce_at = len(MAGIC) + SALT_BYTES
        length_at = nonce_at + _NONCE_BYTES
        sealed_at = length_at + _LENGTH.size
        (length,) = _LENGTH.unpack(header[length_at:sealed_at])
        try:
            content = self._header.decrypt(header[nonce_at:length_at], header[sealed_at : sealed_at + length], MAGIC)
        except InvalidTag as error:
            raise altered("the header of the sealed gallery") from error
        table = json.loads(content)
        pending = (table["pending"][0], table["pending"][1]) if table["pending"] else None
        state = HeaderState(table["generation"], table["held"], bytes.fromhex(table["seal"]), pending)
        return GalleryIdentity(**table["identity"]), state

    def slot(self, number: int, key: bytes, features: NDArray[np.float16]) -> bytes:
        """Return a record under a new key of its own, bound to its slot."""
        record_key = AESGCM.generate_key(256)
        content = bytes((len(key),)) + key.ljust(LARGEST_KEY_BYTES, b"\0") + features.astype("<f2").tobytes()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(record_key).encrypt(nonce, content, self._salt + _NUMBER.pack(number))
        return aes_key_wrap(self._wrapping_key, record_key) + nonce + sealed

    def open_slot(self, number: int, slot: bytes) -> tuple[bytes, NDArray[np.float16]]:
        """Return key and features of a held slot. Raises `GalleryFault` (MD-GAL-006) when one bit differs."""
        wrapped, nonce = slot[:WRAPPED_BYTES], slot[WRAPPED_BYTES : WRAPPED_BYTES + _NONCE_BYTES]
        try:
            record_key = aes_key_unwrap(self._wrapping_key, wrapped)
            content = AESGCM(record_key).decrypt(
                nonce, slot[WRAPPED_BYTES + _NONCE_BYTES :], self._salt + _NUMBER.pack(number)
            )
        except (InvalidUnwrap, InvalidTag) as error:
            raise altered(f"record {number} of the sealed gallery") from error
        features = np.frombuffer(content, dtype="<f2", offset=1 + LARGEST_KEY_BYTES).astype(np.float16)
        return content[1 : 1 + content[0]], features

    def hash_of(self, number: int, slot: bytes) -> bytes:
        """Return the keyed hash of a held slot."""
        return hmac.digest(self._hash_key, _NUMBER.pack(number) + slot, hashlib.sha256)


def combined(one: bytes, other: bytes) -> bytes:
    """Return the exclusive or of two hashes: adds one to the seal, or takes it out again."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(NO_SEAL), "big")


def opened_header(gallery_key: bytes, header: bytes) -> tuple[bytes, GalleryIdentity, HeaderState]:
    """Return salt, identity and state. Raises `GalleryFault` (MD-GAL-006) for anything but a header sealed with this key."""
    if not header.startswith(MAGIC) or len(header) != HEADER_BYTES:
        raise altered("the header of the sealed gallery")
    salt = header[len(MAGIC) : len(MAGIC) + SALT_BYTES]
    return (salt, *RecordSeal(gallery_key, salt, 1).open_header(header))
