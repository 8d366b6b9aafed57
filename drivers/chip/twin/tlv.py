"""Tag-length-value encoding (DER, ISO/IEC 7816-4) as the virtual passport writes it, and the little it reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

SEQUENCE = 0x30
SET = 0x31


class TornTlv(ValueError):
    """Bytes that are not TLV."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return one element that holds the parts one after another."""
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        length = bytes((size,))
    else:
        digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes((0x80 + len(digits),)) + digits
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + length + value


def elements(content: bytes) -> list[tuple[int, bytes]]:
    """Return tag and value of each element in `content`; tags of up to two bytes. Raises `TornTlv`."""
    found: list[tuple[int, bytes]] = []
    rest = content
    while rest:
        tag_bytes = 2 if rest[0] & 0x1F == 0x1F else 1
        tag, rest = int.from_bytes(rest[:tag_bytes], "big"), rest[tag_bytes:]
        if not rest:
            raise TornTlv("no length")
        size, rest = rest[0], rest[1:]
        if size >= 0x80:
            digits = size - 0x80
            if digits > 3 or digits == 0 or len(rest) < digits:
                raise TornTlv("bad length")
            size, rest = int.from_bytes(rest[:digits], "big"), rest[digits:]
        if len(rest) < size:
            raise TornTlv("torn value")
        found.append((tag, rest[:size]))
        rest = rest[size:]
    return found


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return tlv(SEQUENCE, *parts)


def set_of(parts: Iterable[bytes]) -> bytes:
    """Return a SET OF in the order that DER asks for."""
    return tlv(SET, *sorted(parts))


def integer(value: int) -> bytes:
    """Return an INTEGER, two's complement, as short as it can be."""
    width = ((value if value >= 0 else ~value).bit_length()) // 8 + 1
    return tlv(0x02, value.to_bytes(width, "big", signed=True))


def object_id(text: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form."""
    return tlv(0x06, object_id_value(text))


def object_id_value(text: str) -> bytes:
    """Return the content of an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in text.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        top = max(0, (arc.bit_length() - 1) // 7)
        encoded += bytes(arc >> 7 * group & 0x7F | (0x80 if group else 0) for group in range(top, -1, -1))
    return bytes(encoded)


def octet_string(value: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(0x04, value)


def bit_string(value: bytes, unused_bits: int = 0) -> bytes:
    """Return a BIT STRING."""
    return tlv(0x03, bytes((unused_bits,)), value)


def boolean(*, value: bool) -> bytes:
    """Return a BOOLEAN."""
    return tlv(0x01, b"\xff" if value else b"\x00")


def null() -> bytes:
    """Return NULL."""
    return tlv(0x05)


def printable_string(text: str) -> bytes:
    """Return a PrintableString."""
    return tlv(0x13, text.encode("ascii"))


def utf8_string(text: str) -> bytes:
    """Return a UTF8String."""
    return tlv(0x0C, text.encode())


def time(moment: datetime) -> bytes:
    """Return a Time of X.509: UTCTime until 2049, GeneralizedTime from then on. `moment` is UTC."""
    if moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def explicit(number: int, *parts: bytes) -> bytes:
    """Return a constructed element of the context class."""
    return tlv(0xA0 + number, *parts)


def implicit(number: int, value: bytes) -> bytes:
    """Return a primitive element of the context class."""
    return tlv(0x80 + number, value)
