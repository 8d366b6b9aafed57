"""Commands and answers of ISO/IEC 7816-4, short and extended."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_LIMIT = 256
EXTENDED_LIMIT = 65_536
CHAINING = 0x10

OK = 0x9000
END_OF_FILE = 0x6282
FILE_NOT_FOUND = 0x6A82
WRONG_LENGTH = 0x6700
UNSPECIFIED = 0x6F00
WRONG_EXPECTED_LENGTH = 0x6C
"""The first byte of the status; the second is the right length."""


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """One command. `expected` is how many bytes the answer may have (Le), 0 for none."""

    cla: int
    ins: int
    p1: int
    p2: int
    content: bytes = b""
    expected: int = 0

    @property
    def header(self) -> bytes:
        """The four bytes before the lengths."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def is_extended(self) -> bool:
        """Whether its lengths need the extended form."""
        return len(self.content) > 255 or self.expected > SHORT_LIMIT

    def encode(self) -> bytes:
        """Return the command as it goes over the air."""
        length_bytes = 2 if self.is_extended else 1
        mark = b"\x00" if self.is_extended else b""
        parts = [self.header]
        if self.content:
            parts += [mark, len(self.content).to_bytes(length_bytes, "big"), self.content]
            mark = b""
        if self.expected:
            limit = EXTENDED_LIMIT if self.is_extended else SHORT_LIMIT
            parts += [mark, (self.expected % limit).to_bytes(length_bytes, "big")]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """One answer: its content and its status word."""

    content: bytes
    status: int

    @property
    def is_ok(self) -> bool:
        """Whether the command was carried out (9000)."""
        return self.status == OK

    @property
    def status_text(self) -> str:
        """The status word as four hexadecimal digits."""
        return f"{self.status:04X}"
