"""BER-TLV as ICAO 9303 uses it on the chip: one or more tag bytes, definite lengths, values as they are.

What a chip says about its own lengths is never believed further than the bytes that are there. Reading one element costs its header;
no element is ever copied more often than it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TAG_BYTES_LIMIT = 3
LENGTH_BYTES_LIMIT = 4
ELEMENTS_LIMIT = 4096


class MalformedTlv(ValueError):
    """Bytes that are no BER-TLV of the kind used here: torn, indefinite, too long a tag or a length beyond the content."""


@dataclass(frozen=True, slots=True)
class Tlv:
    """One element: its tag as the integer of its tag bytes (`0x7F61`), its value, and the offset after it."""

    tag: int
    value: bytes
    end: int

    @property
    def is_constructed(self) -> bool:
        """Whether the value holds elements itself (bit 6 of the first tag byte)."""
        return bool(_first_byte(self.tag) & 0x20)


def read_tlv(content: bytes, offset: int = 0) -> Tlv:
    """Return the element at `offset`. Raises `MalformedTlv`; what stands after it is not looked at."""
    tag, size, start = _head(content, offset)
    if start + size > len(content):
        raise MalformedTlv(f"element {tag:X} at {offset} claims {size} bytes, {len(content) - start} are there")
    return Tlv(tag, content[start : start + size], start + size)


def read_only_tlv(content: bytes, tag: int) -> bytes:
    """Return the value of content that is exactly one element with this tag. Raises `MalformedTlv`."""
    element = read_tlv(content)
    if element.tag != tag:
        raise MalformedTlv(f"element {element.tag:X} where {tag:X} belongs")
    if element.end != len(content):
        raise MalformedTlv(f"{len(content) - element.end} bytes after element {tag:X}")
    return element.value


def children(content: bytes) -> Iterator[Tlv]:
    """Yield the elements that stand one after another in `content`. Raises `MalformedTlv`, also beyond 4096 of them."""
    offset = 0
    for _ in range(ELEMENTS_LIMIT):
        if offset >= len(content):
            return
        element = read_tlv(content, offset)
        yield element
        offset = element.end
    if offset < len(content):
        raise MalformedTlv(f"more than {ELEMENTS_LIMIT} elements")


def find_child(content: bytes, tag: int) -> bytes | None:
    """Return the value of the first element with this tag among the elements of `content`, None without one."""
    return next((element.value for element in children(content) if element.tag == tag), None)


def encode_tlv(tag: int, value: bytes) -> bytes:
    """Return the element with the shortest length field (DER)."""
    size = len(value)
    if size < 0x80:
        length = bytes((size,))
    else:
        digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes((0x80 | len(digits),)) + digits
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big") + length + value


def declared_size(head: bytes) -> int | None:
    """Return how many bytes a file has that starts with `head` (tag and length included), None when `head` is too short to tell.

    Raises `MalformedTlv` for a start that no file of the logical data structure can have.
    """
    if len(head) < TAG_BYTES_LIMIT + LENGTH_BYTES_LIMIT + 1:
        try:
            _, size, start = _head(head, 0)
        except _Torn:
            return None
    else:
        _, size, start = _head(head, 0)
    return start + size


class _Torn(MalformedTlv):
    """The header itself is not whole."""


def _first_byte(tag: int) -> int:
    while tag > 0xFF:
        tag >>= 8
    return tag


def _head(content: bytes, offset: int) -> tuple[int, int, int]:
    """Return tag, length and the offset of the value."""
    if not 0 <= offset < len(content):
        raise _Torn(f"no element at {offset}")
    tag = content[offset]
    at = offset + 1
    if tag & 0x1F == 0x1F:
        while True:
            if at - offset >= TAG_BYTES_LIMIT:
                raise MalformedTlv(f"tag at {offset} is longer than {TAG_BYTES_LIMIT} bytes")
            if at >= len(content):
                raise _Torn(f"torn tag at {offset}")
            tag = tag << 8 | content[at]
            at += 1
            if not tag & 0x80:
                break
    if at >= len(content):
        raise _Torn(f"no length after tag {tag:X}")
    size = content[at]
    at += 1
    if size == 0x80:
        raise MalformedTlv(f"indefinite length of element {tag:X}")
    if size > 0x80:
        digits = size & 0x7F
        if digits > LENGTH_BYTES_LIMIT:
            raise MalformedTlv(f"length of element {tag:X} has {digits} bytes")
        if at + digits > len(content):
            raise _Torn(f"torn length of element {tag:X}")
        size = int.from_bytes(content[at : at + digits], "big")
        at += digits
    return tag, size, at
