"""The look at foreign ASN.1 before a parser gets it: size, nesting and lengths, in one pass without recursion (ITU-T X.690).

A certificate or a security object from a chip is hostile input. What passes here is bounded: a parser that walks it does bounded work.
Indefinite lengths are met in signed content of some issuers and pass; lengths that lie do not.
"""

from __future__ import annotations

from emrtd import asn1_faults

MAXIMUM_DEPTH = 40
_MAXIMUM_LENGTH_OCTETS = 4

ENCODING_FAULTS = asn1_faults.ENCODING_FAULTS
"""What the ASN.1 library may raise on a structure that is not what it claims to be."""


class EncodingRefused(ValueError):
    """Bytes that are no ASN.1, too long, too deep or with lengths that do not add up."""


def scan(encoded: bytes, limit_bytes: int, limit_elements: int = 4096) -> None:
    """Walk over one element and everything inside it. Raises `EncodingRefused` for more than the limits, bytes behind it or a lying length."""
    if len(encoded) > limit_bytes:
        raise EncodingRefused(f"{len(encoded)} bytes, {limit_bytes} at most")
    size = len(encoded)
    ends: list[int] = []  # of the open elements; -1: of indefinite length
    bounds = [size]  # the end of the innermost element of definite length around each of them
    position = elements = 0
    while True:
        while ends and ends[-1] == position:
            ends.pop()
            bounds.pop()
        if not ends and elements:
            break
        bound = bounds[-1]
        if ends and ends[-1] < 0 and encoded[position : position + 2] == b"\x00\x00":
            ends.pop()
            bounds.pop()
            position += 2
            if position > bound:
                raise EncodingRefused("an end outside its element")
            continue
        elements += 1
        if elements > limit_elements:
            raise EncodingRefused(f"more than {limit_elements} elements")
        length: int | None
        if position + 2 <= bound and encoded[position] & 0x1F != 0x1F and encoded[position + 1] < 0x80:
            is_constructed, length = (
                bool(encoded[position] & 0x20),
                encoded[position + 1],
            )  # nearly all are of this kind
            position += 2
        else:
            is_constructed, length, position = _head(encoded, position, bound)
        if length is None:
            if not is_constructed:
                raise EncodingRefused("a primitive element of indefinite length")
            ends.append(-1)
            bounds.append(bound)
        elif position + length > bound:
            raise EncodingRefused("a length that lies")
        elif is_constructed:
            ends.append(position + length)
            bounds.append(position + length)
        else:
            position += length
        if len(ends) > MAXIMUM_DEPTH:
            raise EncodingRefused(f"nested deeper than {MAXIMUM_DEPTH}")
    if position != size:
        raise EncodingRefused("bytes behind the end")


def _head(encoded: bytes, position: int, bound: int) -> tuple[bool, int | None, int]:
    """Return whether the element is constructed, the length of its content (None: indefinite) and where that begins."""
    if position + 2 > bound:
        raise EncodingRefused("ends too early")
    first = encoded[position]
    position += 1
    if first & 0x1F == 0x1F:
        for _ in range(_MAXIMUM_LENGTH_OCTETS):
            if position + 1 >= bound:
                raise EncodingRefused("ends too early")
            position += 1
            if not encoded[position - 1] & 0x80:
                break
        else:
            raise EncodingRefused("a tag too long")
    length = encoded[position]
    position += 1
    if length < 0x80:
        return bool(first & 0x20), length, position
    if length == 0x80:
        return bool(first & 0x20), None, position
    octets = length & 0x7F
    if octets > _MAXIMUM_LENGTH_OCTETS or position + octets > bound:
        raise EncodingRefused("a length too long")
    return bool(first & 0x20), int.from_bytes(encoded[position : position + octets], "big"), position + octets
