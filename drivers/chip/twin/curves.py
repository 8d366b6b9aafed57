"""Point arithmetic on short Weierstrass curves: Jacobian coordinates, signed windows. Not constant in time, as its keys are for show."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[int, int] | None
"""Affine coordinates; None is the point at infinity."""

_Jacobian = tuple[int, int, int]
_INFINITY: _Jacobian = (1, 1, 0)
_WINDOW_BITS = 5


class NotOnCurve(ValueError):
    """Bytes that are no point of the curve."""


@dataclass(frozen=True)
class Curve:
    """y^2 = x^3 + ax + b modulo p with the base point (x, y) of prime order n; the cofactor of every curve here is 1."""

    name: str
    object_id: str
    parameter_id: int
    p: int
    a: int
    b: int
    x: int
    y: int
    n: int

    @property
    def base(self) -> Point:
        """The base point."""
        return self.x, self.y

    @property
    def width_bytes(self) -> int:
        """Bytes of one coordinate."""
        return (self.p.bit_length() + 7) // 8

    @property
    def order_bytes(self) -> int:
        """Bytes of one scalar."""
        return (self.n.bit_length() + 7) // 8

    def contains(self, point: Point) -> bool:
        """Whether the point satisfies the equation; infinity does not."""
        if point is None:
            return False
        x, y = point
        return 0 <= x < self.p and 0 <= y < self.p and (y * y - (x * x + self.a) * x - self.b) % self.p == 0

    def encode(self, point: Point) -> bytes:
        """Return the uncompressed form (X9.62): 04, x, y."""
        if point is None:
            raise NotOnCurve("infinity has no encoding here")
        width = self.width_bytes
        return b"\x04" + point[0].to_bytes(width, "big") + point[1].to_bytes(width, "big")

    def decode(self, content: bytes) -> Point:
        """Return the point of an uncompressed encoding; raises `NotOnCurve`."""
        width = self.width_bytes
        if len(content) != 2 * width + 1 or content[0] != 4:
            raise NotOnCurve(f"{len(content)} bytes are no uncompressed point of {self.name}")
        point = int.from_bytes(content[1 : width + 1], "big"), int.from_bytes(content[width + 1 :], "big")
        if not self.contains(point):
            raise NotOnCurve(f"not on {self.name}")
        return point

    def add(self, left: Point, right: Point) -> Point:
        """Return the sum of two points."""
        if left is None:
            return right
        if right is None:
            return left
        return self._affine(self._add_affine((left[0], left[1], 1), right))

    def multiply(self, scalar: int, point: Point = None) -> Point:
        """Return `scalar` times the point; without one, times the base point."""
        base = point or self.base
        scalar %= self.n
        if base is None or not scalar:
            return None
        multiples = self._odd_multiples(base)
        result = _INFINITY
        for digit in reversed(_signed_windows(scalar)):
            result = self._double(result)
            if digit > 0:
                result = self._add_affine(result, multiples[digit >> 1])
            elif digit < 0:
                x, y = multiples[-digit >> 1]
                result = self._add_affine(result, (x, -y % self.p))
        return self._affine(result)

    def _odd_multiples(self, point: tuple[int, int]) -> list[tuple[int, int]]:
        """Return 1, 3, 5, … 15 times the point, with one inversion for all."""
        p = self.p
        twice = self._affine(self._double((*point, 1)))
        if twice is None:
            return [point] * (1 << _WINDOW_BITS - 2)  # a point of order two: no curve here has one
        row: list[_Jacobian] = [(*point, 1)]
        for _ in range((1 << _WINDOW_BITS - 2) - 1):
            row.append(self._add_affine(row[-1], twice))
        products = [1]
        for _, _, z in row:
            products.append(products[-1] * z % p)
        inverse = pow(products[-1], -1, p)
        flat: list[tuple[int, int]] = []
        for (x, y, z), product in zip(reversed(row), reversed(products[:-1]), strict=True):
            inverse_z = inverse * product % p
            inverse = inverse * z % p
            square = inverse_z * inverse_z % p
            flat.append((x * square % p, y * square * inverse_z % p))
        return flat[::-1]

    def _double(self, point: _Jacobian) -> _Jacobian:
        x, y, z = point
        if not z or not y:
            return _INFINITY
        p = self.p
        yy = y * y % p
        s = 4 * x * yy % p
        zz = z * z % p
        m = (3 * x * x + self.a * zz * zz) % p
        new_x = (m * m - 2 * s) % p
        return new_x, (m * (s - new_x) - 8 * yy * yy) % p, 2 * y * z % p

    def _add_affine(self, left: _Jacobian, right: tuple[int, int]) -> _Jacobian:
        x1, y1, z1 = left
        x2, y2 = right
        if not z1:
            return x2, y2, 1
        p = self.p
        zz = z1 * z1 % p
        h = (x2 * zz - x1) % p
        r = (y2 * zz * z1 - y1) % p
        if not h:
            return _INFINITY if r else self._double(left)
        hh = h * h % p
        hhh = h * hh % p
        v = x1 * hh % p
        x3 = (r * r - hhh - 2 * v) % p
        return x3, (r * (v - x3) - y1 * hhh) % p, z1 * h % p

    def _affine(self, point: _Jacobian) -> Point:
        x, y, z = point
        if not z:
            return None
        inverse = pow(z, -1, self.p)
        square = inverse * inverse % self.p
        return x * square % self.p, y * square * inverse % self.p


def _signed_windows(scalar: int) -> list[int]:
    """Return the width-5 non-adjacent form, lowest digit first: odd digits below 16 in magnitude, zeros between."""
    digits: list[int] = []
    full = 1 << _WINDOW_BITS
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & (full - 1)
            if digit >= full >> 1:
                digit -= full
            scalar -= digit
        digits.append(digit)
        scalar >>= 1
    return digits
