"""The vocabulary of commands to seals, beside `drivers.contracts`: what a server of seal trackers may be asked, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from drivers.contracts import Driver


class UnlockOutcome(StrEnum):
    """What became of an unlock that was sent. UNDETERMINED: no answer came, so look at the seal; it is never sent again by itself."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNDETERMINED = "undetermined"


class SealDriver(Driver, Protocol):
    """A server of seal trackers. With the capability `unlock` it may tell seals to open."""

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        """Tell a seal to open, once.

        Raises `Unsupported` when its model has no such command or the site does not allow it, `drivers.errors.NotReady` when it is
        not connected, `drivers.errors.DeviceRefused` while another command to it waits.
        """
        ...
