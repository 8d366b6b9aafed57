"""One gate's link to the centre: opens the transport, says birth, keeps both halves running and starts over after each loss."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from central_sync.bundle_shelf import BundleShelf
from central_sync.downlink import Downlink
from central_sync.errors import TransportFault
from central_sync.handover import LinkReport, RecordSource
from central_sync.presence import (
    MOST_DEVICES,
    Birth,
    CentreState,
    ChainPosition,
    DeviceReading,
    State,
    Telemetry,
    sign_announcement,
)
from central_sync.topics import GateAddress, gate_subscriptions
from central_sync.transports import Publication, Transport
from central_sync.uplink import Uplink, UplinkSettings, backoff_s

_log = structlog.get_logger(__name__)
_FIRST_RETRY_S = 0.25
_LONGEST_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class GateKeys:
    """The gate's signing key and the centre's verification key."""

    gate: Ed25519PrivateKey
    centre: Ed25519PublicKey


class GateLink:
    """Runs until cancelled, whatever the broker, the centre and the agent do."""

    def __init__(
        self,
        address: GateAddress,
        source: RecordSource,
        transport: Transport,
        keys: GateKeys,
        *,
        now: Callable[[], datetime],
        settings: UplinkSettings | None = None,
        heartbeat_s: float = 10.0,
        shelf: BundleShelf | None = None,
        software_version: str = "",
        telemetry: Callable[[], Awaitable[list[DeviceReading]]] | None = None,
    ) -> None:
        self._address = address
        self._source = source
        self._transport = transport
        self._keys = keys
        self._now = now
        self._settings = settings or UplinkSettings()
        self._heartbeat_s = heartbeat_s
        self._shelf = shelf
        self._software_version = software_version
        self._telemetry = telemetry
        self._session = uuid.uuid4()
        self._centre_session: uuid.UUID | None = None
        self._birth_due = asyncio.Event()
        self._reported: LinkReport | None = None

    async def run(self) -> None:
        """Keep a session with the broker; after each loss wait (doubling to 10 s, with jitter) and begin again."""
        failures = 0
        try:
            while True:
                has_served = False
                try:
                    # A task of its own: Python 3.11.2's TaskGroup spoils later timeouts of the task that it failed in.
                    has_served = await asyncio.create_task(self._serve())
                except TransportFault as fault:
                    _log.info("link_not_made", code=fault.code, why=str(fault))
                await self._transport.close()
                await self._tell_agent_offline()
                failures = 1 if has_served else failures + 1
                wait_s = min(_LONGEST_RETRY_S, backoff_s(failures, _FIRST_RETRY_S, self._settings.jitter()))
                await asyncio.sleep(wait_s)
        finally:
            await self._transport.close()

    async def _serve(self) -> bool:
        """Serve one session until it breaks; say whether it came to life."""
        position = await self._source.position()  # without the agent there is nothing to connect for
        self._session = uuid.uuid4()
        self._centre_session = None
        await self._transport.open(gate_subscriptions(self._address), self._will())
        uplink = Uplink(self._address, self._source, self._transport, self._keys.gate, self._settings)
        downlink = Downlink(
            self._source,
            self._keys.centre,
            self._shelf,
            on_ack=uplink.acknowledged,
            on_command=lambda _result: self._commanded(uplink),
            on_centre_state=lambda state: self._centre_said(uplink, state),
        )
        try:
            await self._announce(position)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(uplink.run())
                tasks.create_task(self._receive(downlink))
                tasks.create_task(self._heartbeat(uplink))
                tasks.create_task(self._give_birth_when_due(uplink))
        except* TransportFault as faults:
            for fault in _leaves(faults):
                _log.info("link_lost", code=fault.code, why=str(fault))
        return True

    async def _receive(self, downlink: Downlink) -> None:
        while True:
            await downlink.accept(await self._transport.receive())

    async def _heartbeat(self, uplink: Uplink) -> None:
        beats_until_s = 0.0
        while True:
            report = LinkReport(centre_online=not uplink.centre_is_away, protocol=self._transport.protocol)
            now_s = self._settings.monotonic_s()
            if now_s >= beats_until_s or report != self._reported:
                await self._source.report_link(report)
                self._reported = report
            if now_s >= beats_until_s:
                beats_until_s = now_s + self._heartbeat_s
                await self._publish_state(await self._source.position())
                if self._telemetry is not None:
                    await self._publish_telemetry(await self._telemetry())
            await asyncio.sleep(min(1.0, self._heartbeat_s))

    async def _give_birth_when_due(self, uplink: Uplink) -> None:
        while True:
            await self._birth_due.wait()
            self._birth_due.clear()
            async with uplink.publishing:
                await self._announce(await self._source.position())

    def _commanded(self, uplink: Uplink) -> None:
        uplink.rewind()
        self._birth_due.set()

    def _centre_said(self, uplink: Uplink, state: CentreState) -> None:
        uplink.centre_announced(online=state.online)
        if state.online and state.session != self._centre_session:
            self._centre_session = state.session
            self._birth_due.set()

    async def _announce(self, position: ChainPosition) -> None:
        birth = Birth(
            source=self._address.source,
            session=self._session,
            sent_at=self._now(),
            protocol=self._transport.protocol,
            software_version=self._software_version,
            position=position,
        )
        wire = sign_announcement(birth, self._keys.gate)
        await self._transport.publish(Publication(self._address.topic("up/birth"), wire))
        await self._publish_state(position)

    async def _publish_state(self, position: ChainPosition) -> None:
        state = State(
            source=self._address.source, session=self._session, online=True, sent_at=self._now(), position=position
        )
        wire = sign_announcement(state, self._keys.gate)
        await self._transport.publish(Publication(self._address.topic("up/state"), wire, retain=True))

    async def _publish_telemetry(self, devices: list[DeviceReading]) -> None:
        worst_first = sorted(devices, key=lambda device: (device.state == "ready" and not device.fault, device.name))
        told = Telemetry(
            source=self._address.source, session=self._session, sent_at=self._now(), devices=worst_first[:MOST_DEVICES]
        )
        wire = sign_announcement(told, self._keys.gate)
        await self._transport.publish(Publication(self._address.topic("up/tel"), wire, qos=0))

    def _will(self) -> Publication:
        state = State(source=self._address.source, session=self._session, online=False, sent_at=self._now())
        wire = sign_announcement(state, self._keys.gate)
        return Publication(self._address.topic("up/state"), wire, retain=True)

    async def _tell_agent_offline(self) -> None:
        self._reported = None
        try:
            await self._source.report_link(LinkReport(centre_online=False))
        except TransportFault as fault:
            _log.info("agent_away", code=fault.code)


def _leaves(group: BaseExceptionGroup[TransportFault]) -> list[TransportFault]:
    faults: list[TransportFault] = []
    for fault in group.exceptions:
        faults += _leaves(fault) if isinstance(fault, BaseExceptionGroup) else [fault]
    return faults
