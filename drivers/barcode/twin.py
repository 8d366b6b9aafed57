"""A virtual bar code reader on a pty."""

from __future__ import annotations

from pathlib import Path

from drivers.barcode.line_codec import LineCodec, LineProfile, Reply, Scan
from drivers.twin import PtyTwin

COMMAND_LIMIT_BYTES = 256


class BarcodeReaderTwin(PtyTwin):
    """Scans what it is told to, answers the revision query, notes the trigger."""

    def __init__(
        self,
        path: Path,
        *,
        profile: LineProfile | None = None,
        probe: bytes = b"\x16M\rREVINF.",
        trigger_on: bytes = b"\x16T\r",
        trigger_off: bytes = b"\x16U\r",
        baud: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(path, baud=baud, seed=seed)
        self._codec = LineCodec(profile or LineProfile())
        self._probe = probe
        self._trigger = {trigger_on: True, trigger_off: False}
        self._commands = bytearray()
        self.is_triggered = False

    def scan(self, payload: bytes, aim_id: str = "]Q1") -> None:
        """Read a symbol."""
        self.send(self._codec.encode(Scan(payload, aim_id=aim_id)))

    def plugged(self) -> None:
        """Start with the trigger off."""
        self._commands.clear()
        self.is_triggered = False

    def heard(self, chunk: bytes) -> None:
        """Obey the host's commands."""
        self._commands += chunk
        while True:
            known = [
                (at, command) for command in (self._probe, *self._trigger) if (at := self._commands.find(command)) >= 0
            ]
            if not known:
                del self._commands[:-COMMAND_LIMIT_BYTES]
                return
            at, command = min(known)
            del self._commands[: at + len(command)]
            if command == self._probe:
                self.send(self._codec.encode(Reply(b": eGate twin")))
            else:
                self.is_triggered = self._trigger[command]
