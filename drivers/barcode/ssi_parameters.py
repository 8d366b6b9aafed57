"""Parameters of an SSI decoder: numbers and values as PARAM_SEND (C6) and PARAM_REQUEST (C7) carry them.

    content of C6 = beep code, then parameters:  [F4] number value          F4: the value has two bytes
    number        = one byte below F0, or F0, F1, F2 and the low byte for 256.., 512.., 768..

Numbers from 1024 (F8, high, low), text (F3) and arrays (F6) are read as an open driver of these decoders reads them, and never written.
Source: Zebra 72E-40451, Simple Serial Interface Programmer Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NO_BEEP = 0xFF
ALL_PARAMETERS = b"\xfe"
_ESCAPES = {0xF0: 256, 0xF1: 512, 0xF2: 768}
_WIDE = 0xF8
_TEXT, _WORD, _ARRAY = 0xF3, 0xF4, 0xF6

ParameterValue = int | bytes


def parameter_number(number: int) -> bytes:
    """Return a parameter's number as it stands on the wire. Raises ValueError for one that cannot be written."""
    if 0 <= number < min(_ESCAPES):
        return bytes([number])
    for escape, base in _ESCAPES.items():
        if base <= number < base + 256:
            return bytes([escape, number - base])
    raise ValueError(f"parameters are numbered 0 to 239 and 256 to 1023, not {number}")


def parameter_request(numbers: Iterable[int]) -> bytes:
    """Return the content of a request for these parameters; for all of them when none is named."""
    return b"".join(parameter_number(number) for number in numbers) or ALL_PARAMETERS


def parameters_content(parameters: Mapping[int, int], beep: int = NO_BEEP) -> bytes:
    """Return the content of a PARAM_SEND; a value above 255 is sent as two bytes. Raises ValueError for what does not fit."""
    content = bytearray([beep])
    for number, value in parameters.items():
        if not 0 <= value <= 0xFFFF:
            raise ValueError(f"parameter {number}: a value has one or two bytes, {value} does not fit")
        written = parameter_number(number)
        content += written + bytes([value]) if value <= 0xFF else bytes([_WORD]) + written + value.to_bytes(2, "big")
    return bytes(content)


def parse_parameters(content: bytes) -> dict[int, ParameterValue]:
    """Return what a PARAM_SEND holds. Raises ValueError when it ends in the middle of a parameter."""
    parameters: dict[int, ParameterValue] = {}
    at = 1  # behind the beep code
    while at < len(content):
        kind = content[at] if content[at] in {_TEXT, _WORD, _ARRAY} else 0
        at += bool(kind)
        number, at = _number(content, at)
        if kind in {_TEXT, _ARRAY}:
            length, at = int.from_bytes(_part(content, at, 1), "big"), at + 1
            parameters[number] = _part(content, at, length)
            at += length
        else:
            length = 2 if kind else 1
            parameters[number] = int.from_bytes(_part(content, at, length), "big")
            at += length
    return parameters


def _number(content: bytes, at: int) -> tuple[int, int]:
    first = _part(content, at, 1)[0]
    if first in _ESCAPES:
        return _ESCAPES[first] + _part(content, at + 1, 1)[0], at + 2
    if first == _WIDE:
        return int.from_bytes(_part(content, at + 1, 2), "big"), at + 3
    return first, at + 1


def _part(content: bytes, at: int, length: int) -> bytes:
    part = content[at : at + length]
    if len(part) != length:
        raise ValueError("the parameters end in the middle of one")
    return part
