"""Active authentication: the chip's signature over the gate's challenge (ICAO 9303-11 §6.1; ISO/IEC 9796-2 scheme 1, TR-03111)."""

from __future__ import annotations

import hashlib

from emrtd.public_keys import (
    KEY_LIMIT_BYTES,
    AlgorithmUnknown,
    PublicKey,
    SignatureAlgorithm,
    SignatureScheme,
    public_key_of,
    verify_with,
)

CHALLENGE_BYTES = 8
_HEAD = 0x6A  # partial recovery, no padding before the recovered part
_SHA1_TRAILER, _LAST_TRAILER_BYTE = 0xBC, 0xCC
_TRAILER_HASHES = {0x33: "sha1", 0x34: "sha256", 0x35: "sha512", 0x36: "sha384", 0x38: "sha224"}
_PLAIN_HASHES = {
    "0.4.0.127.0.7.1.1.4.1.1": "sha1",
    "0.4.0.127.0.7.1.1.4.1.2": "sha224",
    "0.4.0.127.0.7.1.1.4.1.3": "sha256",
    "0.4.0.127.0.7.1.1.4.1.4": "sha384",
    "0.4.0.127.0.7.1.1.4.1.5": "sha512",
}


def verify_active_authentication(spki: bytes, challenge: bytes, response: bytes, signature_algorithm: str = "") -> bool:
    """Return whether `response` is the signature of the key (SubjectPublicKeyInfo) over `challenge`.

    `signature_algorithm` is the object identifier from DG14's ActiveAuthenticationInfo, for ECDSA; empty where DG14 has none.
    Raises `KeyUnusable` and `AlgorithmUnknown`: then nothing can be said of the chip.
    """
    key = public_key_of(spki)
    if len(challenge) != CHALLENGE_BYTES or not 0 < len(response) <= KEY_LIMIT_BYTES:
        return False
    if key.curve is not None:
        return _verify_ecdsa(key, challenge, response, signature_algorithm)
    return _verify_recoverable(key, challenge, response)


def _verify_ecdsa(key: PublicKey, challenge: bytes, response: bytes, signature_algorithm: str) -> bool:
    if signature_algorithm and signature_algorithm not in _PLAIN_HASHES:
        raise AlgorithmUnknown(f"active authentication with {signature_algorithm}")
    names: tuple[str, ...]
    if signature_algorithm:
        names = (_PLAIN_HASHES[signature_algorithm],)
    else:
        # Chips without the announcement: the hash that fits the key first, then the others that the standard allows.
        names = tuple(sorted(_PLAIN_HASHES.values(), key=lambda name: (abs(_bits(name) - key.bits), name)))
    # r || s is the standard's form; some chips answer in DER.
    return any(
        verify_with(key, response, challenge, SignatureAlgorithm(scheme, name))
        for name in names
        for scheme in (SignatureScheme.ECDSA_PLAIN, SignatureScheme.ECDSA)
    )


def _bits(hash_name: str) -> int:
    return 8 * hashlib.new(hash_name).digest_size


def _verify_recoverable(key: PublicKey, challenge: bytes, response: bytes) -> bool:
    """Open the signature and compare the hash of recovered part and challenge. Leading zeros may be missing or too many."""
    number = int.from_bytes(response, "big")
    if not 0 < number < key.modulus:
        return False
    opened = pow(number, key.exponent, key.modulus)
    if opened & 0x0F != 0x0C:
        opened = key.modulus - opened  # ISO/IEC 9796-2 §A.4: the smaller of s and n - s was sent
    message = opened.to_bytes((key.bits + 7) // 8, "big")
    if message[0] != _HEAD:
        return False
    if message[-1] == _SHA1_TRAILER:
        name, trailer_bytes = "sha1", 1
    elif message[-1] != _LAST_TRAILER_BYTE:
        return False
    elif message[-2] in _TRAILER_HASHES:
        name, trailer_bytes = _TRAILER_HASHES[message[-2]], 2
    else:
        raise AlgorithmUnknown(f"active authentication with the hash {message[-2]:02X}")
    tail_bytes = hashlib.new(name).digest_size + trailer_bytes
    recovered, digest = message[1:-tail_bytes], message[-tail_bytes:-trailer_bytes]
    return hashlib.new(name, recovered + challenge).digest() == digest
