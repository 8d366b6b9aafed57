"""From the broker to the gate: acknowledgements, commands, the centre's state and bundles; each one verified before it counts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync import topics
from central_sync.acks import AckApplied
from central_sync.bundles import Bundle, file_name, verify_bundle, version_in_use
from central_sync.commands import CommandResult
from central_sync.errors import AckRefused, BundleRefused, CommandRefused, EnvelopeRefused
from central_sync.handover import RecordSource
from central_sync.presence import CentreState, open_announcement
from central_sync.transports import Incoming

_log = structlog.get_logger(__name__)


class BundleShelf:
    """The folder of bundles: a newer valid one replaces the file in one step, an older or invalid one is refused."""

    def __init__(self, folder: Path, trusted: Sequence[Ed25519PublicKey], now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._trusted = tuple(trusted)
        self._now = now

    def accept(self, kind: str, wire: bytes) -> Bundle | None:
        """Put a bundle on the shelf; return None when this very one lies there. Raises `BundleRefused`, `OSError`."""
        path = self._folder / file_name(kind)
        in_use = path.read_bytes() if path.exists() else b""
        if in_use == wire:
            return None
        bundle = verify_bundle(wire, self._trusted, self._now(), kind, self._version(kind, in_use))
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as stream:
            stream.write(wire)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return bundle

    def _version(self, kind: str, in_use: bytes) -> int:
        if not in_use:
            return 0
        try:
            return version_in_use(in_use, self._trusted, kind)
        except BundleRefused as refusal:
            _log.warning("bundle_on_shelf_refused", kind=kind, code=refusal.code)
            return 0


class Downlink:
    """The receiving half of one session. The callbacks tell the session what an incoming message means for it."""

    def __init__(
        self,
        source: RecordSource,
        centre_key: Ed25519PublicKey,
        shelf: BundleShelf | None,
        *,
        on_ack: Callable[[AckApplied], None],
        on_command: Callable[[CommandResult], None],
        on_centre_state: Callable[[CentreState], None],
    ) -> None:
        self._source = source
        self._centre_key = centre_key
        self._shelf = shelf
        self._on_ack = on_ack
        self._on_command = on_command
        self._on_centre_state = on_centre_state

    async def accept(self, message: Incoming) -> None:
        """Act on one message. What is refused is logged with its code; only `TransportFault` of the agent's socket leaves."""
        try:
            await self._accept(message)
        except (AckRefused, CommandRefused, EnvelopeRefused, BundleRefused) as refusal:
            _log.warning("message_refused", topic=message.topic, code=refusal.code, why=str(refusal))
        except OSError as error:
            _log.error("bundle_not_written", topic=message.topic, why=error.strerror)

    async def _accept(self, message: Incoming) -> None:
        if message.topic.endswith("/down/ack"):
            applied = await self._source.apply_ack(message.payload)
            if applied.status == "quarantined":
                _log.warning("records_quarantined_at_centre", ranges=applied.ranges)
            self._on_ack(applied)
        elif message.topic.endswith("/down/cmd"):
            self._on_command(await self._source.apply_command(message.payload))
        elif message.topic.endswith("/_all/centre/state"):
            self._on_centre_state(open_announcement(CentreState, message.payload, self._centre_key))
        else:
            kind = topics.bundle_kind(message.topic)
            if kind is not None and self._shelf is not None:
                bundle = await asyncio.to_thread(self._shelf.accept, kind, message.payload)
                if bundle is not None:
                    _log.info("bundle_accepted", kind=kind, version=bundle.version)
