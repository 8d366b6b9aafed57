"""A virtual receipt printer on a pty: it prints into a list, and its paper ends when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from drivers.codec import BadFrame
from drivers.printer.command_stream import Command, CommandStream, PrintedLine
from drivers.twin import PtyTwin

_IDLE = 0x12


@dataclass(slots=True)
class Receipt:
    """What came out of the printer between two cuts."""

    lines: list[str] = field(default_factory=list)
    qr: bytes = b""


class EscposTwin(PtyTwin):
    """Answers real-time questions always; without paper, with an open cover or stuck it keeps what it got and prints it later."""

    def __init__(self, path: Path, *, encoding: str = "cp866", baud: int = 0, seed: int = 1) -> None:
        super().__init__(path, baud=baud, seed=seed)
        self._encoding = encoding
        self._stream = CommandStream()
        self._kept: list[Command | PrintedLine] = []
        self._lines_left: int | None = None
        self._is_paper_low = self._is_cover_open = self._is_stuck = False
        self._stored_qr = b""
        self._on_paper = Receipt()
        self.receipts: list[Receipt] = []

    @property
    def torn(self) -> Receipt:
        """What is on paper and was not cut off yet."""
        return self._on_paper

    def load_paper(self, lines: int | None = None) -> None:
        """Put paper in that ends after so many lines; 0: take it out, None: enough."""
        self._lines_left = lines
        self._print()

    def paper_low(self, *, on: bool = True) -> None:
        """Let the sensor say that the paper ends soon."""
        self._is_paper_low = on

    def open_cover(self, *, on: bool = True) -> None:
        """Open or close the cover."""
        self._is_cover_open = on
        self._print()

    def stick(self, *, on: bool = True) -> None:
        """Let the cutter stick, or free it."""
        self._is_stuck = on
        self._print()

    def plugged(self) -> None:
        """Start with an empty buffer."""
        self._stream.reset()
        self._kept.clear()
        self._on_paper = Receipt()

    def heard(self, chunk: bytes) -> None:
        """Obey the host."""
        for message in self._stream.feed(chunk):
            if isinstance(message, BadFrame):
                continue
            if isinstance(message, Command) and message.name == b"\x10\x04":
                self.send(bytes((self._status(message.operands[0]),)))
            else:
                self._kept.append(message)
        self._print()

    def _status(self, asked: int) -> int:
        is_out = self._lines_left == 0
        flags = {
            2: 0x04 * self._is_cover_open | 0x20 * is_out | 0x40 * self._is_stuck,
            3: 0x08 * self._is_stuck,
            4: 0x0C * (self._is_paper_low or is_out) | 0x60 * is_out,
        }
        return _IDLE | flags.get(asked, 0)

    def _print(self) -> None:
        while self._kept and self._lines_left != 0 and not self._is_cover_open and not self._is_stuck:
            self._carry_out(self._kept.pop(0))

    def _carry_out(self, message: Command | PrintedLine) -> None:
        if isinstance(message, PrintedLine):
            self._on_paper.lines.append(message.content.decode(self._encoding))
            if self._lines_left is not None:
                self._lines_left -= 1
        elif message.name == b"\x1d(k" and message.operands[:3] == b"1P0":
            self._stored_qr = message.operands[3:]
        elif message.name == b"\x1d(k" and message.operands == b"1Q0":
            self._on_paper.qr = self._stored_qr
        elif message.name == b"\x1dV":
            self.receipts.append(self._on_paper)
            self._on_paper = Receipt()
        elif message.name == b"\x1dr":
            self.send(bytes((0x03 * self._is_paper_low,)))
