"""A virtual Elyctis ID BOX on a pty: a slot, continuous reading that switches itself off, one read per document and reset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drivers.codec import BadFrame
from drivers.document_reader.elyctis_codec import CONTINUOUS, ONE_LINE_ZONE, VERSION, ZONE, ElyctisCodec, Tlv
from drivers.twin import PtyTwin

ON = b"\x01"


class ElyctisTwin(PtyTwin):
    """Reads the document in its slot once each time it is armed."""

    def __init__(self, path: Path, *, baud: int = 0, seed: int = 1) -> None:
        super().__init__(path, baud=baud, seed=seed)
        self._codec = ElyctisCodec()
        self._zone = b""
        self._second_zone = b""
        self._is_read = False
        self.is_armed = False
        self.armed_count = 0

    def present(self, lines: Sequence[str], *, second_read: Sequence[str] | None = None) -> None:
        """Put a document into the slot, in place of one that is there. `second_read` is what a reset gives, the same otherwise."""
        self._zone = _zone(lines)
        self._second_zone = _zone(second_read) if second_read is not None else self._zone
        self._is_read = False
        self._look()

    def remove(self) -> None:
        """Take the document out."""
        self._zone = self._second_zone = b""
        self._is_read = False

    def plugged(self) -> None:
        """Start unarmed, with the document in the slot unread."""
        self._codec.reset()
        self.is_armed = self._is_read = False

    def heard(self, chunk: bytes) -> None:
        """Answer the host."""
        for message in self._codec.feed(chunk):
            if isinstance(message, BadFrame):
                continue
            if message.kind == VERSION:
                self._answer(VERSION, b"eGate twin")
            elif message.kind in {ZONE, ONE_LINE_ZONE}:
                self._answer(message.kind, self._zone)
            elif message.kind == CONTINUOUS and message.value:
                self._switch(message.value)

    def _switch(self, value: bytes) -> None:
        self._answer(CONTINUOUS, value)
        if value == ON:
            self.armed_count += 1
            self.is_armed = True
            self._look()
        else:
            self.is_armed = False
            self._zone = self._second_zone
            self._is_read = False

    def _look(self) -> None:
        if self.is_armed and self._zone and not self._is_read:
            self._is_read = True
            self.is_armed = False
            self._answer(ZONE, self._zone)

    def _answer(self, kind: bytes, value: bytes) -> None:
        self.send(self._codec.encode(Tlv(kind, value)))


def _zone(lines: Sequence[str]) -> bytes:
    return "".join(line + "\r" for line in lines).encode("ascii")
