"""A virtual keyboard wedge on a FIFO: the real 24-byte events, the real end of file when it is pulled out.

Not real: the grab. A FIFO is no input device, so a driver reads this twin with `is_exclusive = false`. A twin behind the kernel's own input
layer needs uinput, which kernels for virtual machines seldom have.
"""

from __future__ import annotations

from pathlib import Path

from drivers.barcode.input_events import InputEventCodec
from drivers.barcode.keyboard_text import keystrokes
from drivers.twin import FifoTwin


class HidWedgeTwin(FifoTwin):
    """Types what it is told to."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(path, seed=seed)
        self._codec = InputEventCodec()

    def scan(self, payload: bytes) -> None:
        """Read a symbol. Raises ValueError when it holds a byte that a keyboard has no key for."""
        self.send(b"".join(self._codec.encode(event) for event in keystrokes(payload.decode("latin-1"))))
