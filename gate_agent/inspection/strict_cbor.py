"""CBOR in its one deterministic form (RFC 8949 §4.2.1), as far as a declaration token needs it.

Integers, byte and text strings, arrays, maps and tags; no floats, simple values, indefinite lengths or bignums. Every value has
exactly one accepted encoding: shortest heads, keys in ascending order of their bytes, hence none twice. Generic decoders accept
more than that, and two readers that understand the same bytes differently are a hole.

`loads_any_order` is for claims that others wrote: keys in any order, floats and simple values too; keys twice are refused as well.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

Cbor: TypeAlias = "int | bytes | str | list[Cbor] | dict[int | str, Cbor] | Tagged | float | None"
"""A value. `loads` gives no float, boolean or None."""

MAXIMUM_DEPTH = 8
MAXIMUM_ITEMS = 1024


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tagged value (major type 6)."""

    tag: int
    value: Cbor


class CborRefused(ValueError):
    """The bytes are not CBOR in its deterministic form, or beyond the limits of depth and number of items."""


def loads(encoded: bytes) -> Cbor:
    """Return the one value that `encoded` holds. Raises `CborRefused`, also for bytes after it."""
    reader = _Reader(encoded)
    value = reader.value(0)
    if reader.position != len(encoded):
        raise CborRefused("bytes after the end")
    return value


def loads_any_order(encoded: bytes) -> Cbor:
    """Return the one value that `encoded` holds, whatever the order of its keys. Raises `CborRefused`, as `loads`."""
    reader = _AnyOrderReader(encoded)
    value = reader.value(0)
    if reader.position != len(encoded):
        raise CborRefused("bytes after the end")
    return value


class _Reader:
    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self._items = 0
        self._first = 0
        self.position = 0

    def value(self, depth: int) -> Cbor:
        self._items += 1
        if depth > MAXIMUM_DEPTH or self._items > MAXIMUM_ITEMS:
            raise CborRefused("too deep or too many items")
        major, argument = self._head()
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self._take(argument)
        if major == 3:
            return self._text(argument)
        if major == 4:
            self._refuse_beyond_rest(argument)
            return [self.value(depth + 1) for _ in range(argument)]
        if major == 5:
            self._refuse_beyond_rest(2 * argument)
            return self._map(argument, depth)
        if major == 6:
            return Tagged(argument, self.value(depth + 1))
        return self._simple(argument)

    def _simple(self, _argument: int) -> Cbor:
        raise CborRefused("floats and simple values are not accepted")

    def _map(self, length: int, depth: int) -> dict[int | str, Cbor]:
        members: dict[int | str, Cbor] = {}
        previous = b""
        for _ in range(length):
            start = self.position
            key = self.value(depth + 1)
            encoded_key = self._encoded[start : self.position]
            if isinstance(key, bool) or not isinstance(key, int | str):
                raise CborRefused("a key is neither number nor text")
            self._refuse_key(key, encoded_key, previous, members)
            previous = encoded_key
            members[key] = self.value(depth + 1)
        return members

    def _refuse_key(self, key: int | str, _encoded: bytes, _previous: bytes, members: dict[int | str, Cbor]) -> None:
        if _encoded <= _previous or key in members:
            raise CborRefused("keys are out of order or stand twice")

    def _head(self) -> tuple[int, int]:
        self._first = first = self._take(1)[0]
        major, short = first >> 5, first & 0x1F
        if short < 24:
            return major, short
        if short > 27:
            raise CborRefused("indefinite or reserved length")
        width = 1 << (short - 24)
        argument = int.from_bytes(self._take(width), "big")
        self._refuse_padding(width, argument)
        return major, argument

    def _refuse_padding(self, width: int, argument: int) -> None:
        if argument < (24 if width == 1 else 1 << (4 * width)):
            raise CborRefused("a number is longer than needed")

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CborRefused("text is not UTF-8") from error

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._encoded):
            raise CborRefused("ends too early")
        taken = self._encoded[self.position : end]
        self.position = end
        return taken

    def _refuse_beyond_rest(self, items: int) -> None:
        if items > len(self._encoded) - self.position:
            raise CborRefused("ends too early")


class _AnyOrderReader(_Reader):
    """Accepts what others write: any order of keys, padded heads, floats, booleans and null; no indefinite lengths."""

    def _refuse_key(self, key: int | str, _encoded: bytes, _previous: bytes, members: dict[int | str, Cbor]) -> None:
        if key in members:
            raise CborRefused("a key stands twice")

    def _refuse_padding(self, width: int, argument: int) -> None:
        """Take numbers as they are."""

    def _simple(self, _argument: int) -> Cbor:
        match self._first & 0x1F:
            case 20 | 21:
                return self._first & 0x1F == 21
            case 22 | 23:
                return None
            case 25 | 26 | 27 as short:
                width, form = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}[short]
                number: float = struct.unpack(form, _argument.to_bytes(width, "big"))[0]
                return number
            case _:
                raise CborRefused("a simple value that means nothing here")
