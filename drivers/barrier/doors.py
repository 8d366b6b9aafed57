"""Simulated doors of a mantrap: what the gate hardware does by itself, on the event loop's timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.barrier.signals import LIGHTS
from drivers.contracts import Door

SAFE_LIGHTS = frozenset({"entrance_red", "exit_red"})
"""What a board whose client fell silent shows, as its safe values are to be set."""

FORCED_OPEN_S = 1.0
"""How long a forced door stays open at least: somebody squeezes through it."""


@dataclass(slots=True)
class DoorState:
    """One door: released until its timer ends it, open while somebody passes."""

    ttl_units: int = 0
    is_released: bool = False
    is_open: bool = False
    passages: int = 0
    back_passages: int = 0
    releases: int = 0
    timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)


class SimulatedDoors:
    """Two doors, a cell between them, fire and tamper contacts, and a watchdog over the software that commands them."""

    def __init__(self, *, transit_s: float, open_s: float, watchdog_s: float, takes_ttl: bool = True) -> None:
        """`takes_ttl`: off for plain outputs, which stay as they were told until the watchdog ends them."""
        self._takes_ttl = takes_ttl
        self._transit_s = transit_s
        self._open_s = open_s
        self.watchdog_s = watchdog_s
        self._watchdog: asyncio.TimerHandle | None = None
        self.has_watchdog = True
        self.has_fired = False
        self.lights: dict[str, bool] = dict.fromkeys(LIGHTS, False)
        self.keeps_open = False
        self.doors = {Door.ENTRANCE: DoorState(), Door.EXIT: DoorState()}
        self.occupancy = 0
        self.is_fire = False
        self.is_tampered = False
        self.is_stopped = False
        self.is_safe = True
        self.released_log: list[tuple[Door, float]] = []

    def client_spoke(self) -> None:
        """Restart the watchdog."""
        self.is_safe = False
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = asyncio.get_running_loop().call_later(self.watchdog_s, self.safe_state)

    def safe_state(self) -> None:
        """End every release: nobody commands the gate any more. Nothing without a watchdog."""
        if not self.has_watchdog:
            return
        self.is_safe = self.has_fired = True
        self.lights = {name: name in SAFE_LIGHTS for name in LIGHTS}
        for door in self.doors:
            self.end_release(door)

    def release(self, door: Door) -> bool:
        """Unlock a door for its time to live; False when none was set. Every call is a pulse and is logged."""
        state = self.doors[door]
        if self._takes_ttl and not state.ttl_units:
            return False
        state.is_released = True
        state.releases = (state.releases + 1) % 0x10000
        self.released_log.append((door, asyncio.get_running_loop().time()))
        if self._takes_ttl:
            self._timer(state, "ttl", state.ttl_units / 10, lambda: self.end_release(door))
        state.ttl_units = 0  # each release sets its own
        return True

    def end_release(self, door: Door) -> None:
        """Lock a door again."""
        state = self.doors[door]
        state.is_released = False
        if (timer := state.timers.pop("ttl", None)) is not None:
            timer.cancel()

    def walk(self, door: Door, persons: int) -> bool:
        """Let people pass; False when the door is locked. It opens at once, counts after the transit and closes by itself."""
        state = self.doors[door]
        if not (state.is_released or self.is_fire) or self.is_stopped:
            return False
        state.is_open = True
        if self._takes_ttl and not self.keeps_open:
            self.end_release(door)
        self._timer(state, "transit", self._transit_s, lambda: self.passed(door, persons))
        self._timer(state, "open", max(self._open_s, self._transit_s), lambda: self._close(door))
        return True

    def force(self, door: Door) -> None:
        """Push a door open that nobody released; it closes by itself behind who squeezed through."""
        state = self.doors[door]
        state.is_open = True
        self._timer(state, "open", max(self._open_s, FORCED_OPEN_S), lambda: self._close(door))

    def fire(self, *, on: bool) -> None:
        """Open both doors, as the hard-wired fire contact does; end of fire closes them."""
        self.is_fire = on
        for state in self.doors.values():
            state.is_open = on

    def emergency_stop(self, *, on: bool) -> None:
        """Stop the drives: no door is released while the button is pressed."""
        self.is_stopped = on
        if on:
            for door in self.doors:
                self.end_release(door)

    def stop(self) -> None:
        """Cancel every timer."""
        for state in self.doors.values():
            for timer in state.timers.values():
                timer.cancel()
            state.timers.clear()
        if self._watchdog is not None:
            self._watchdog.cancel()

    def passed(self, door: Door, persons: int) -> None:
        """Count people who passed."""
        state = self.doors[door]
        state.passages = (state.passages + persons) % 0x10000
        inwards = persons if door is Door.ENTRANCE else -persons
        self.occupancy = max(self.occupancy + inwards, 0)

    def _close(self, door: Door) -> None:
        self.doors[door].is_open = self.is_fire

    @staticmethod
    def _timer(state: DoorState, name: str, delay_s: float, then: Callable[[], None]) -> None:
        if (running := state.timers.pop(name, None)) is not None:
            running.cancel()
        state.timers[name] = asyncio.get_running_loop().call_later(delay_s, then)
