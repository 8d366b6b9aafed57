"""Signature schemes of certificates and security objects: which key, which padding, which digest, and how each is named."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from drivers.chip.twin import curve_table, tlv
from drivers.chip.twin.curve_keys import CurveKey, curve_key
from drivers.chip.twin.rsa import DIGEST_OBJECT_IDS, RsaKey, rsa_key

SigningKey = RsaKey | CurveKey

_ECDSA = {
    "sha1": "1.2.840.10045.4.1",
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
_PKCS1 = {
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"


class Padding(StrEnum):
    """What is signed with: a curve key has no padding."""

    ECDSA = "ecdsa"
    PKCS1 = "pkcs1"
    PSS = "pss"


@dataclass(frozen=True, slots=True)
class Scheme:
    """How an authority signs. `curve` by name, for ECDSA; `is_explicit`: its keys spell the curve's parameters out."""

    padding: Padding = Padding.ECDSA
    digest: str = "sha256"
    curve: str = "brainpoolP256r1"
    is_explicit: bool = True
    modulus_bits: int = 2048

    def key(self, seed: str) -> SigningKey:
        """Return the key that the seed names."""
        if self.padding is Padding.ECDSA:
            return curve_key(seed, curve_table.BY_NAME[self.curve], is_explicit=self.is_explicit)
        return rsa_key(seed, self.modulus_bits)

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Return the signature over the message."""
        if isinstance(key, CurveKey):
            return key.sign_der(message, self.digest)
        if self.padding is Padding.PSS:
            salt = hashlib.new(self.digest, b"salt" + message).digest()
            return key.sign_pss(message, self.digest, salt)
        return key.sign_pkcs1(message, self.digest)

    def algorithm(self) -> bytes:
        """Return the AlgorithmIdentifier of the signature."""
        if self.padding is Padding.ECDSA:
            return tlv.sequence(tlv.object_id(_ECDSA[self.digest]))
        if self.padding is Padding.PKCS1:
            return tlv.sequence(tlv.object_id(_PKCS1[self.digest]), tlv.null())
        digest = tlv.sequence(tlv.object_id(DIGEST_OBJECT_IDS[self.digest]), tlv.null())
        salt_bytes = hashlib.new(self.digest).digest_size
        parameters = tlv.sequence(
            tlv.explicit(0, digest),
            tlv.explicit(1, tlv.sequence(tlv.object_id(_MGF1), digest)),
            tlv.explicit(2, tlv.integer(salt_bytes)),
        )
        return tlv.sequence(tlv.object_id(_PSS), parameters)

    def digest_algorithm(self) -> bytes:
        """Return the AlgorithmIdentifier of the digest."""
        return digest_algorithm(self.digest)


def digest_algorithm(digest: str) -> bytes:
    """Return the AlgorithmIdentifier of a digest."""
    return tlv.sequence(tlv.object_id(DIGEST_OBJECT_IDS[digest]))
