"""How a protocol with a chip may end other than well; none of these is a fault of the reader."""

from __future__ import annotations

from drivers.chip.apdu import UNSPECIFIED, WRONG_EXPECTED_LENGTH, WRONG_LENGTH

_MEMORY_UNCHANGED, _MEMORY_CHANGED = 0x64, 0x65


def could_not_run(status: int) -> bool:
    """Tell whether a status word complains of lengths, memory or the chip itself: the command did not run, and proves nothing."""
    return status in {WRONG_LENGTH, UNSPECIFIED} or status >> 8 in {
        _MEMORY_UNCHANGED,
        _MEMORY_CHANGED,
        WRONG_EXPECTED_LENGTH,
    }


class AccessRefused(Exception):
    """The chip did not open: wrong keys, or a proof of its own that does not hold (`status` 0)."""

    def __init__(self, protocol: str, status: int) -> None:
        super().__init__(
            f"{protocol}: status {status:04X}" if status else f"{protocol}: the chip's proof does not hold"
        )
        self.protocol = protocol
        self.status = status


class ProtocolUnsupported(Exception):
    """The chip announces only ways that this reader does not know."""


class AuthenticationAborted(Exception):
    """Chip authentication could not run to its end, which says nothing about the chip."""


class AuthenticationFailed(Exception):
    """Chip authentication ran and did not hold."""
