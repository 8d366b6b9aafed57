"""A virtual Honeywell imager in packet mode on a pty: trigger, menu commands with their three answers, symbols as packets."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.barcode.honeywell_packets import HoneywellCodec, MenuOutcome, MenuReply
from drivers.barcode.line_codec import Scan
from drivers.twin import PtyTwin

COMMAND_LIMIT_BYTES = 256
_WORD = re.compile(
    rb"\x16(?P<trigger>[TU])\r|\x16M\r(?P<command>[^!.\x16]*)(?P<terminator>[!.])|(?P<answer>[\x06\x15])"
)
_SETTING = re.compile(rb"(?P<tag>[A-Z0-9]{6})(?P<value>[0-9]*)(?P<query>\??)")


class HoneywellTwin(PtyTwin):
    """Scans what it is told to and obeys; its settings are tags with the largest value that each takes."""

    def __init__(self, path: Path, *, is_acknowledged: bool = False, baud: int = 0, seed: int = 1) -> None:
        """`is_acknowledged`: host ACK mode, in which a symbol that is refused is sent again, three times at most."""
        super().__init__(path, baud=baud, seed=seed)
        self._is_acknowledged = is_acknowledged
        self._codec = HoneywellCodec()
        self._heard = bytearray()
        self._limits = {b"CBRENA": 1, b"OCRENA": 7, b"BEPLVL": 3}
        self._last: tuple[Scan, int] | None = None
        self.settings = dict.fromkeys(self._limits, 1)
        self.stored: set[bytes] = set()
        self.is_triggered = False
        self.acknowledged_count = 0

    def scan(self, payload: bytes, aim_id: str = "]Q1") -> None:
        """Read a symbol."""
        symbol = Scan(payload, aim_id=aim_id)
        self._last = (symbol, 3)
        self.send(self._codec.encode(symbol))

    def plugged(self) -> None:
        """Start with the trigger off."""
        self._heard.clear()
        self.is_triggered = False

    def heard(self, chunk: bytes) -> None:
        """Obey the host."""
        self._heard += chunk
        while (word := _WORD.search(bytes(self._heard))) is not None:
            del self._heard[: word.end()]
            if word["trigger"]:
                self.is_triggered = word["trigger"] == b"T"
            elif word["answer"]:
                self._answered(is_good=word["answer"] == b"\x06")
            else:
                self.send(self._codec.encode(self._menu(word["command"], is_stored=word["terminator"] == b".")))
        del self._heard[:-COMMAND_LIMIT_BYTES]

    def _answered(self, *, is_good: bool) -> None:
        if is_good:
            self.acknowledged_count += 1
        elif self._is_acknowledged and self._last is not None and self._last[1] > 0:
            symbol, attempts = self._last
            self._last = (symbol, attempts - 1)
            self.send(self._codec.encode(symbol))

    def _menu(self, command: bytes, *, is_stored: bool) -> MenuReply:
        echo = command.upper()
        if echo == b"REVINF":
            return MenuReply(b"REVINF: eGate twin", MenuOutcome.DONE, is_stored)
        setting = _SETTING.fullmatch(echo)
        if setting is None or setting["tag"] not in self._limits:
            return MenuReply(echo, MenuOutcome.UNKNOWN, is_stored)
        tag = setting["tag"]
        if setting["query"]:
            return MenuReply(tag + b"%d" % self.settings[tag], MenuOutcome.DONE, is_stored)
        if not setting["value"] or int(setting["value"]) > self._limits[tag]:
            return MenuReply(echo, MenuOutcome.OUT_OF_RANGE, is_stored)
        self.settings[tag] = int(setting["value"])
        if is_stored:
            self.stored.add(tag)
        return MenuReply(echo, MenuOutcome.DONE, is_stored)
