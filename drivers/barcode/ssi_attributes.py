"""Attributes of an SSI decoder (remote scanner management, opcode 80): the request and what a reply holds.

    request   length u16 (of the whole)  02  00  number u16 …  FF FF
    reply     length u16  02  status  attribute …  FF FF
    attribute number u16  type  property  value:  B F C one byte · W I two · D L four · S length u16, 2 bytes, text · A type, length u16, 2 bytes, items

Only reading is offered. Packets are announced first (00 06 20 00 FF FF), which a decoder wants before the first request. The layout follows
the two published exchanges with these decoders; what else a decoder sends is kept as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

GET = 0x02
ANNOUNCE = 0x20
ANNOUNCEMENT = bytes.fromhex("00062000ffff")
_END = 0xFFFF
_HEAD_BYTES = 4
_SIZES = {"B": 1, "C": 1, "F": 1, "W": 2, "I": 2, "D": 4, "L": 4}
_SIGNED = {"C", "I", "L"}

AttributeValue = int | str | tuple[int, ...]


def attribute_request(numbers: Iterable[int]) -> bytes:
    """Return the content of a management packet that asks for attributes. Raises ValueError for a number that does not fit."""
    body = bytearray()
    for number in numbers:
        if not 0 <= number < _END:
            raise ValueError(f"attributes are numbered 0 to 65534, not {number}")
        body += number.to_bytes(2, "big")
    body += _END.to_bytes(2, "big")
    return (len(body) + _HEAD_BYTES).to_bytes(2, "big") + bytes([GET, 0]) + bytes(body)


def attribute_reply(attributes: dict[int, tuple[str, AttributeValue]]) -> bytes:
    """Return the reply of a decoder; each attribute with its type letter, arrays as `AB`, `AW` and so on. For twins."""
    body = bytearray()
    for number, (kind, value) in attributes.items():
        body += number.to_bytes(2, "big") + kind[:1].encode("ascii") + b"\x01"
        if isinstance(value, str):
            text = value.encode("ascii") + b"\x00"
            body += len(text).to_bytes(2, "big") + b"\x00\x00" + text
        elif isinstance(value, tuple):
            items = b"".join(_number_bytes(kind[1], item) for item in value)
            body += kind[1].encode("ascii") + len(items).to_bytes(2, "big") + b"\x00\x00" + items
        else:
            body += _number_bytes(kind, value)
    body += _END.to_bytes(2, "big")
    return (len(body) + _HEAD_BYTES).to_bytes(2, "big") + bytes([GET, 0]) + bytes(body)


def parse_attributes(content: bytes) -> dict[int, AttributeValue]:
    """Return the attributes of a reply. Raises ValueError for anything that is none, or a type nobody described."""
    reply = _Reader(content)
    length, answered, _status = reply.number(2), reply.number(1), reply.number(1)
    if length != len(content) or answered != GET:
        raise ValueError("no reply to a request for attributes")
    attributes: dict[int, AttributeValue] = {}
    while (number := reply.number(2)) != _END:
        kind = chr(reply.number(1))
        reply.number(1)  # the property says whether it may be written and lasts; nothing is written here
        if kind == "S":
            attributes[number] = reply.sized().rstrip(b"\x00").decode("ascii", "backslashreplace").rstrip()
        elif kind == "A":
            item_kind = chr(reply.number(1))
            attributes[number] = _items(item_kind, reply.sized())
        else:
            attributes[number] = reply.number(_size(kind), is_signed=kind in _SIGNED)
    return attributes


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, length: int) -> bytes:
        part = self._content[self._at : self._at + length]
        if len(part) != length:
            raise ValueError("the attributes end in the middle of one")
        self._at += length
        return part

    def number(self, length: int, *, is_signed: bool = False) -> int:
        return int.from_bytes(self.take(length), "big", signed=is_signed)

    def sized(self) -> bytes:
        length = self.number(2)
        self.take(2)  # offset of this part, 0 in whatever fits into one reply
        return self.take(length)


def _items(kind: str, content: bytes) -> tuple[int, ...]:
    size = _size(kind)
    if len(content) % size:
        raise ValueError("an array that ends in the middle of an item")
    return tuple(
        int.from_bytes(content[at : at + size], "big", signed=kind in _SIGNED) for at in range(0, len(content), size)
    )


def _size(kind: str) -> int:
    if kind not in _SIZES:
        raise ValueError(f"an attribute of type {kind!r}, which nobody described")
    return _SIZES[kind]


def _number_bytes(kind: str, value: AttributeValue) -> bytes:
    if not isinstance(value, int):
        raise TypeError(f"a value of type {kind!r} is a number")
    return value.to_bytes(_size(kind), "big", signed=kind in _SIGNED)
