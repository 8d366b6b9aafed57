"""Diffie-Hellman over curves and over modular groups in one shape, with the two mappings that PACE needs (ICAO 9303-11 §4.4.3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from drivers.chip.twin import curve_table, modular_groups
from drivers.chip.twin.ciphers import Suite
from drivers.chip.twin.curves import Curve, NotOnCurve, Point
from drivers.chip.twin.modular_groups import ModularGroup

_CONSTANTS = {
    16: ("a668892a7c41e3ca739f40b057d85904", "a4e136ac725f738b01c1f60217c188ad"),
    32: (
        "d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676",
        "54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517",
    ),
}


class BadPublicKey(ValueError):
    """The other side's public key is none of this group."""


class KeyAgreement(Protocol):
    """A group with a generator."""

    @property
    def order(self) -> int:
        """Order of the generator."""
        ...

    @property
    def field(self) -> int:
        """The prime of the underlying field."""
        ...

    @property
    def public_key_tag(self) -> int:
        """Tag of a public key in the data object 7F49."""
        ...

    def public_key(self, private: int) -> bytes:
        """Return the public key of a private one."""
        ...

    def shared_secret(self, private: int, peer: bytes) -> bytes:
        """Return the shared secret; raises `BadPublicKey`."""
        ...

    def mapped_generically(self, nonce: bytes, private: int, peer: bytes) -> KeyAgreement:
        """Return the group with the generator of the generic mapping; raises `BadPublicKey`."""
        ...

    def mapped_to(self, element: int) -> KeyAgreement:
        """Return the group with the generator of the integrated mapping for a pseudo-random field element."""
        ...


@dataclass(frozen=True, slots=True)
class CurveAgreement:
    """ECDH."""

    curve: Curve
    generator: Point = None

    @property
    def order(self) -> int:
        """Order of the base point."""
        return self.curve.n

    @property
    def field(self) -> int:
        """The field's prime."""
        return self.curve.p

    @property
    def public_key_tag(self) -> int:
        """Tag of a point."""
        return 0x86

    def public_key(self, private: int) -> bytes:
        """Return the uncompressed point."""
        return self.curve.encode(self.curve.multiply(private, self.generator))

    def shared_secret(self, private: int, peer: bytes) -> bytes:
        """Return the x coordinate of the shared point."""
        point = self._shared_point(private, peer)
        return self.curve.encode(point)[1 : 1 + self.curve.width_bytes]

    def mapped_generically(self, nonce: bytes, private: int, peer: bytes) -> CurveAgreement:
        """Return the curve with s*G + H as its generator."""
        shared = self._shared_point(private, peer)
        return replace(
            self, generator=self.curve.add(self.curve.multiply(int.from_bytes(nonce, "big"), self.generator), shared)
        )

    def mapped_to(self, element: int) -> CurveAgreement:
        """Return the curve with the encoded point as its generator (ICAO 9303-11 appendix B.2, affine)."""
        p, a, b = self.curve.p, self.curve.a, self.curve.b
        if p % 4 != 3:
            raise BadPublicKey(f"{self.curve.name} has no integrated mapping")
        alpha = -element * element % p
        x2 = -b * pow(a, -1, p) * (1 + pow(alpha + alpha * alpha, -1, p)) % p
        x3 = alpha * x2 % p
        h2 = (x2**3 + a * x2 + b) % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        if root * root * h2 % p == 1:
            point = x2, root * h2 % p
        else:
            point = x3, root * pow(element, 3, p) * h2 % p
        return replace(self, generator=point)

    def _shared_point(self, private: int, peer: bytes) -> Point:
        try:
            point = self.curve.decode(peer)
        except NotOnCurve as error:
            raise BadPublicKey(str(error)) from None
        return self.curve.multiply(private, point)


@dataclass(frozen=True, slots=True)
class ModularAgreement:
    """Diffie-Hellman modulo a prime."""

    group: ModularGroup
    generator: int = 0

    @property
    def order(self) -> int:
        """Order of the subgroup."""
        return self.group.q

    @property
    def field(self) -> int:
        """The modulus."""
        return self.group.p

    @property
    def public_key_tag(self) -> int:
        """Tag of a public value."""
        return 0x84

    def public_key(self, private: int) -> bytes:
        """Return the public value at full width."""
        return self.group.encode(pow(self.generator or self.group.g, private, self.group.p))

    def shared_secret(self, private: int, peer: bytes) -> bytes:
        """Return the shared value at full width."""
        return self.group.encode(self._shared(private, peer))

    def mapped_generically(self, nonce: bytes, private: int, peer: bytes) -> ModularAgreement:
        """Return the group with g^s * h as its generator."""
        shared = self._shared(private, peer)
        p = self.group.p
        power = pow(self.generator or self.group.g, int.from_bytes(nonce, "big"), p)
        return replace(self, generator=power * shared % p)

    def mapped_to(self, element: int) -> ModularAgreement:
        """Return the group with the element's power of the cofactor as its generator."""
        return replace(self, generator=pow(element, (self.group.p - 1) // self.group.q, self.group.p))

    def _shared(self, private: int, peer: bytes) -> int:
        value = int.from_bytes(peer, "big")
        if not self.group.contains(value):
            raise BadPublicKey("not in the subgroup")
        return pow(value, private, self.group.p)


def agreement(parameter_id: int) -> KeyAgreement:
    """Return the group of a standardised domain parameter id (ICAO 9303-11 table 6); raises KeyError."""
    if parameter_id in modular_groups.BY_PARAMETER_ID:
        return ModularAgreement(modular_groups.BY_PARAMETER_ID[parameter_id])
    return CurveAgreement(curve_table.BY_PARAMETER_ID[parameter_id])


def pseudo_random_element(suite: Suite, nonce: bytes, terminal_nonce: bytes, field: int) -> int:
    """Return R_p(s, t) of the integrated mapping (ICAO 9303-11 §4.4.3.3.2)."""
    to_chain, to_output = (bytes.fromhex(constant) for constant in _CONSTANTS[suite.nonce_bytes])
    key = suite.encrypt(terminal_nonce, nonce)[: suite.key_bytes]
    output = b""
    while 8 * len(output) < field.bit_length() + 64:
        output += suite.encrypt(key, to_output)
        key = suite.encrypt(key, to_chain)[: suite.key_bytes]
    return int.from_bytes(output, "big") % field
