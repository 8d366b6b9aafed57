"""Birth, state and heartbeat of a gate, and the centre's own state.

A birth says where the gate's chain stands, so that the centre can compute that nothing is lost. `state` is retained, carries the
session that wrote it and doubles as will; repeated every few seconds it is the heartbeat. Presence is the age of the last
heartbeat: the will is only a hint, and one whose session is not the current one is ignored.
"""

from __future__ import annotations

import uuid
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from central_sync import signed, strict_json
from central_sync.errors import EnvelopeRefused, StrictJsonError
from central_sync.messages import HashHex

MOST_DEVICES = 40
_LIMIT_BYTES = 16_384


class ChainPosition(BaseModel):
    """Where a gate's chain stands. `first_unacked` is `last_seq + 1` when everything was acknowledged."""

    model_config = ConfigDict(frozen=True, extra="allow")
    epoch: uuid.UUID
    first_seq: int = Field(1, ge=1, description="first place of this epoch")
    first_unacked: int = Field(ge=1)
    last_seq: int = Field(ge=0)
    head: HashHex
    backlog_records: int = Field(0, ge=0)


class Birth(BaseModel):
    """Sent after each connect, and again when the centre comes back."""

    model_config = ConfigDict(frozen=True, extra="allow")
    source: str
    session: uuid.UUID
    sent_at: AwareDatetime
    protocol: str = Field("", max_length=16)
    software_version: str = Field("", max_length=64)
    position: ChainPosition


class State(BaseModel):
    """Presence of a gate. The will carries `online: false` and no position."""

    model_config = ConfigDict(frozen=True, extra="allow")
    source: str
    session: uuid.UUID
    online: bool
    sent_at: AwareDatetime
    position: ChainPosition | None = None


class CentreState(BaseModel):
    """Presence of the ingest. A gate sends birth again when `session` changes."""

    model_config = ConfigDict(frozen=True, extra="allow")
    session: uuid.UUID
    online: bool
    sent_at: AwareDatetime


class DeviceReading(BaseModel):
    """How one device of a gate is: its state, the fault that stands, and figures that it told (an aircraft's place, a battery's charge)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str = Field(max_length=64)
    device_class: str = Field(max_length=32)
    state: str = Field(max_length=16)
    fault: str = Field("", max_length=32)
    since: AwareDatetime
    figures: dict[str, str] = {}


class Telemetry(BaseModel):
    """Told with each heartbeat, QoS 0: what is lost is told again, and nothing hangs on it. Faulty devices come first when not all fit."""

    model_config = ConfigDict(frozen=True, extra="allow")
    source: str
    session: uuid.UUID
    sent_at: AwareDatetime
    devices: list[DeviceReading] = Field([], max_length=MOST_DEVICES)


Announcement = TypeVar("Announcement", Birth, State, CentreState, Telemetry)

_PURPOSES: dict[type[BaseModel], str] = {
    Birth: "egate-birth-1",
    State: "egate-state-1",
    CentreState: "egate-centre-state-1",
    Telemetry: "egate-telemetry-1",
}


def sign_announcement(announcement: Birth | State | CentreState | Telemetry, key: Ed25519PrivateKey) -> bytes:
    """Return the wire bytes of an announcement."""
    content = strict_json.dumps(announcement.model_dump(mode="json"))
    return signed.sign(_PURPOSES[type(announcement)], content, key)


def open_announcement(kind: type[Announcement], wire: bytes, key: Ed25519PublicKey) -> Announcement:
    """Return the announcement that `key` signed. Raises `EnvelopeRefused`."""
    if len(wire) > _LIMIT_BYTES or not signed.is_for(_PURPOSES[kind], wire):
        raise EnvelopeRefused("not an announcement of this kind", code="CS-ENV-001")
    content = signed.content_of(_PURPOSES[kind], wire, (key,))
    if content is None:
        raise EnvelopeRefused("the announcement's signature is wrong", code="CS-ENV-002")
    try:
        return kind.model_validate(strict_json.loads(content, max_bytes=_LIMIT_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise EnvelopeRefused("the announcement cannot be read", code="CS-ENV-001") from error
