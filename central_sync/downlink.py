"""From the broker to the gate: acknowledgements, commands, the centre's state and bundles; each one verified before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync import topics
from central_sync.acks import AckApplied
from central_sync.bundle_shelf import BundleShelf
from central_sync.commands import CommandResult
from central_sync.errors import AckRefused, BundleRefused, CommandRefused, EnvelopeRefused
from central_sync.handover import RecordSource
from central_sync.presence import CentreState, open_announcement
from central_sync.transports import Incoming

_log = structlog.get_logger(__name__)


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
