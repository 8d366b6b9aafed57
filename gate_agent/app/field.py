"""The process that hosts this gate's network devices: their drivers behind an allow-list, served to the agent on a Unix socket.

It reads the same site file as the agent and builds its own share of it. It stores nothing and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import structlog

from drivers.errors import DriverFault
from drivers.hosted.listener import HostSocket, inherited, listen
from drivers.hosted.server import DeviceTable, HostedDevices
from drivers.reach import AllowList, Endpoint
from gate_agent.app.device_options import options_of
from gate_agent.clock import Clock
from gate_agent.errors import SettingsFault
from gate_agent.settings import Settings

log = structlog.get_logger()


def field_of(settings: Settings, clock: Clock) -> HostedDevices:
    """Return the host of the devices that the site file gives to `field`, ready to run."""
    tables = [
        DeviceTable(device.name, device.driver, options_of(settings, device))
        for device in settings.device
        if device.hosted_by == "field"
    ]
    return HostedDevices(tables, clock, allow_list(settings))


def allow_list(settings: Settings) -> AllowList:
    """Return what the site file allows."""
    field = settings.field
    return AllowList([Endpoint.read(one) for one in field.allow], [Endpoint.read(one) for one in field.listen])


async def serve(settings: Settings, clock: Clock) -> None:
    """Host devices until told to stop by a signal. Raises `SettingsFault` when the socket cannot be had."""
    host = field_of(settings, clock)
    place = _place(settings)
    running = asyncio.create_task(host.run(place), name="field")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    log.info("field_ready", devices=len(host.devices))
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        place.close()
    log.info("field_stopped")


def _place(settings: Settings) -> HostSocket:
    """Return the socket that systemd handed over, else one made here."""
    try:
        return inherited(os.environ) or listen(settings.field.socket)
    except (OSError, DriverFault) as error:
        raise SettingsFault(f"{settings.field.socket} cannot be listened on: {error}") from error
