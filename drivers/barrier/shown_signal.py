"""What lights and sounder tell, for as long as somebody stands behind it: red again when nobody renewed it in time."""

from __future__ import annotations

from drivers.contracts import GateSignal


class ShownSignal:
    """A signal with a time to live. Times are those of the event loop, in seconds."""

    def __init__(self) -> None:
        self._signal = GateSignal.CLOSED
        self._until_s = float("-inf")

    def tell(self, signal: GateSignal, until_s: float) -> None:
        """Take a signal that is good until a moment, or the same one for longer."""
        self._signal, self._until_s = signal, until_s

    def at(self, now_s: float, *, is_fire: bool) -> GateSignal:
        """Return what is to be told now. Doors that a fire has opened stay green: nobody is sent back into it."""
        if now_s < self._until_s:
            return self._signal
        return GateSignal.EVACUATE if is_fire else GateSignal.CLOSED
