"""A driver hosted in this very process, over a real socket: used in place of the driver itself, so that any suite can run with it hosted."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drivers.contracts import Clock, DeviceState, EventSink
from drivers.hosted.clients import client_of
from drivers.hosted.device_client import HostedDevice
from drivers.hosted.host_link import HostLink
from drivers.hosted.listener import listen
from drivers.hosted.server import DeviceTable, HostedDevices
from drivers.registry import build


class HostedHere:
    """Runs host and agent's side together; commands and state are those of the agent's side. Paths of sockets are short: 107 bytes at most."""

    def __init__(
        self,
        driver: str,
        name: str,
        options: Mapping[str, object],
        sink: EventSink,
        clock: Clock,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="egate-"))
        self.path = self.folder / "host.sock"
        self.host = HostedDevices([DeviceTable(name, driver, options)], clock)
        self.client: HostedDevice = client_of(
            build(name, driver, options, sink, clock), HostLink(self.path), sink, clock
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    @property
    def state(self) -> DeviceState:
        return self.client.state

    @property
    def driver(self) -> Any:
        """The driver itself, on its host."""
        return self.host.devices[self.client.name].driver

    async def run(self) -> None:
        place = listen(self.path)
        serving = asyncio.create_task(self.host.run(place))
        try:
            await self.client.run()
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            place.close()
            shutil.rmtree(self.folder, ignore_errors=True)


def hosted(driver: str) -> Callable[..., Any]:
    """Return what builds a driver that runs hosted, with the signature of a driver's own `build`."""

    def make(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> HostedHere:
        return HostedHere(driver, name, options, sink, clock)

    return make
