"""How a protocol with a chip may end other than well; none of these is a fault of the reader."""

from __future__ import annotations


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


class AuthenticationFailed(Exception):
    """Chip authentication ran and did not hold."""
