"""The four cipher suites of passport chips: key derivation, encryption and message authentication (ICAO 9303-11 §9.7 and §9.8)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

MAC_BYTES = 8


def pad(content: bytes, block_bytes: int) -> bytes:
    """Append 80 and zeros up to a whole block (ISO/IEC 9797-1 method 2)."""
    return content + b"\x80" + bytes(-(len(content) + 1) % block_bytes)


def unpad(content: bytes) -> bytes:
    """Take that padding off; raises ValueError where there is none."""
    bare = content.rstrip(b"\x00")
    if bare[-1:] != b"\x80":
        raise ValueError("no padding")
    return bare[:-1]


@dataclass(frozen=True, slots=True)
class Suite:
    """One cipher with its sizes. Bare CBC throughout: the protocols pad by themselves."""

    name: str
    key_bytes: int
    block_bytes: int
    nonce_bytes: int

    @property
    def is_triple_des(self) -> bool:
        """Whether this is the two-key triple DES of the first passports."""
        return self.block_bytes == 8

    def derive_key(self, secret: bytes, counter: int) -> bytes:
        """Return the key for encryption (1), authentication (2) or of a password (3)."""
        digest = hashlib.sha256 if self.key_bytes > 16 else hashlib.sha1
        key = digest(secret + counter.to_bytes(4, "big")).digest()[: self.key_bytes]
        return _odd_parity(key) if self.is_triple_des else key

    def encrypt(self, key: bytes, content: bytes, iv: bytes = b"") -> bytes:
        """Encrypt whole blocks; zero IV unless one is given."""
        encryptor = Cipher(self._algorithm(key), modes.CBC(iv or bytes(self.block_bytes))).encryptor()
        return encryptor.update(content) + encryptor.finalize()

    def decrypt(self, key: bytes, content: bytes, iv: bytes = b"") -> bytes:
        """Decrypt whole blocks."""
        decryptor = Cipher(self._algorithm(key), modes.CBC(iv or bytes(self.block_bytes))).decryptor()
        return decryptor.update(content) + decryptor.finalize()

    def token(self, key: bytes, content: bytes) -> bytes:
        """Return the MAC of a message that is not padded for its cipher: retail MAC with its own padding, or CMAC."""
        if self.is_triple_des:
            return _retail_mac(key, pad(content, self.block_bytes))
        return self._cmac(key, content)

    def checksum(self, key: bytes, padded: bytes) -> bytes:
        """Return the MAC of whole blocks, as in secure messaging."""
        return _retail_mac(key, padded) if self.is_triple_des else self._cmac(key, padded)

    def _algorithm(self, key: bytes) -> BlockCipherAlgorithm:
        return TripleDES(key + key[:8]) if self.is_triple_des else AES(key)

    def _cmac(self, key: bytes, content: bytes) -> bytes:
        """NIST SP 800-38B, cut to eight bytes."""
        whole = bool(content) and len(content) % 16 == 0
        subkey = self.encrypt(key, bytes(16))
        for _ in range(1 if whole else 2):
            number = int.from_bytes(subkey, "big") << 1
            subkey = ((number & (1 << 128) - 1) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")
        padded = content if whole else pad(content, 16)
        last = bytes(a ^ b for a, b in zip(padded[-16:], subkey, strict=True))
        return self.encrypt(key, padded[:-16] + last)[-16:-8]


def _retail_mac(key: bytes, padded: bytes) -> bytes:
    """ISO/IEC 9797-1 algorithm 3: DES-CBC with the first half, the last block through the second and the first half again."""
    single = _des(key[:8])
    chained = single.encryptor().update(padded)[-8:]
    back = Cipher(TripleDES(key[8:] * 3), modes.CBC(bytes(8))).decryptor().update(chained)
    return single.encryptor().update(back)


def _des(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(TripleDES(key * 3), modes.CBC(bytes(8)))


def _odd_parity(key: bytes) -> bytes:
    return bytes(byte & 0xFE | (byte.bit_count() + (byte & 1) + 1) & 1 for byte in key)


TRIPLE_DES = Suite("3DES", 16, 8, 16)
AES_128 = Suite("AES-128", 16, 16, 16)
AES_192 = Suite("AES-192", 24, 16, 32)
AES_256 = Suite("AES-256", 32, 16, 32)
SUITES = {1: TRIPLE_DES, 2: AES_128, 3: AES_192, 4: AES_256}
"""By the last arc of the object identifiers of PACE and chip authentication."""
