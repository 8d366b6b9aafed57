"""Reading the fields of a received frame without ever reading past its end."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Concatenate, Literal, ParamSpec

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame

Options = ParamSpec("Options")


class Cursor:
    """Numbers and bytes taken one after the other. Raises `SealFrameRejected` when the frame ends before a field does."""

    __slots__ = ("_order", "at", "content", "end")

    def __init__(self, content: bytes, at: int = 0, order: Literal["big", "little"] = "big") -> None:
        self.content = content
        self.at = at
        self.end = len(content)
        self._order = order

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self.end - self.at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        start = self.at
        self.at = start + count
        if count < 0 or self.at > self.end:
            raise SealFrameRejected(f"frame ends inside a field of {count} bytes at offset {start}")
        return self.content[start : self.at]

    def skip(self, count: int) -> None:
        """Pass over bytes whose meaning is not needed."""
        self.take(count)

    def sub(self, count: int) -> Cursor:
        """Return a cursor over the next bytes alone."""
        inner = Cursor(self.take(count))
        inner._order = self._order
        return inner

    def u8(self) -> int:
        """Return an unsigned byte."""
        at = self.at
        if at >= self.end:
            raise SealFrameRejected(f"frame ends before offset {at}")
        self.at = at + 1
        return self.content[at]

    def unsigned(self, size: int) -> int:
        """Return an unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), self._order)

    def signed(self, size: int) -> int:
        """Return a two's complement number of `size` bytes."""
        return int.from_bytes(self.take(size), self._order, signed=True)

    def u16(self) -> int:
        """Return an unsigned number of two bytes."""
        return int.from_bytes(self.take(2), self._order)

    def u32(self) -> int:
        """Return an unsigned number of four bytes."""
        return int.from_bytes(self.take(4), self._order)


def shown(text: str, limit: int = 64) -> str:
    """Return text from a tracker made safe to show: printable, bounded."""
    if text.isprintable():
        return text[:limit].strip()
    return "".join(character if character.isprintable() else "?" for character in text[:limit]).strip()


def shown_bytes(content: bytes, limit: int = 64) -> str:
    """Return ASCII from a tracker made safe to show; padding zeros at its end are no text."""
    return shown(content.rstrip(b"\x00").decode("ascii", "replace"), limit)


def structured(
    decode: Callable[Concatenate[bytes, Options], DecodedFrame],
) -> Callable[Concatenate[bytes, Options], DecodedFrame]:
    """Return a decoder that rejects a frame whose fields are not where or what they should be, instead of failing on it."""

    @functools.wraps(decode)
    def checked(frame: bytes, /, *args: Options.args, **options: Options.kwargs) -> DecodedFrame:
        try:
            return decode(frame, *args, **options)
        except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
            raise SealFrameRejected(f"fields do not fit the frame: {error}") from error

    return checked
