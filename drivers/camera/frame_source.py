"""What a source of frames is; the capture child drains one all the time and decodes only when asked."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


class SourceFailed(Exception):
    """The source cannot be opened or ended. `reason` is `absent`, `refused`, `credentials` or `ended`; the text holds no address."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FrameSource(Protocol):
    """A source that is drained all the time and decodes only when asked.

    `arrived` counts its frames. `stream_s`: its own time of the frame last grabbed, None where it has none or begins anew by itself.
    `size_px`: width and height as sent of the frame last decoded, None where `decode` never scales.
    """

    arrived: int
    stream_s: float | None
    size_px: tuple[int, int] | None

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none came in time. Raises `SourceFailed`."""
        ...

    def decode(self) -> Frame | None:
        """Return the frame last grabbed as BGR; None when it cannot be decoded."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...
