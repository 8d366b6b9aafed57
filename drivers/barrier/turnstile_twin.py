"""A virtual turnstile: the published frame with words of its own, which `WORDS` tells to a driver's options."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers.barrier.turnstile_codec import Command, TurnstileCodec
from drivers.codec import BadFrame
from drivers.contracts import Door
from drivers.twin import PtyTwin

RELEASES = {b"H": Door.EXIT, b"I": Door.ENTRANCE}
LOCK, STATUS = b"L", b"S"
SHOWS = {"closed": b"R", "enter": b"G", "leave": b"W", "alarm": b"A"}
WORDS: dict[str, str] = {
    "06": "taken",
    "15": "refused",
    "53": "alive",
    **{
        f"{ord(letter):02x}{number}": f"{door.value}_{what}"
        for letter, door in (("E", Door.ENTRANCE), ("X", Door.EXIT))
        for number, what in (("01", "open"), ("00", "closed"), ("02", "passed"), ("03", "back"))
    },
    "4601": "fire_on",
    "4600": "fire_off",
    "5401": "tamper_on",
    "5400": "tamper_off",
    "4e01": "emergency_stop_on",
    "4e00": "emergency_stop_off",
}
_CONTENT = {signal: bytes.fromhex(content) for content, signal in WORDS.items()}


class TurnstileTwin(PtyTwin):
    """Releases for one passage or `wait_s`, whichever ends first."""

    def __init__(
        self, path: Path, *, wait_s: float = 3.0, transit_s: float = 0.05, shows_ttl_s: float = 3.0, seed: int = 1
    ) -> None:
        """`transit_s`: from the first movement until the passage counts; `shows_ttl_s`: silence about its lights after which they are red."""
        super().__init__(path, seed=seed)
        self._codec = TurnstileCodec()
        self._wait_s = wait_s
        self._transit_s = transit_s
        self._ends: dict[Door, asyncio.TimerHandle] = {}
        self._silent_for = 0
        self._shows_ttl_s = shows_ttl_s
        self._dark: asyncio.TimerHandle | None = None
        self.refuses = False
        self.shown = b""
        self.released_log: list[Door] = []

    def plugged(self) -> None:
        """Forget half a frame."""
        self._codec.reset()

    def heard(self, chunk: bytes) -> None:
        """Obey and answer."""
        for message in self._codec.feed(chunk):
            if isinstance(message, BadFrame):
                continue
            if message.content == STATUS:
                self.tell("alive")
            elif message.content == LOCK:
                self.stop_timers()
                self.tell("taken")
            elif message.content in SHOWS.values():
                self._show(message.content)
                self.tell("taken")
            elif (door := RELEASES.get(message.content)) is not None:
                self._release(door)
            else:
                self.tell("refused")

    def _show(self, content: bytes) -> None:
        self.shown = content
        if self._dark is not None:
            self._dark.cancel()
        self._dark = asyncio.get_running_loop().call_later(self._shows_ttl_s, self._show_closed)

    def _show_closed(self) -> None:
        self.shown = SHOWS["closed"]

    def _release(self, door: Door) -> None:
        if self.refuses:
            self.tell("refused")
            return
        self.released_log.append(door)
        self._end(door)
        self._ends[door] = asyncio.get_running_loop().call_later(self._wait_s, self._end, door)
        if self._silent_for:
            self._silent_for -= 1
        else:
            self.tell("taken")

    def lose_replies(self, count: int) -> None:
        """Obey the next releases without a confirmation."""
        self._silent_for = count

    def walk(self, door: Door) -> bool:
        """Let somebody through; False when the direction is locked."""
        if door not in self._ends:
            return False
        self._end(door)
        self.force(door)
        return True

    def force(self, door: Door) -> None:
        """Move the arms, released or not, as somebody does who climbs."""
        self.tell(f"{door.value}_open")
        asyncio.get_running_loop().call_later(self._transit_s, self._passed, door)

    def fire(self, on: bool = True) -> None:
        """Close or open the fire contact."""
        self.tell("fire_on" if on else "fire_off")

    def is_released(self, door: Door) -> bool:
        """Tell whether the direction is released now."""
        return door in self._ends

    def tell(self, signal: str) -> None:
        """Send one word."""
        self.send(self._codec.encode(Command(_CONTENT[signal])))

    def stop_timers(self) -> None:
        """End every release."""
        for door in list(self._ends):
            self._end(door)

    async def stop(self) -> None:
        """Pull the cable and end everything, at the end of the twin's life."""
        await self.unplug()
        self.stop_timers()
        if self._dark is not None:
            self._dark.cancel()

    def _passed(self, door: Door) -> None:
        self.tell(f"{door.value}_passed")
        self.tell(f"{door.value}_closed")

    def _end(self, door: Door) -> None:
        if (timer := self._ends.pop(door, None)) is not None:
            timer.cancel()
