"""Virtual help points: a box with a button and an intercom station, and a USB button.

Wiring of the box: inputs 0 help, 1 intercom active; coil 0 intercom call.
"""

from __future__ import annotations

from drivers.barcode.input_events import EV_KEY, EV_SYN, PRESSED, RELEASED, SYN_REPORT, InputEvent, InputEventCodec
from drivers.contacts.twin import ContactBoxTwin
from drivers.twin import FifoTwin

POINTS = {
    "help": {"function": 2, "address": 0},
    "intercom_active": {"function": 2, "address": 1},
    "intercom_call": {"function": 5, "address": 0},
}
"""The twin's wiring, as the driver's option."""
KEY_F12 = 88


class HelpPointTwin(ContactBoxTwin):
    """A button that stays pressed until it is let go, and a station that rings until somebody answers."""

    def __init__(self, *, port: int = 0, unit: int = 1, seed: int = 1) -> None:
        super().__init__(port=port, unit=unit, seed=seed)
        self._is_pressed = False
        self._is_calling = False
        self._is_active = False
        self.calls = 0

    def press(self, *, on: bool = True) -> None:
        """Press the button or let it go."""
        self._is_pressed = on

    def speak(self, *, on: bool = True) -> None:
        """Let a guard answer or hang up."""
        self._is_active = on

    def inputs(self) -> tuple[bool, ...]:
        """Return help, intercom active."""
        return (self._is_pressed, self._is_active)

    def coils(self) -> tuple[bool, ...]:
        """Return intercom call."""
        return (self._is_calling,)

    def set_coil(self, address: int, *, on: bool) -> None:  # noqa: ARG002 - there is one
        """Take the call contact; each time it closes is one ring."""
        self.calls += on and not self._is_calling
        self._is_calling = on


class HelpButtonTwin(FifoTwin):
    """A USB button that types F12."""

    def press(self, code: int = KEY_F12) -> None:
        """Press and let go."""
        codec = InputEventCodec()
        for value in (PRESSED, RELEASED):
            self.send(codec.encode(InputEvent(EV_KEY, code, value)) + codec.encode(InputEvent(EV_SYN, SYN_REPORT, 0)))
