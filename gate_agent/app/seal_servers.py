"""Who of a process may tell a seal to open, and one try among them: the server on which the seal speaks sends the command, once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import structlog

from drivers import contracts as dc
from drivers.errors import DriverFault
from drivers.seal_commands import SealDriver, UnlockOutcome

log = structlog.get_logger()

_CAPABILITY = "unlock"


class Unlocker(Protocol):
    """A server of seals, here or at the post."""

    @property
    def name(self) -> str:
        """Its name in the site file, or of the post."""
        ...

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        """Tell a seal to open, once. Raises `Unsupported` or `DriverFault` when certainly nothing was sent to it."""
        ...


def may_unlock(driver: dc.Driver) -> bool:
    """Say whether a driver is a server of seals that the site lets unlock them."""
    return driver.device_class is dc.DeviceClass.SEAL_TRACKER and _CAPABILITY in driver.capabilities


def unlocking(drivers: Iterable[dc.Driver]) -> list[Unlocker]:
    """Return the servers among `drivers` that may unlock."""
    return [cast(SealDriver, driver) for driver in drivers if may_unlock(driver)]


async def unlock_once(servers: Iterable[Unlocker], seal_id: str) -> tuple[UnlockOutcome | None, str]:
    """Return the answer of the one server on which the seal speaks; None and why when it was sent by none."""
    why = "no seal server may unlock"
    for server in servers:
        try:
            return await server.unlock(seal_id), ""
        except dc.Unsupported as unsupported:
            why = str(unsupported)
        except DriverFault as fault:
            why = str(fault)
            log.info("seal_unlock_not_sent", device=server.name, code=fault.code)
    return None, why
