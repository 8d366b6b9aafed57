"""The centre's half of the link as a service: one connection to the broker, ingest, presence, bundles for the gates."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog

from central_sync import topics
from central_sync.bundles import KINDS, OPTIONAL_KINDS, file_name
from central_sync.centre import passage_counts, telemetry
from central_sync.centre.directory import GateDirectory
from central_sync.centre.ingest import Ingest
from central_sync.centre.ledger import Ledger
from central_sync.centre.presence import PresenceBook
from central_sync.centre.queries import CentreQueries
from central_sync.centre.schema import open_engine
from central_sync.commands import Command, sign_command
from central_sync.errors import EnvelopeRefused, IdentityFault, LedgerFault, TransportFault
from central_sync.identity import read_signing_key
from central_sync.presence import Birth, CentreState, State, Telemetry, open_announcement, sign_announcement
from central_sync.topics import GateAddress
from central_sync.transports import Incoming, Publication, Transport
from central_sync.transports.mqtt import MqttTransport, MqttVersion
from central_sync.uplink import backoff_s

_COMMAND_LIFE = timedelta(hours=24)
_FIRST_RETRY_S = 0.25
_LONGEST_RETRY_S = 5.0
_log = structlog.get_logger(__name__)


class CentreService:
    """Start with `start`, stop with `stop`; survives a broker that comes and goes.

    `keys_folder` holds `centre.key`; `directory.json` lies in it or beside it. Raises `IdentityFault` when they cannot be used.
    """

    def __init__(
        self,
        database_url: str,
        broker_host: str,
        broker_port: int,
        keys_folder: Path,
        country: str,
        *,
        protocol: MqttVersion = "auto",
        bundles_folder: Path | None = None,
        transport: Transport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        presence_grace_s: float = 30.0,
        state_interval_s: float = 30.0,
    ) -> None:
        self._country = country
        self._now = now
        self._bundles_folder = bundles_folder
        self._state_interval_s = state_interval_s
        self._centre_key = read_signing_key(keys_folder / "centre.key")
        inside = keys_folder / "directory.json"
        self._directory = GateDirectory(inside if inside.exists() else keys_folder.parent / "directory.json")
        self._transport = transport or MqttTransport(
            broker_host, broker_port, f"egate-centre-{country}", version=protocol
        )
        self._session = uuid.uuid4()
        self.engine: sa.Engine = open_engine(database_url)
        passage_counts.rebuild(self.engine)
        self.queries = CentreQueries(self.engine, presence_grace_s=presence_grace_s, now=now)
        self._ledger = Ledger(self.engine)
        self._presence = PresenceBook(self.engine, self._ledger)
        self._ingest = Ingest(self._ledger, self._directory, self._centre_key, self._transport.publish, now)
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    async def start(self) -> None:
        """Begin; returns at once, the broker may still be away."""
        self._task = asyncio.create_task(self.run())

    async def connected(self) -> None:
        """Wait until the broker has taken the centre's subscriptions."""
        await self._connected.wait()

    async def stop(self) -> None:
        """Say goodbye and stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(self.engine.dispose)

    async def run(self) -> None:
        """Serve until cancelled; after each loss wait and connect again."""
        failures = 0
        try:
            while True:
                try:
                    # A task of its own: Python 3.11.2's TaskGroup spoils later timeouts of the task that it failed in.
                    await asyncio.create_task(self._serve())
                    failures = 1
                except TransportFault as fault:
                    failures += 1
                    _log.info("centre_link_not_made", code=fault.code, why=str(fault))
                self._connected.clear()
                await self._transport.close()
                await asyncio.sleep(min(_LONGEST_RETRY_S, backoff_s(failures, _FIRST_RETRY_S, 1.0)))
        finally:
            await self._say_goodbye()

    async def publish_bundle(self, kind: str, wire: bytes) -> None:
        """Publish a signed bundle to every gate, retained. Raises `TransportFault`."""
        await self._transport.publish(Publication(topics.everyone(self._country, kind), wire, retain=True))

    async def ask_again(self, address: GateAddress, epoch: uuid.UUID, ranges: list[tuple[int, int]]) -> None:
        """Ask a gate to send acknowledged records again (the centre was restored). Raises `TransportFault`."""
        await self._command(address, "resend", epoch, ranges)

    async def _serve(self) -> None:
        self._session = uuid.uuid4()
        await self._transport.open(topics.centre_subscriptions(self._country), self._state(online=False))
        try:
            await self._transport.publish(self._state(online=True))
            for publication in self._bundles(lambda kind: topics.everyone(self._country, kind)):
                await self._transport.publish(publication)
            self._connected.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ingest.run())
                tasks.create_task(self._receive())
                tasks.create_task(self._repeat_state())
        except* TransportFault as faults:
            _log.info("centre_link_lost", faults=len(faults.exceptions))

    async def _receive(self) -> None:
        while True:
            message = await self._transport.receive()
            try:
                await self._accept(message)
            except (EnvelopeRefused, IdentityFault) as refusal:
                _log.warning("message_refused", topic=message.topic, code=refusal.code, why=str(refusal))
            except LedgerFault as fault:
                _log.error("presence_not_noted", code=fault.code, why=str(fault))

    async def _accept(self, message: Incoming) -> None:
        place = topics.parse(message.topic)
        if place is None:
            return
        address, channel = place
        if channel in topics.LANES.values():
            self._ingest.offer(address, message.payload)
        elif channel == "up/birth":
            await self._born(address, message.payload)
        elif channel == "up/state" and message.payload:
            state = open_announcement(State, message.payload, self._directory.key(address))
            _refuse_other(address, state.source)
            await asyncio.to_thread(self._presence.heard, state, self._now())
        elif channel == "up/tel":
            told = open_announcement(Telemetry, message.payload, self._directory.key(address))
            _refuse_other(address, told.source)
            await asyncio.to_thread(telemetry.note, self.engine, told, self._now())

    async def _born(self, address: GateAddress, wire: bytes) -> None:
        birth = open_announcement(Birth, wire, self._directory.key(address))
        _refuse_other(address, birth.source)
        findings = await asyncio.to_thread(self._presence.born, birth, self._now())
        if findings.went_back:
            highest, head = findings.highest
            await self._command(address, "new_epoch", birth.position.epoch, [(highest, highest)], head)
        elif findings.missing:
            await self._command(address, "resend", birth.position.epoch, findings.missing[:1000])
        for publication in self._bundles(lambda kind: address.topic(f"down/{topics.BUNDLE_CHANNELS[kind]}")):
            await self._transport.publish(publication)

    async def _command(
        self,
        address: GateAddress,
        action: str,
        epoch: uuid.UUID,
        ranges: list[tuple[int, int]],
        head: str | None = None,
    ) -> None:
        command = Command.model_validate(
            {
                "command_id": uuid.uuid4(),
                "source": address.source,
                "action": action,
                "epoch": epoch,
                "ranges": ranges,
                "head": head,
                "not_after": self._now() + _COMMAND_LIFE,
            }
        )
        _log.info("command_sent", gate=address.source, action=action, ranges=len(ranges))
        wire = sign_command(command, self._centre_key)
        await self._transport.publish(Publication(address.topic("down/cmd"), wire))

    async def _repeat_state(self) -> None:
        while True:
            await asyncio.sleep(self._state_interval_s)
            await self._transport.publish(self._state(online=True))

    async def _say_goodbye(self) -> None:
        try:
            if self._connected.is_set():
                await self._transport.publish(self._state(online=False))
        except TransportFault as fault:
            _log.info("goodbye_not_sent", code=fault.code)
        await self._transport.close()

    def _bundles(self, topic: Callable[[str], str]) -> list[Publication]:
        if self._bundles_folder is None:
            return []
        paths = {kind: self._bundles_folder / file_name(kind) for kind in KINDS + OPTIONAL_KINDS}
        return [
            Publication(topic(kind), path.read_bytes(), retain=True) for kind, path in paths.items() if path.exists()
        ]

    def _state(self, *, online: bool) -> Publication:
        state = CentreState(session=self._session, online=online, sent_at=self._now())
        wire = sign_announcement(state, self._centre_key)
        return Publication(topics.centre_state(self._country), wire, retain=True)


def _refuse_other(address: GateAddress, source: str) -> None:
    if source != address.source:
        raise EnvelopeRefused(f"an announcement of {source} under the name of {address.source}", code="CS-ENV-004")
