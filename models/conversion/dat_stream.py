"""Primitives of dlib's binary serialisation.

The stream is not self-describing: it holds version numbers and a few tags, so whoever reads it must know the type that was
written. Every read checks what it can and raises `ConversionFault` with the offset; `close` refuses left-over bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ConversionFault

Tensor = NDArray[np.float32]

_SPECIAL_EXPONENTS = {32000: float("inf"), 32001: float("-inf"), 32002: float("nan")}


class DatStream:
    """A cursor over the bytes of one `.dat` file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._offset = 0

    @property
    def offset_bytes(self) -> int:
        """Bytes read so far."""
        return self._offset

    def fault(self, message: str) -> ConversionFault:
        """Return a fault that names the place in the stream."""
        return ConversionFault(f"at byte {self._offset}: {message}", code="MD-CON-003")

    def take(self, length_bytes: int) -> bytes:
        """Return the next `length_bytes` raw bytes."""
        end = self._offset + length_bytes
        if length_bytes < 0 or end > len(self._content):
            raise self.fault(f"the stream ends {end - len(self._content)} bytes too early")
        raw = self._content[self._offset : end]
        self._offset = end
        return raw

    def integer(self) -> int:
        """Return an int: a control byte (low nibble = count, 0x80 = negative), then a little-endian magnitude."""
        control = self.take(1)[0]
        count = control & 0x0F
        if control & 0x70 or not 1 <= count <= 8:
            raise self.fault(f"0x{control:02x} does not open an integer")
        magnitude = int.from_bytes(self.take(count), "little")
        return -magnitude if control & 0x80 else magnitude

    def count(self, limit: int = 1 << 28) -> int:
        """Return an int that serves as a length: not negative and at most `limit`."""
        value = self.integer()
        if not 0 <= value <= limit:
            raise self.fault(f"{value} is no plausible length")
        return value

    def number(self) -> float:
        """Return a float: mantissa times two to the exponent, with three exponents for infinities and NaN."""
        mantissa, exponent = self.integer(), self.integer()
        if exponent in _SPECIAL_EXPONENTS:
            return _SPECIAL_EXPONENTS[exponent]
        if abs(exponent) > 2000:
            raise self.fault(f"{exponent} is no plausible exponent")
        try:
            return float(mantissa * 2.0**exponent) if exponent <= 0 else float(mantissa << exponent)
        except OverflowError as error:
            raise self.fault("a number beyond double precision") from error

    def boolean(self) -> bool:
        """Return a bool, stored as one character `0` or `1`."""
        character = self.take(1)
        if character not in {b"0", b"1"}:
            raise self.fault(f"{character!r} is no boolean")
        return character == b"1"

    def text(self) -> str:
        """Return a string: its length, then its bytes."""
        raw = self.take(self.count(4096))
        if not raw.isascii():
            raise self.fault("a tag that is not ASCII")
        return raw.decode("ascii")

    def expect_integer(self, expected: int, meaning: str) -> None:
        """Read an int that can only be `expected`."""
        found = self.integer()
        if found != expected:
            raise self.fault(f"{meaning} is {found}, expected {expected}")

    def expect_tag(self, *expected: str) -> str:
        """Read a layer's tag, one of `expected`."""
        found = self.text()
        if found not in expected:
            raise self.fault(f"tag {found!r}, expected {' or '.join(expected)}")
        return found

    def tensor(self) -> Tensor:
        """Return a tensor: version 2, four sizes (n, k, rows, columns), raw little-endian float32."""
        self.expect_integer(2, "tensor version")
        shape = tuple(self.count() for _ in range(4))
        size = int(np.prod(shape, dtype=object))
        if size > 1 << 28:
            raise self.fault(f"a tensor of {size} values")
        return np.frombuffer(self.take(4 * size), dtype="<f4").astype(np.float32).reshape(shape)

    def alias(self) -> tuple[int, int, int, int]:
        """Return the four sizes of an alias tensor, which holds no values of its own."""
        self.expect_integer(1, "alias tensor version")
        return (self.count(), self.count(), self.count(), self.count())

    def column(self, rows: int) -> Tensor:
        """Return a matrix of `rows` x 1 floats; dlib stores both sizes negated."""
        self.expect_integer(-rows, "matrix rows (negated)")
        self.expect_integer(-1, "matrix columns (negated)")
        return self.numbers(rows)

    def numbers(self, count: int) -> Tensor:
        """Return `count` floats in a row as float32. The same reading as `number`, unrolled: landmark files hold 1.5 million."""
        content, offset = self._content, self._offset
        mantissas: list[int] = []
        exponents: list[int] = []
        try:
            for _ in range(count):
                for target in (mantissas, exponents):
                    control = content[offset]
                    start, offset = offset + 1, offset + 1 + (control & 0x0F)
                    if control & 0x70 or not 1 <= control & 0x0F <= 8:
                        raise self.fault(f"0x{control:02x} does not open a number")
                    magnitude = int.from_bytes(content[start:offset], "little")
                    target.append(-magnitude if control & 0x80 else magnitude)
        except IndexError as error:
            raise self.fault("the stream ends within a number") from error
        self.take(offset - self._offset)
        if any(abs(exponent) > 1000 for exponent in exponents):
            raise self.fault("a coefficient that is no finite number")
        return np.ldexp(np.array(mantissas, dtype=np.float64), np.array(exponents, dtype=np.int32)).astype(np.float32)

    def close(self) -> None:
        """Refuse bytes left over: they would mean that the layout was not understood."""
        rest = len(self._content) - self._offset
        if rest:
            raise self.fault(f"{rest} bytes left over")
