"""Commands of the centre to one gate: signed, dated, executed once. None of them can move a barrier.

`resend`: acknowledged rows in the ranges become unacknowledged again (a restored centre asks for them). `new_epoch`: the store went
back in time: the centre names the highest place it has and its hash, and the gate continues under a fresh epoch unless that is its
own hash there. Both keep every row.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from central_sync import signed, strict_json
from central_sync.errors import CommandRefused, StrictJsonError
from central_sync.messages import HashHex

PURPOSE = "egate-command-1"
MALFORMED, SIGNATURE, OTHER_GATE, EXPIRED, OTHER_EPOCH = (f"CS-CMD-{number:03d}" for number in range(1, 6))

_LIMIT_BYTES = 65_536


class Command(BaseModel):
    """One command. `epoch` is the one it speaks of; `not_after` ends its validity."""

    model_config = ConfigDict(frozen=True, extra="allow")
    command_id: uuid.UUID
    source: str
    action: Literal["resend", "new_epoch"]
    epoch: uuid.UUID
    ranges: list[tuple[int, int]] = Field([], max_length=1000)
    head: HashHex | None = None
    not_after: AwareDatetime


class CommandResult(BaseModel):
    """What became of a command; a repeat gets the same answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    command_id: uuid.UUID
    action: str
    changed: int


def sign_command(command: Command, centre_key: Ed25519PrivateKey) -> bytes:
    """Return the wire bytes of a command."""
    return signed.sign(PURPOSE, strict_json.dumps(command.model_dump(mode="json")), centre_key)


def open_command(wire: bytes, centre_key: Ed25519PublicKey, source: str, now: datetime) -> Command:
    """Return the command that the centre signed for `source` and that has not expired. Raises `CommandRefused`."""
    if len(wire) > _LIMIT_BYTES or not signed.is_for(PURPOSE, wire):
        raise CommandRefused("not a command", code=MALFORMED)
    content = signed.content_of(PURPOSE, wire, (centre_key,))
    if content is None:
        raise CommandRefused("the centre did not sign this command", code=SIGNATURE)
    try:
        command = Command.model_validate(strict_json.loads(content, max_bytes=_LIMIT_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise CommandRefused("the command cannot be read", code=MALFORMED) from error
    if command.source != source:
        raise CommandRefused(f"a command for {command.source}", code=OTHER_GATE)
    if now >= command.not_after:
        raise CommandRefused("the command has expired", code=EXPIRED)
    return command
