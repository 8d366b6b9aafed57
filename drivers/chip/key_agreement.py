"""The groups that keys are agreed in: elliptic curves and prime fields, with the mappings of PACE (ICAO 9303-11 §4.4.3.3 and appendix B)."""

from __future__ import annotations

from collections.abc import Callable

from ecdsa.ellipticcurve import INFINITY, PointJacobi

from drivers.chip.ciphers import CipherSuite, encrypt
from drivers.chip.modular_groups import MODULAR_GROUPS, ModularParameters
from drivers.chip.protocol_outcomes import ProtocolUnsupported
from emrtd.curves import NamedCurve, PointInvalid, curve_by_name, encode_point, point_of

Random = Callable[[int], bytes]

CURVE_OF_PARAMETER_ID = {
    8: "secp192r1",
    9: "brainpoolP192r1",
    10: "secp224r1",
    11: "brainpoolP224r1",
    12: "secp256r1",
    13: "brainpoolP256r1",
    14: "brainpoolP320r1",
    15: "secp384r1",
    16: "brainpoolP384r1",
    17: "brainpoolP512r1",
    18: "secp521r1",
}
_EXTRA_BITS = 64
# Constants of the pseudo-random function (appendix B.1), for blocks of 128 and of 256 bits.
_STEP_KEY = {
    16: bytes.fromhex("a668892a7c41e3ca739f40b057d85904"),
    32: bytes.fromhex("d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676"),
}
_STEP_OUTPUT = {
    16: bytes.fromhex("a4e136ac725f738b01c1f60217c188ad"),
    32: bytes.fromhex("54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517"),
}


class KeyInvalid(ValueError):
    """A public key of the other side that is none: off the curve, outside the field, of a small order."""


