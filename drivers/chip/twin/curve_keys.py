"""Keys on curves: as certificates carry them, with named or explicit parameters, and ECDSA (BSI TR-03111 §4.2)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from drivers.chip.twin import tlv
from drivers.chip.twin.curves import Curve
from drivers.chip.twin.entropy import SeededEntropy, scalar

_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_PRIME_FIELD = "1.2.840.10045.1.1"


@dataclass(frozen=True, slots=True)
class CurveKey:
    """A private key. Passports' certificates spell the parameters out (`is_explicit`, ICAO 9303-12 §7.1)."""

    curve: Curve
    private: int
    is_explicit: bool = False

    def subject_public_key_info(self) -> bytes:
        """Return the key as certificates and data groups carry it (RFC 5480; explicit: X9.62)."""
        parameters = _explicit_parameters(self.curve) if self.is_explicit else tlv.object_id(self.curve.object_id)
        point = self.curve.encode(self.curve.multiply(self.private))
        return tlv.sequence(tlv.sequence(tlv.object_id(_EC_PUBLIC_KEY), parameters), tlv.bit_string(point))

    def sign(self, message: bytes, digest: str) -> tuple[int, int]:
        """Return r and s. The one-time scalar comes from key and message, so a signature is the same every time."""
        curve = self.curve
        hashed = hashlib.new(digest, message).digest()
        number = int.from_bytes(hashed, "big") >> max(0, 8 * len(hashed) - curve.n.bit_length())
        for attempt in range(16):
            seed = hmac.digest(self.private.to_bytes(curve.order_bytes, "big"), hashed + bytes((attempt,)), "sha256")
            once = scalar(SeededEntropy(seed.hex()), curve.n)
            point = curve.multiply(once)
            r = point[0] % curve.n if point else 0
            s = pow(once, -1, curve.n) * (number + r * self.private) % curve.n
            if r and s:
                return r, s
        raise ArithmeticError("sixteen times zero")

    def sign_der(self, message: bytes, digest: str) -> bytes:
        """Return the signature as a SEQUENCE of two INTEGERs."""
        return tlv.sequence(*(tlv.integer(part) for part in self.sign(message, digest)))

    def sign_plain(self, message: bytes, digest: str) -> bytes:
        """Return r and s at full width, one after another."""
        return b"".join(part.to_bytes(self.curve.order_bytes, "big") for part in self.sign(message, digest))


def curve_key(seed: str, curve: Curve, *, is_explicit: bool = False) -> CurveKey:
    """Return the key that the seed names."""
    return CurveKey(curve, scalar(SeededEntropy(f"{curve.name} {seed}"), curve.n), is_explicit)


def _explicit_parameters(curve: Curve) -> bytes:
    width = curve.width_bytes
    return tlv.sequence(
        tlv.integer(1),
        tlv.sequence(tlv.object_id(_PRIME_FIELD), tlv.integer(curve.p)),
        tlv.sequence(
            tlv.octet_string(curve.a.to_bytes(width, "big")), tlv.octet_string(curve.b.to_bytes(width, "big"))
        ),
        tlv.octet_string(curve.encode(curve.base)),
        tlv.integer(curve.n),
        tlv.integer(1),
    )
