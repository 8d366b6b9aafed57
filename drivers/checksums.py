"""Checksums of several protocols over whole frames, by way of the C routines of the standard library where there are any."""

from __future__ import annotations

import binascii
import functools
import struct
from array import array

_WORDS = struct.Struct("<H")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc16_false(content: bytes) -> int:
    """Return CRC-16/CCITT-FALSE (also IBM-3740): polynomial 1021, start FFFF."""
    return binascii.crc_hqx(content, 0xFFFF)


def crc16_x25(content: bytes) -> int:
    """Return CRC-16/X-25 (also ITU, IBM-SDLC): polynomial 1021 with bits reversed, start and end FFFF."""
    value = binascii.crc_hqx(content.translate(_REVERSED), 0xFFFF)
    return (_REVERSED[value & 0xFF] << 8 | _REVERSED[value >> 8]) ^ 0xFFFF


def _table(polynomial: int, *, bits: int, reflected: bool) -> tuple[int, ...]:
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    table = []
    for byte in range(256):
        value = byte if reflected else byte << (bits - 8)
        for _ in range(8):
            if reflected:
                value = value >> 1 ^ (polynomial if value & 1 else 0)
            else:
                value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return tuple(table)


@functools.cache
def _crc16_arc_words() -> array[int]:
    """Return the table for two bytes at once: they and the sixteen bits of the register make one index."""
    table = _table(0xA001, bits=16, reflected=True)
    words = array("H", bytes(2 << 16))
    for word in range(1 << 16):
        half = word >> 8 ^ table[word & 0xFF]
        words[word] = half >> 8 ^ table[half & 0xFF]
    return words


_CRC8_EGTS = _table(0x31, bits=8, reflected=False)


def crc16_arc(content: bytes, start: int = 0) -> int:
    """Return CRC-16/ARC (also IBM): polynomial A001 reflected, start 0; with start FFFF it is CRC-16/MODBUS."""
    words, value = _crc16_arc_words(), start
    size = len(content)
    for (word,) in _WORDS.iter_unpack(content if not size & 1 else content[:-1]):
        value = words[value ^ word]
    if size & 1:  # one byte alone: shifted to the upper half of a word, its table entry is the one-byte step
        value = value >> 8 ^ words[((value ^ content[-1]) & 0xFF) << 8]
    return value


def crc8_egts(content: bytes) -> int:
    """Return CRC-8 with polynomial 31 and start FF, as EGTS has it over its header."""
    value = 0xFF
    for byte in content:
        value = _CRC8_EGTS[value ^ byte]
    return value


def xor(content: bytes) -> int:
    """Return the XOR of all bytes, folding halves so that a frame costs a few operations and not one per byte."""
    size = 1 << max(len(content) - 1, 0).bit_length()
    value = int.from_bytes(content, "big")
    while size > 1:
        size >>= 1
        bits = size * 8
        value = (value >> bits) ^ (value & ((1 << bits) - 1))
    return value
