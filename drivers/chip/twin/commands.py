"""Commands as they arrive at the chip (ISO/IEC 7816-3 §12.1, cases 1 to 4, short and extended) and the status words it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

OK = 0x9000
END_OF_FILE = 0x6282
AUTHENTICATION_FAILED = 0x6300
WRONG_LENGTH = 0x6700
SECURITY_STATUS = 0x6982
CONDITIONS_NOT_SATISFIED = 0x6985
NO_CURRENT_FILE = 0x6986
SECURED_OBJECTS_MISSING = 0x6987
SECURED_OBJECTS_INCORRECT = 0x6988
WRONG_CONTENT = 0x6A80
FILE_NOT_FOUND = 0x6A82
WRONG_PARAMETERS = 0x6A86
REFERENCE_NOT_FOUND = 0x6A88
OFFSET_OUTSIDE = 0x6B00
INSTRUCTION_UNKNOWN = 0x6D00
CLASS_UNKNOWN = 0x6E00
UNSPECIFIED = 0x6F00

SECURED = 0x0C
CHAINED = 0x10


class Refused(Exception):
    """The chip answers with a status word and nothing else."""

    def __init__(self, status: int, content: bytes = b"") -> None:
        super().__init__(f"{status:04X}")
        self.status = status
        self.content = content


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `expected` is Ne, None when no answer is asked for."""

    cla: int
    ins: int
    p1: int
    p2: int
    content: bytes = b""
    expected: int | None = None
    is_extended: bool = False

    @property
    def is_secured(self) -> bool:
        """Whether it comes under secure messaging with an authenticated header."""
        return self.cla & SECURED == SECURED

    @property
    def parameters(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2

    @property
    def header(self) -> bytes:
        """CLA, INS, P1, P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def opened(self, content: bytes, expected: int | None) -> Command:
        """Return the command that was wrapped in this one."""
        return replace(self, cla=self.cla & ~SECURED, content=content, expected=expected)


def parse_command(apdu: bytes, *, has_extended_length: bool = True) -> Command:
    """Read one command; raises `Refused` with 6700 for lengths that do not add up or are not supported."""
    is_extended = len(apdu) > 6 and not apdu[4]
    if len(apdu) < 4 or (is_extended and not has_extended_length):
        raise Refused(WRONG_LENGTH)
    head, body = Command(*apdu[:4]), apdu[4:]
    if not body:
        return head
    if len(body) == 1:
        return replace(head, expected=body[0] or 256)
    if is_extended:
        return _with_body(replace(head, is_extended=True), body[1:], 2)
    return _with_body(head, body, 1)


def _with_body(head: Command, body: bytes, width: int) -> Command:
    first, rest = int.from_bytes(body[:width], "big"), body[width:]
    limit = 1 << 8 * width
    if len(body) < width:
        raise Refused(WRONG_LENGTH)
    if not rest and head.is_extended:
        return replace(head, expected=first or limit)
    if not first or len(rest) not in {first, first + width}:
        raise Refused(WRONG_LENGTH)
    tail = rest[first:]
    return replace(head, content=rest[:first], expected=(int.from_bytes(tail, "big") or limit) if tail else None)
