"""What the agent and `egate sync` say to each other on `sync.sock`, and the Python face of it.

GET  /v1/batch?lane=live&limit=50&after_seq=0&wait_s=0 -> BatchPage
POST /v1/ack    wire bytes of an acknowledgement       -> AckApplied   (409 with Refusal when it was not accepted)
GET  /v1/birth                                          -> ChainPosition
GET  /v1/telemetry                                      -> list of DeviceReading
POST /v1/link   LinkReport                              -> 204
GET  /v1/link                                           -> LinkState
POST /v1/command wire bytes of a command                -> CommandResult (409 with Refusal)
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from central_sync.acks import AckApplied
from central_sync.commands import CommandResult
from central_sync.envelope import Lane, StoredBody
from central_sync.messages import HashHex
from central_sync.presence import ChainPosition


class SyncMessage(BaseModel):
    """A frozen message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BatchRow(SyncMessage):
    """One unacknowledged outbox row."""

    seq: int = Field(ge=1)
    prev_hash: HashHex
    body_base64: str


class BatchPage(SyncMessage):
    """Up to `limit` unacknowledged rows of one epoch in order of `seq`."""

    source: str
    epoch: uuid.UUID
    lane: Lane
    rows: list[BatchRow]

    def bodies(self) -> list[StoredBody]:
        """Return the rows as they go into a batch."""
        return [
            StoredBody(row.seq, bytes.fromhex(row.prev_hash), base64.b64decode(row.body_base64, validate=True))
            for row in self.rows
        ]


def page_of(source: str, epoch: uuid.UUID, lane: Lane, bodies: Sequence[StoredBody]) -> BatchPage:
    """Return stored bodies as a page."""
    rows = [
        BatchRow(seq=row.seq, prev_hash=row.prev_hash.hex(), body_base64=base64.b64encode(row.body).decode())
        for row in bodies
    ]
    return BatchPage(source=source, epoch=epoch, lane=lane, rows=rows)


class LinkReport(SyncMessage):
    """Told by `egate sync` on each change and with each heartbeat."""

    centre_online: bool
    protocol: str = Field("", max_length=16)


class LinkState(SyncMessage):
    """Delivery as the agent knows it."""

    centre_online: bool
    since: AwareDatetime
    backlog_records: int
    oldest_age_s: float
    last_ack_at: AwareDatetime | None
    quarantined_records: int
    position: ChainPosition


class Refusal(SyncMessage):
    """Why something was not accepted."""

    code: str
    message: str


class RecordSource(Protocol):
    """Where `egate sync` takes records and brings acknowledgements: the agent's store behind its socket.

    Each call may raise `TransportFault` when the agent is away; `apply_ack` and `apply_command` raise `AckRefused` and
    `CommandRefused` as the agent judged.
    """

    async def next_batch(self, lane: Lane, limit: int, after_seq: int, wait_s: float) -> BatchPage:
        """Return unacknowledged rows after `after_seq`; wait up to `wait_s` for the first one."""
        ...

    async def apply_ack(self, wire: bytes) -> AckApplied:
        """Hand over an acknowledgement as received."""
        ...

    async def apply_command(self, wire: bytes) -> CommandResult:
        """Hand over a command as received."""
        ...

    async def position(self) -> ChainPosition:
        """Return where the chain stands."""
        ...

    async def report_link(self, report: LinkReport) -> None:
        """Tell whether the centre is online."""
        ...
