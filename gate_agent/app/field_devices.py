"""The agent's share of devices that another process hosts: a driver for each that asks its host."""

from __future__ import annotations

from drivers.contracts import Clock, Driver, EventSink
from drivers.hosted.clients import client_of
from drivers.hosted.host_link import HostLink
from gate_agent.settings import DeviceSettings, Settings


class DeviceHosts:
    """The hosts of one site by the name that devices have in `hosted_by`; each is connected to when its first device runs."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._links = {"field": HostLink(settings.field.socket)}

    def client(self, device: DeviceSettings, driver: Driver, sink: EventSink) -> Driver:
        """Return what the agent runs: the driver itself, or the one that asks the device's host.

        The driver was built either way: so the agent knows what the device can do, and refuses wrong options, before its host is there.
        """
        link = self._links.get(device.hosted_by)
        return driver if link is None else client_of(driver, link, sink, self._clock)
