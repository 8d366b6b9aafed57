"""Ciphers, message authentication and key derivation of the chip protocols (ICAO 9303-11 §9.7 and §9.8)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

MAC_BYTES = 8
ENCRYPTION, AUTHENTICATION, PASSWORD = 1, 2, 3


class WrongPadding(ValueError):
    """A plain text that does not end as ISO/IEC 9797-1 padding method 2 ends it."""


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """A block cipher with its key size and the hash that keys are derived with."""

    name: str
    key_bytes: int
    block_bytes: int
    digest: Literal["sha1", "sha256"]

    @property
    def is_aes(self) -> bool:
        """Whether the cipher is AES; else it is two-key 3DES."""
        return self.block_bytes == 16


TRIPLE_DES = CipherSuite("3DES", 16, 8, "sha1")
AES_128 = CipherSuite("AES-128", 16, 16, "sha1")
AES_192 = CipherSuite("AES-192", 24, 16, "sha256")
AES_256 = CipherSuite("AES-256", 32, 16, "sha256")
# By the last arc of a protocol's object identifier.
SUITES = {1: TRIPLE_DES, 2: AES_128, 3: AES_192, 4: AES_256}


def derive_key(suite: CipherSuite, secret: bytes, purpose: int) -> bytes:
    """Return the key for a purpose (1 encryption, 2 authentication, 3 PACE password) out of a shared secret."""
    digest = hashlib.new(suite.digest, secret + purpose.to_bytes(4, "big"), usedforsecurity=True).digest()
    key = digest[: suite.key_bytes]
    return key if suite.is_aes else with_odd_parity(key)


def with_odd_parity(key: bytes) -> bytes:
    """Return a DES key with the lowest bit of every byte set so that the byte has an odd number of ones."""
    return bytes(byte & 0xFE | (byte >> 1).bit_count() & 1 ^ 1 for byte in key)


def mrz_seed(mrz_information: str) -> bytes:
    """Return SHA-1 over the MRZ information: its 20 bytes are the PACE password, the first 16 the seed of basic access."""
    return hashlib.sha1(mrz_information.encode("ascii")).digest()  # noqa: S324 - what the standard says


def pad(content: bytes, block_bytes: int) -> bytes:
    """Pad by method 2: one byte 80, then zeros up to the block."""
    return content + b"\x80" + bytes(-(len(content) + 1) % block_bytes)


def unpad(content: bytes) -> bytes:
    """Take padding method 2 off again. Raises `WrongPadding`."""
    stripped = content.rstrip(b"\x00")
    if not stripped.endswith(b"\x80"):
        raise WrongPadding("the plain text is not padded")
    return stripped[:-1]


def encrypt(suite: CipherSuite, key: bytes, content: bytes, vector: bytes | None = None) -> bytes:
    """Encrypt whole blocks in CBC mode; the vector is zero when left out."""
    encryptor = _cipher(suite, key, vector).encryptor()
    return encryptor.update(content) + encryptor.finalize()


def decrypt(suite: CipherSuite, key: bytes, content: bytes, vector: bytes | None = None) -> bytes:
    """Decrypt whole blocks in CBC mode; the vector is zero when left out."""
    decryptor = _cipher(suite, key, vector).decryptor()
    return decryptor.update(content) + decryptor.finalize()


def authenticate(suite: CipherSuite, key: bytes, padded: bytes) -> bytes:
    """Return the 8-byte MAC of whole blocks: CMAC, or the retail MAC of ISO/IEC 9797-1 (algorithm 3) without padding of its own."""
    if suite.is_aes:
        cmac = CMAC(algorithms.AES(key))
        cmac.update(padded)
        return cmac.finalize()[:MAC_BYTES]
    first, second = key[:8], key[8:]
    last = _des(first).encryptor().update(padded)[-8:]
    return _des(first).encryptor().update(_des(second).decryptor().update(last))


def authenticate_unpadded(suite: CipherSuite, key: bytes, content: bytes) -> bytes:
    """Return the MAC of content of any length: CMAC pads by itself, the retail MAC by method 2."""
    return authenticate(suite, key, content if suite.is_aes else pad(content, suite.block_bytes))


def _cipher(suite: CipherSuite, key: bytes, vector: bytes | None) -> Cipher[modes.CBC]:
    algorithm = algorithms.AES(key) if suite.is_aes else TripleDES(key + key[:8])
    return Cipher(algorithm, modes.CBC(vector or bytes(suite.block_bytes)))


def _des(key: bytes) -> Cipher[modes.CBC]:
    """Single DES, as 3DES with one key three times."""
    return Cipher(TripleDES(key * 3), modes.CBC(bytes(8)))
