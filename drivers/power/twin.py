"""A virtual `upsd` with one supply."""

from __future__ import annotations

import asyncio

from drivers.codec import BadFrame
from drivers.power.nut_lines import Line, NutCodec
from drivers.twin import TcpTwin

FULL_RUNTIME_S = 1800


class NutTwin(TcpTwin):
    """Answers LIST VAR and GET VAR about its supply; everything else is refused with the protocol's codes."""

    def __init__(self, *, port: int = 0, ups: str = "ups", seed: int = 1) -> None:
        super().__init__(port=port, seed=seed)
        self._ups = ups
        self.refusal = ""
        self.asked: list[tuple[str, ...]] = []
        self.variables = {"device.model": 'eGate "twin"'}
        self.mains()

    def mains(self, charge_percent: int = 100) -> None:
        """Give the mains back."""
        self.set("OL CHRG" if charge_percent < 100 else "OL", charge_percent)

    def outage(self, charge_percent: int = 100, *, is_low: bool = False) -> None:
        """Cut the mains; `is_low`: the supply itself says that its battery is."""
        self.set("OB DISCHRG LB" if is_low else "OB DISCHRG", charge_percent)

    def set(self, status: str, charge_percent: int) -> None:
        """Set the status flags and the charge; the remaining time follows the charge."""
        runtime_s = FULL_RUNTIME_S * charge_percent // 100
        self.variables |= {
            "battery.charge": str(charge_percent),
            "battery.runtime": str(runtime_s),
            "ups.status": status,
        }

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        codec = NutCodec()
        while chunk := await reader.read(4096):
            for line in codec.feed(chunk):
                words = ("",) if isinstance(line, BadFrame) else line.words
                self.asked.append(words)
                self.send(writer, b"".join(codec.encode(Line(answer)) for answer in self._answers(words)))
            await writer.drain()

    def _answers(self, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        match words:
            case ("LIST" | "GET", "VAR", ups, *_) if ups != self._ups:
                return [("ERR", "UNKNOWN-UPS")]
            case ("LIST" | "GET", "VAR", *_) if self.refusal:
                return [("ERR", self.refusal)]
            case ("LIST", "VAR", ups):
                variables = [("VAR", ups, name, value) for name, value in self.variables.items()]
                return [("BEGIN", "LIST", "VAR", ups), *variables, ("END", "LIST", "VAR", ups)]
            case ("GET", "VAR", ups, name) if name in self.variables:
                return [("VAR", ups, name, self.variables[name])]
            case ("GET", "VAR", _, _):
                return [("ERR", "VAR-NOT-SUPPORTED")]
            case _:
                return [("ERR", "UNKNOWN-COMMAND")]
