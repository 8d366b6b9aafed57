"""What `egate check-config` and `egate doctor` find about who hosts a device: the agent has no network, and the field service no device files."""

from __future__ import annotations

import socket

from drivers.endpoints import Endpoints, endpoints_of
from drivers.errors import DriverFault
from drivers.reach import Endpoint
from drivers.registry import BUILT_IN
from gate_agent.app.device_options import options_of
from gate_agent.cli.findings import Finding
from gate_agent.settings import DeviceSettings, FieldSettings, Settings


def hosting_findings(settings: Settings) -> list[Finding]:
    """Find devices in the wrong process, and addresses that the field service may not use."""
    findings: list[Finding] = []
    for device in settings.device:
        try:
            endpoints = endpoints_of(device.driver, options_of(settings, device))
        except DriverFault:
            continue  # found with the device's other options
        findings += _placed_wrongly(device, endpoints)
        if device.hosted_by == "field":
            findings += _not_allowed(device, endpoints, settings.field)
    return findings


def field_socket_findings(settings: Settings, wait_s: float) -> list[Finding]:
    """Find that nobody listens on the field service's socket, where a device needs it. Whoever is no agent is turned away by the service."""
    if all(device.hosted_by != "field" for device in settings.device):
        return []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        probe.settimeout(wait_s)
        try:
            probe.connect(str(settings.field.socket))
        except OSError as error:
            reason = error.strerror or "no answer"
            remedy = "Start it: systemctl start egate-field.socket egate-field"
            return [Finding("field.socket", f"{settings.field.socket} does not answer ({reason})", remedy)]
    return []


def _placed_wrongly(device: DeviceSettings, endpoints: Endpoints) -> list[Finding]:
    where = f"device {device.name}.hosted_by"
    if device.hosted_by == "agent" and endpoints:
        places = ", ".join(str(one) for one in (*endpoints.connects, *endpoints.listens))
        text = f"the device is reached over the network ({places}), and the agent, which hosts it, has none"
        return [Finding(where, text, 'Write `hosted_by = "field"` in its table, and its address in the [field] table.')]
    if device.hosted_by == "field" and not endpoints and device.driver in BUILT_IN:
        text = "the device needs no network, and the field service, which hosts it, opens no device files"
        return [Finding(where, text, "Leave `hosted_by` out: the agent hosts it.")]
    return []


def _not_allowed(device: DeviceSettings, endpoints: Endpoints, field: FieldSettings) -> list[Finding]:
    pairs = (("allow", endpoints.connects, "connected to"), ("listen", endpoints.listens, "listened on"))
    return [
        Finding(
            f"device {device.name}",
            f"{one} may not be {verb}: it is not in `field.{key}`",
            f'Add "{one}" to `{key}` of the [field] table, or correct the device.',
        )
        for key, endpoints_there, verb in pairs
        for one in endpoints_there
        if _lower(one) not in _read(getattr(field, key))
    ]


def _read(written: tuple[str, ...]) -> list[Endpoint]:
    return [Endpoint.read(one) for one in written]


def _lower(endpoint: Endpoint) -> Endpoint:
    return Endpoint(endpoint.host.lower(), endpoint.port)
