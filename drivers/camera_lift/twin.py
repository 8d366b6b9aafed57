"""A virtual lift: it has a height, a speed and limit switches that cut its motor, and it stops when its time is over or its client silent.

Wiring: coils 0 up and 1 down; inputs 0 upper limit, 1 lower limit, 2 stop; register 0 time to live in 100 ms.
"""

from __future__ import annotations

import asyncio

from drivers.camera_lift.driver import TTL_UNIT_S
from drivers.contacts.twin import ContactBoxTwin

POINTS = {
    "up": {"function": 5, "address": 0},
    "down": {"function": 5, "address": 1},
    "upper_limit": {"function": 2, "address": 0},
    "lower_limit": {"function": 2, "address": 1},
    "stop": {"function": 2, "address": 2},
    "ttl": {"function": 6, "address": 0},
}
"""The twin's wiring, as the driver's option."""


class CameraLiftTwin(ContactBoxTwin):
    """The lift; `height_mm` counts from its lower limit."""

    def __init__(
        self,
        *,
        port: int = 0,
        unit: int = 1,
        height_mm: float = 500.0,
        travel_mm: float = 800.0,
        speed_mm_per_s: float = 60.0,
        watchdog_s: float = 3.0,
        seed: int = 1,
    ) -> None:
        """Begin at a height between the limits."""
        super().__init__(port=port, unit=unit, seed=seed)
        self._height_mm = height_mm
        self._travel_mm = travel_mm
        self._speed_mm_per_s = speed_mm_per_s
        self._watchdog_s = watchdog_s
        self._ttl_units = 0
        self._sign = 0
        self._since_s = self._ends_s = self._heard_s = 0.0
        self._is_stopped = False
        self._has_both_limits = False
        self.moves: list[str] = []

    @property
    def height_mm(self) -> float:
        """Where it stands now."""
        now_s = min(self._now_s(), self._ends_s, self._heard_s + self._watchdog_s) if self._sign else 0.0
        moved_mm = self._sign * self._speed_mm_per_s * max(0.0, now_s - self._since_s) if self._sign else 0.0
        return min(max(self._height_mm + moved_mm, 0.0), self._travel_mm)

    @property
    def is_moving(self) -> bool:
        """Tell whether its motor runs."""
        self._settle()
        return self._sign != 0

    def press_stop(self, *, on: bool = True) -> None:
        """Press or reset the emergency stop; the hardware cuts the motor by itself."""
        self._settle()
        self._is_stopped = on
        if on:
            self._halt()

    def break_limits(self, *, on: bool = True) -> None:
        """Let both limit switches say that they are reached."""
        self._has_both_limits = on

    def put(self, height_mm: float) -> None:
        """Set the height by hand."""
        self._halt()
        self._height_mm = height_mm

    def inputs(self) -> tuple[bool, ...]:
        """Return upper limit, lower limit, stop."""
        self._settle()
        both = self._has_both_limits
        return (self.height_mm >= self._travel_mm or both, self.height_mm <= 0.0 or both, self._is_stopped)

    def coils(self) -> tuple[bool, ...]:
        """Return up, down."""
        self._settle()
        return (self._sign > 0, self._sign < 0)

    def registers(self) -> tuple[int, ...]:
        """Return the time to live."""
        return (self._ttl_units,)

    def set_register(self, address: int, value: int) -> None:  # noqa: ARG002 - there is one
        """Take the time to live of the next move."""
        self._ttl_units = value

    def set_coil(self, address: int, *, on: bool) -> None:
        """Begin or end a move; one of both directions ends the other."""
        self._settle()
        sign = (1, -1)[address]
        if on and not self._is_stopped:
            self._halt()
            self._sign = sign
            self._since_s = self._now_s()
            self._ends_s = self._since_s + self._ttl_units * TTL_UNIT_S
            self.moves.append(("up", "down")[address])
        elif not on and self._sign == sign:
            self._halt()

    def answer(self, pdu: bytes) -> bytes:
        """Carry out a request; each is a sign of life for the watchdog."""
        self._settle()
        self._heard_s = self._now_s()
        return super().answer(pdu)

    def _settle(self) -> None:
        """End what is over: the time to live, the watchdog, a limit."""
        if not self._sign:
            return
        is_over = self._now_s() >= min(self._ends_s, self._heard_s + self._watchdog_s)
        if is_over or self.height_mm == (self._travel_mm if self._sign > 0 else 0.0):
            self._halt()

    def _halt(self) -> None:
        self._height_mm = self.height_mm
        self._sign = 0

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