class EllipticAgreement:
    """Keys on an elliptic curve: secrets are numbers, elements points."""

    key_tag = 0x86

    def __init__(self, curve: NamedCurve) -> None:
        self.curve = curve

    @property
    def generator(self) -> PointJacobi:
        """The base point."""
        return self.curve.generator

    def secret(self, random: Random) -> int:
        """Return a number below the order, with no bias worth a name (FIPS 186-5 §A.2.1)."""
        width = (self.curve.order.bit_length() + _EXTRA_BITS + 7) // 8
        return int.from_bytes(random(width), "big") % (self.curve.order - 1) + 1

    def apply(self, secret: int, element: PointJacobi) -> PointJacobi:
        """Multiply a point. Raises `KeyInvalid` for the point at infinity."""
        return _finite(element * secret)

    def combine(self, one: PointJacobi, other: PointJacobi) -> PointJacobi:
        """Add two points. Raises `KeyInvalid` for the point at infinity."""
        return _finite(one + other)

    def encode(self, element: PointJacobi) -> bytes:
        """Return the uncompressed form."""
        return encode_point(self.curve, element)

    def decode(self, content: bytes) -> PointJacobi:
        """Return the point, which lies on the curve. Raises `KeyInvalid`."""
        try:
            return point_of(self.curve, content)
        except PointInvalid as error:
            raise KeyInvalid(str(error)) from None

    def shared_secret(self, element: PointJacobi) -> bytes:
        """Return the x-coordinate."""
        return int(element.x()).to_bytes(self.curve.field_bytes, "big")

    def mapped_directly(self, suite: CipherSuite, nonce: bytes, ours: bytes) -> PointJacobi:
        """Encode the pseudo-random number into a point (appendix B.2). Raises `ProtocolUnsupported` unless p = 3 modulo 4."""
        field = self.curve.ecdsa_curve.curve
        p, a, b = int(field.p()), int(field.a()), int(field.b())
        if p % 4 != 3:
            raise ProtocolUnsupported(f"{self.curve.name} has no integrated mapping")
        t = _pseudo_random(suite, nonce, ours, p)
        alpha = -t * t % p
        x2 = -b * pow(a, -1, p) * (1 + pow(alpha + alpha * alpha, -1, p)) % p
        x3 = alpha * x2 % p
        h2 = (x2 * x2 * x2 + a * x2 + b) % p
        inverse_root = pow(h2, p - 1 - (p + 1) // 4, p)
        if inverse_root * inverse_root * h2 % p == 1:
            x, y = x2, inverse_root * h2 % p
        else:
            x, y = x3, inverse_root * pow(t, 3, p) * h2 % p
        if not field.contains_point(x, y):
            raise KeyInvalid("a mapped point off the curve")
        return PointJacobi(field, x, y, 1, self.curve.order)


class ModularAgreement:
    """Keys in a prime field: secrets are exponents, elements numbers."""

    key_tag = 0x84

    def __init__(self, parameters: ModularParameters) -> None:
        self._parameters = parameters
        self._width_bytes = (parameters.prime.bit_length() + 7) // 8

    @property
    def generator(self) -> int:
        """The generator of the subgroup."""
        return self._parameters.generator

    def secret(self, random: Random) -> int:
        """Return an exponent below the order of the subgroup."""
        order = self._parameters.order or self._parameters.prime - 1
        width = (order.bit_length() + _EXTRA_BITS + 7) // 8
        return int.from_bytes(random(width), "big") % (order - 1) + 1

    def apply(self, secret: int, element: int) -> int:
        """Raise to a power. Raises `KeyInvalid` for a result of order one or two."""
        return self._proper(pow(element, secret, self._parameters.prime))

    def combine(self, one: int, other: int) -> int:
        """Multiply. Raises `KeyInvalid` for a result of order one or two."""
        return self._proper(one * other % self._parameters.prime)

    def encode(self, element: int) -> bytes:
        """Return the number in as many bytes as the prime has."""
        return element.to_bytes(self._width_bytes, "big")

    def decode(self, content: bytes) -> int:
        """Return the number, which is in the subgroup (RFC 2631 §2.1.5) and neither 0, 1 nor -1. Raises `KeyInvalid`."""
        if len(content) > self._width_bytes:
            raise KeyInvalid(f"a key of {len(content)} bytes")
        element = self._proper(int.from_bytes(content, "big"))
        order = self._parameters.order
        if order is not None and pow(element, order, self._parameters.prime) != 1:
            raise KeyInvalid("a key outside the subgroup")  # would leak bits of the secret, a few at a time
        return element

    def shared_secret(self, element: int) -> bytes:
        """Return the number, padded."""
        return self.encode(element)

    def mapped_directly(self, suite: CipherSuite, nonce: bytes, ours: bytes) -> int:
        """Raise the pseudo-random number into the subgroup (§4.4.3.3.2). Raises `ProtocolUnsupported` where none is known."""
        prime, order = self._parameters.prime, self._parameters.order
        if order is None:
            raise ProtocolUnsupported("a field without a known subgroup has no integrated mapping")
        return self.apply((prime - 1) // order, _pseudo_random(suite, nonce, ours, prime))

    def _proper(self, element: int) -> int:
        if not 1 < element < self._parameters.prime - 1:
            raise KeyInvalid("a key outside the field, or of order one or two")
        return element


def agreement_of(parameter_id: int, *, is_elliptic: bool) -> EllipticAgreement | ModularAgreement:
    """Return the group of a standardised parameter id (§9.5.1). Raises `ProtocolUnsupported`."""
    if is_elliptic and parameter_id in CURVE_OF_PARAMETER_ID:
        return EllipticAgreement(curve_by_name(CURVE_OF_PARAMETER_ID[parameter_id]))
    if not is_elliptic and parameter_id in MODULAR_GROUPS:
        return ModularAgreement(MODULAR_GROUPS[parameter_id])
    raise ProtocolUnsupported(f"parameter id {parameter_id}")


def _finite(point: PointJacobi) -> PointJacobi:
    if point == INFINITY:
        raise KeyInvalid("the point at infinity")
    return point


def _pseudo_random(suite: CipherSuite, nonce: bytes, ours: bytes, prime: int) -> int:
    """Return R(s, t) modulo p: blocks of 128 bits, of 256 for the longer AES keys."""
    width = 16 if suite.key_bytes == 16 else 32
    if len(nonce) != width or len(ours) != suite.key_bytes:
        raise KeyInvalid("a nonce of another length than the cipher's")
    key = encrypt(suite, ours, nonce)
    output = b""
    while len(output) * 8 < prime.bit_length() + _EXTRA_BITS:
        output += encrypt(suite, key[: suite.key_bytes], _STEP_OUTPUT[width])
        key = encrypt(suite, key[: suite.key_bytes], _STEP_KEY[width])
    return int.from_bytes(output, "big") % prime
