"""RSA keys from a seed, and the three paddings that documents use: PKCS #1 v1.5, PSS (RFC 8017), ISO/IEC 9796-2 scheme 1."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from drivers.chip.twin import tlv
from drivers.chip.twin.entropy import Entropy, SeededEntropy

DIGEST_OBJECT_IDS = {
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_TRAILERS = {
    "sha1": b"\xbc",
    "sha224": b"\x38\xcc",
    "sha256": b"\x34\xcc",
    "sha384": b"\x36\xcc",
    "sha512": b"\x35\xcc",
}
_EXPONENT = 65_537
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class RsaKey:
    """A private key with the two primes, for speed."""

    p: int
    q: int

    @property
    def modulus(self) -> int:
        """The public modulus; the exponent is 65537."""
        return self.p * self.q

    @property
    def width_bytes(self) -> int:
        """Bytes of a signature."""
        return (self.modulus.bit_length() + 7) // 8

    def subject_public_key_info(self) -> bytes:
        """Return the key as certificates carry it (RFC 3279 §2.3.1)."""
        return tlv.sequence(
            tlv.sequence(tlv.object_id("1.2.840.113549.1.1.1"), tlv.null()),
            tlv.bit_string(tlv.sequence(tlv.integer(self.modulus), tlv.integer(_EXPONENT))),
        )

    def sign_pkcs1(self, message: bytes, digest: str) -> bytes:
        """Return a PKCS #1 v1.5 signature."""
        hashed = hashlib.new(digest, message).digest()
        identifier = tlv.sequence(tlv.object_id(DIGEST_OBJECT_IDS[digest]), tlv.null())
        block = tlv.sequence(identifier, tlv.octet_string(hashed))
        return self._power(b"\x00\x01" + b"\xff" * (self.width_bytes - len(block) - 3) + b"\x00" + block)

    def sign_pss(self, message: bytes, digest: str, salt: bytes) -> bytes:
        """Return a PSS signature; its mask uses the same digest."""
        bits = self.modulus.bit_length() - 1
        width = (bits + 7) // 8
        hashed = hashlib.new(digest, bytes(8) + hashlib.new(digest, message).digest() + salt).digest()
        block = bytes(width - len(salt) - len(hashed) - 2) + b"\x01" + salt
        masked = bytearray(a ^ b for a, b in zip(block, _mask(hashed, len(block), digest), strict=True))
        masked[0] &= 0xFF >> 8 * width - bits
        return self._power(bytes(masked) + hashed + b"\xbc")

    def sign_recoverably(self, challenge: bytes, digest: str, entropy: Entropy) -> bytes:
        """Return the answer of active authentication: random M1 recoverable, the challenge is M2 (ICAO 9303-11 §6.1)."""
        trailer = _TRAILERS[digest]
        room = self.width_bytes - hashlib.new(digest).digest_size - len(trailer) - 1
        recoverable = entropy(room)
        hashed = hashlib.new(digest, recoverable + challenge).digest()
        return self._power(b"\x6a" + recoverable + hashed + trailer)

    def _power(self, block: bytes) -> bytes:
        value = int.from_bytes(block, "big")
        private = pow(_EXPONENT, -1, (self.p - 1) * (self.q - 1))
        left, right = pow(value, private % (self.p - 1), self.p), pow(value, private % (self.q - 1), self.q)
        result = right + self.q * (pow(self.q, -1, self.p) * (left - right) % self.p)
        return result.to_bytes(self.width_bytes, "big")


@cache
def rsa_key(seed: str, bits: int = 2048) -> RsaKey:
    """Return the key that the seed names; the first time costs about a second for 2048 bits."""
    entropy = SeededEntropy(f"rsa {bits} {seed}")
    p, q = _prime(entropy, bits // 2), _prime(entropy, bits // 2)
    return RsaKey(p, q)


def _mask(seed: bytes, size: int, digest: str) -> bytes:
    """MGF1."""
    output = b""
    counter = 0
    while len(output) < size:
        output += hashlib.new(digest, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return output[:size]


@cache
def _small_primes() -> tuple[int, ...]:
    limit = 8192
    sieve = bytearray(b"\x01") * limit
    for number in range(2, 91):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return tuple(number for number in range(3, limit) if sieve[number])


def _prime(entropy: Entropy, bits: int) -> int:
    while True:
        # Both top bits set: the product of two has its full length.
        start = int.from_bytes(entropy(bits // 8), "big") | 3 << bits - 2 | 1
        sieve = bytearray(b"\x01") * 2048  # index i stands for start + 2i
        for prime in _small_primes():
            first = -start * pow(2, -1, prime) % prime
            sieve[first::prime] = bytes(len(range(first, len(sieve), prime)))
        for index, is_candidate in enumerate(sieve):
            candidate = start + 2 * index
            if is_candidate and (candidate - 1) % _EXPONENT and _is_prime(candidate, entropy):
                return candidate


def _is_prime(number: int, entropy: Entropy) -> bool:
    """Miller-Rabin."""
    odd, twos = number - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for base in (2, *(int.from_bytes(entropy(16), "big") for _ in range(_ROUNDS - 1))):
        power = pow(base, odd, number)
        if power in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
