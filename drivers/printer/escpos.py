"""ESC/POS as far as a receipt needs it: text, QR code, cut, and the two questions for the printer's state (Epson's command reference).

`DLE EOT n` is answered at once, even when the printer cannot print. `GS r 1` is answered when everything before it was printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

INITIALISE = b"\x1b@"
NO_UNASKED_STATUS = b"\x1da\x00"
FEED_AND_CUT = b"\x1dV\x42\x00"
ASK_WHEN_PRINTED = b"\x1dr\x01"
REAL_TIME = b"\x10\x04"
PAPER_ENDED_WHILE_PRINTING = 0x0C

QR_LIMIT_BYTES = 1024
QR_MODEL_2 = b"\x1d(k\x04\x001A2\x00"
QR_CORRECTION_M = b"\x1d(k\x03\x001E1"
QR_PRINT = b"\x1d(k\x03\x001Q0"

_APOSTROPHES = str.maketrans("\u02bb\u02bc\u2018\u2019\u00a0", "'''' ")


class Status(IntEnum):
    """What `DLE EOT n` asks for, in the order of a poll."""

    OFFLINE_CAUSE = 2
    ERROR_CAUSE = 3
    PAPER = 4


COVER_IS_OPEN = 0x04
HAS_ERROR = 0x68  # cutter, unrecoverable, recovers by itself
PAPER_ENDS_SOON = 0x0C
PAPER_IS_OUT = 0x60


def is_real_time(answer: int) -> bool:
    """Return whether a byte is an answer to `DLE EOT n`: its fixed bits 0, 1, 4 and 7 say so."""
    return answer & 0x93 == 0x12


def is_printed(answer: int) -> bool:
    """Return whether a byte is an answer to `GS r 1`: bits 4 and 7 are 0."""
    return answer & 0x90 == 0


def ask(status: Status) -> bytes:
    """Return the question for a status."""
    return REAL_TIME + bytes((status,))


def receipt(lines: Sequence[str], qr: bytes, *, encoding: str, code_page: int, module_dots: int) -> bytes:
    """Return a whole receipt, the question for its end included.

    A character that the code page lacks, and every control character, is printed as `?`: text never becomes a command. Raises
    ValueError for a QR content that is too long.
    """
    parts = [INITIALISE, NO_UNASKED_STATUS, b"\x1bt" + bytes((code_page,))]
    parts += [_line(line, encoding) for line in lines]
    if qr:
        parts.append(qr_code(qr, module_dots))
    return b"".join([*parts, FEED_AND_CUT, ASK_WHEN_PRINTED])


def qr_code(content: bytes, module_dots: int) -> bytes:
    """Return the commands for a QR code, model 2, error correction M. Raises ValueError for more than 1024 bytes."""
    if not 1 <= len(content) <= QR_LIMIT_BYTES:
        raise ValueError(f"a QR code of {len(content)} bytes is not printed")
    size = b"\x1d(k\x03\x001C" + bytes((module_dots,))
    store = b"\x1d(k" + (len(content) + 3).to_bytes(2, "little") + b"1P0" + content
    return QR_MODEL_2 + size + QR_CORRECTION_M + store + QR_PRINT


def can_write(text: str, encoding: str) -> bool:
    """Tell whether a code page has every letter of `text`."""
    try:
        text.translate(_APOSTROPHES).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _line(text: str, encoding: str) -> bytes:
    encoded = text.translate(_APOSTROPHES).encode(encoding, "replace")
    return bytes(byte if byte >= 0x20 and byte != 0x7F else 0x3F for byte in encoded) + b"\n"
