"""The twin: a virtual device on a pty that speaks the same codec, for tests and for trying a site without the device."""

from __future__ import annotations

from pathlib import Path

from drivers.twin import PtyTwin
from egate_example_reader.codec import Beep, ExampleCodec, Question, Symbol, Version


class ExampleTwin(PtyTwin):
    """Scans what it is told to, answers the question for its version, counts its beeps."""

    def __init__(self, path: Path, *, baud: int = 0, seed: int = 1) -> None:
        super().__init__(path, baud=baud, seed=seed)
        self._codec = ExampleCodec()
        self.beeps = 0

    def scan(self, payload: bytes) -> None:
        """Read a symbol."""
        self.send(self._codec.encode(Symbol(payload)))

    def plugged(self) -> None:
        """Start as after power-up."""
        self._codec.reset()

    def heard(self, chunk: bytes) -> None:
        """Obey the host."""
        for message in self._codec.feed(chunk):
            if isinstance(message, Question):
                self.send(self._codec.encode(Version("example twin")))
            elif isinstance(message, Beep):
                self.beeps += 1
