"""The elliptic curves of travel documents, by name, by object identifier and by their explicit parameters (ICAO 9303-12 §4.4; RFC 5639, SEC 2).

ICAO 9303-12 asks certificates to spell a curve's parameters out. A curve that is taken for a known one because some of its parameters look
familiar lets an attacker choose the generator (CVE-2020-0601), so every parameter is compared with the table and only the table's curve is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import ecdsa
from asn1crypto import keys
from ecdsa.ellipticcurve import CurveFp, PointJacobi
from ecdsa.numbertheory import SquareRootError, square_root_mod_prime

from emrtd.asn1_faults import ENCODING_FAULTS

_UNCOMPRESSED, _COMPRESSED_EVEN, _COMPRESSED_ODD = 4, 2, 3
_INTEGER_LIMIT_BYTES = 256  # far above the longest parameter; padding beyond it is no encoding but an attack on time


class CurveUnknown(ValueError):
    """Domain parameters that are no curve of the table: another name, implicit ones, or explicit ones of which at least one differs."""


class PointInvalid(ValueError):
    """Bytes that are no point of the curve: wrong length or form, a coordinate outside the field, off the curve, or the point at infinity."""


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve of the table: its usual `name`, dotted `oid`, the `ecdsa` library's curve and the length of a coordinate in bytes."""

    name: str
    oid: str
    ecdsa_curve: Any
    field_bytes: int

    @property
    def order(self) -> int:
        """The number of points (n); every curve of the table has the cofactor 1."""
        return int(self.ecdsa_curve.order)

    @property
    def generator(self) -> PointJacobi:
        """The base point (G)."""
        return self.ecdsa_curve.generator


def _named(name: str, curve: Any) -> NamedCurve:
    return NamedCurve(name, ".".join(map(str, curve.oid)), curve, (int(curve.curve.p()).bit_length() + 7) // 8)


CURVES: tuple[NamedCurve, ...] = (
    _named("secp192r1", ecdsa.NIST192p),
    _named("secp224r1", ecdsa.NIST224p),
    _named("secp256r1", ecdsa.NIST256p),
    _named("secp384r1", ecdsa.NIST384p),
    _named("secp521r1", ecdsa.NIST521p),
    _named("brainpoolP160r1", ecdsa.BRAINPOOLP160r1),
    _named("brainpoolP192r1", ecdsa.BRAINPOOLP192r1),
    _named("brainpoolP224r1", ecdsa.BRAINPOOLP224r1),
    _named("brainpoolP256r1", ecdsa.BRAINPOOLP256r1),
    _named("brainpoolP320r1", ecdsa.BRAINPOOLP320r1),
    _named("brainpoolP384r1", ecdsa.BRAINPOOLP384r1),
    _named("brainpoolP512r1", ecdsa.BRAINPOOLP512r1),
)
"""Every curve this gate knows: what ICAO 9303-11 §9.5 and TR-03110 name for PACE, and what signing certificates use."""


@cache
def curve_by_name(name: str) -> NamedCurve:
    """Return the curve of that name or dotted object identifier. Raises `CurveUnknown`."""
    for curve in CURVES:
        if name in (curve.name, curve.oid):
            return curve
    raise CurveUnknown(f"no curve {name[:64]}")


def curve_of(parameters: keys.ECDomainParameters) -> NamedCurve:
    """Return the curve that `parameters` name or spell out. Raises `CurveUnknown` unless all of p, a, b, G, n and h (if given) are its own."""
    try:
        match parameters.name:
            case "named":
                return curve_by_name(parameters.chosen.dotted)
            case "specified":
                return _curve_of_explicit(parameters.chosen)
    except CurveUnknown:
        raise
    except ENCODING_FAULTS as error:
        raise CurveUnknown("curve parameters that cannot be read") from error
    raise CurveUnknown("curve parameters left to the issuer")


def _curve_of_explicit(specified: keys.SpecifiedECDomain) -> NamedCurve:
    if specified["field_id"]["field_type"].native != "prime_field":
        raise CurveUnknown("a curve over a field that is not prime")
    p = specified["field_id"]["parameters"].native
    a, b = (_integer(specified["curve"][name].native) for name in ("a", "b"))
    n, h = specified["order"].native, specified["cofactor"].native
    for curve in CURVES:
        field: CurveFp = curve.ecdsa_curve.curve
        # -3 and p - 3 are the same coefficient; both are met.
        if (p, a % p if p else a, b, n) == (field.p(), field.a() % field.p(), field.b(), curve.order):
            if h not in (None, 1):
                raise CurveUnknown(f"{curve.name} with another cofactor")
            try:
                base = point_of(curve, specified["base"].native, strict_length=False)
            except PointInvalid:
                raise CurveUnknown(f"{curve.name} with a base point off the curve") from None
            if base != curve.generator:
                raise CurveUnknown(f"{curve.name} with another base point")
            return curve
    raise CurveUnknown("explicit parameters of no known curve")


def point_of(curve: NamedCurve, encoded: bytes, *, strict_length: bool = True) -> PointJacobi:
    """Return the point of an encoded public key, uncompressed or compressed (SEC 1 §2.3.4). Raises `PointInvalid` unless it lies on the curve.

    `strict_length` False takes coordinates with more or fewer leading zeros, as they are met in explicit parameters.
    """
    if len(encoded) > 2 * _INTEGER_LIMIT_BYTES or not encoded:
        raise PointInvalid(f"a point of {len(encoded)} bytes")
    form, coordinates = encoded[0], encoded[1:]
    if strict_length and len(coordinates) != curve.field_bytes * (2 if form == _UNCOMPRESSED else 1):
        raise PointInvalid(f"a point of {len(encoded)} bytes on {curve.name}")
    field: CurveFp = curve.ecdsa_curve.curve
    p = int(field.p())
    if form == _UNCOMPRESSED and len(coordinates) % 2 == 0:
        half = len(coordinates) // 2
        x, y = (int.from_bytes(part, "big") for part in (coordinates[:half], coordinates[half:]))
    elif form in (_COMPRESSED_EVEN, _COMPRESSED_ODD):
        x = int.from_bytes(coordinates, "big")
        y = _ordinate(field, x, is_odd=form == _COMPRESSED_ODD)
    else:
        raise PointInvalid(f"a point of the form {form:02X}")
    if not (0 <= x < p and 0 <= y < p and field.contains_point(x, y)):
        raise PointInvalid(f"a point that is not on {curve.name}")
    return PointJacobi(field, x, y, 1, curve.order)


def encode_point(curve: NamedCurve, point: PointJacobi) -> bytes:
    """Return the uncompressed encoding of a point (not the point at infinity)."""
    coordinates = (int(point.x()), int(point.y()))
    return b"\x04" + b"".join(coordinate.to_bytes(curve.field_bytes, "big") for coordinate in coordinates)


def _ordinate(field: CurveFp, x: int, *, is_odd: bool) -> int:
    """Return the y of a compressed point."""
    p = int(field.p())
    if x >= p:
        raise PointInvalid("a coordinate outside the field")
    try:
        y = int(square_root_mod_prime((pow(x, 3, p) + int(field.a()) * x + int(field.b())) % p, p))
    except SquareRootError:
        raise PointInvalid("a coordinate that no point has") from None
    return p - y if y % 2 != is_odd and y else y


def _integer(octets: bytes) -> int:
    if len(octets) > _INTEGER_LIMIT_BYTES:
        raise CurveUnknown(f"a curve parameter of {len(octets)} bytes")
    return int.from_bytes(octets, "big")
