r"""The batch: up to 50 stored bodies under one signature.

    egate-batch-1 <key id> <signature>\n
    zlib( header line \n body \n body \n … )

The signature covers the exact compressed bytes and is checked before anything is decompressed; the decompressed size is
capped. The header names gate, epoch, lane and the places of the bodies as runs `[from, to, hash before from]`, so that each body
has its place in the chain even when its own text cannot be read.
"""

from __future__ import annotations

import itertools
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from central_sync import signed, strict_json
from central_sync.errors import EnvelopeRefused, StrictJsonError
from central_sync.messages import MAX_RECORD_BYTES, HashHex, chain_hash

Lane = Literal["live", "backlog"]

MAX_BATCH_RECORDS = 50
MAX_PLAIN_BYTES = MAX_BATCH_RECORDS * (MAX_RECORD_BYTES + 1) + 65_536
MAX_WIRE_BYTES = MAX_PLAIN_BYTES + 4_096
PURPOSE = "egate-batch-1"
MALFORMED, SIGNATURE, TOO_LARGE, OTHER_GATE = (f"CS-ENV-{number:03d}" for number in range(1, 5))

_HEADER_LIMIT_BYTES = 16_384


class Run(BaseModel):
    """Contiguous places and the hash before the first of them."""

    model_config = ConfigDict(frozen=True, extra="allow")
    first: int = Field(ge=1)
    last: int = Field(ge=1)
    prev_hash: HashHex


class Header(BaseModel):
    """The first line of a batch."""

    model_config = ConfigDict(frozen=True, extra="allow")
    encoding: Literal["json"] = "json"
    dataschema: str = "urn:egate:schema:record.v1"
    source: str
    epoch: uuid.UUID
    lane: Lane
    runs: list[Run] = Field(min_length=1, max_length=MAX_BATCH_RECORDS)


@dataclass(frozen=True, slots=True)
class StoredBody:
    """One outbox row as it travels: its place, the hash before it and the stored bytes."""

    seq: int
    prev_hash: bytes
    body: bytes

    @property
    def hash(self) -> bytes:
        """The chain hash of this row."""
        return chain_hash(self.prev_hash, self.body)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch whose signature and form were accepted; the bodies themselves are not judged yet."""

    source: str
    epoch: uuid.UUID
    lane: Lane
    bodies: tuple[StoredBody, ...]


def seal_batch(
    source: str, epoch: uuid.UUID, lane: Lane, bodies: Sequence[StoredBody], key: Ed25519PrivateKey
) -> bytes:
    """Return the wire bytes of a batch. Bodies are in order of `seq`. Raises `ValueError` for none, too many, or a body with a newline."""
    if not 1 <= len(bodies) <= MAX_BATCH_RECORDS:
        raise ValueError(f"a batch has 1 to {MAX_BATCH_RECORDS} records")
    if any(b"\n" in row.body for row in bodies):
        raise ValueError("a stored body is one line")
    header = Header(source=source, epoch=epoch, lane=lane, runs=_runs(bodies))
    lines = [strict_json.dumps(header.model_dump(mode="json")), *(row.body for row in bodies)]
    return signed.sign(PURPOSE, zlib.compress(b"\n".join(lines) + b"\n", 6), key)


def open_batch(wire: bytes, gate_key: Ed25519PublicKey, source: str) -> Batch:
    """Return the batch that the gate `source` signed. Raises `EnvelopeRefused`."""
    if len(wire) > MAX_WIRE_BYTES:
        raise EnvelopeRefused("the batch is too large", code=TOO_LARGE)
    if not signed.is_for(PURPOSE, wire):
        raise EnvelopeRefused("not a batch", code=MALFORMED)
    compressed = signed.content_of(PURPOSE, wire, (gate_key,))
    if compressed is None:
        raise EnvelopeRefused(f"{source} did not sign this batch", code=SIGNATURE)
    lines = _plain(compressed).split(b"\n")
    try:
        header = Header.model_validate(strict_json.loads(lines[0], max_bytes=_HEADER_LIMIT_BYTES))
    except (ValidationError, StrictJsonError) as error:
        raise EnvelopeRefused("the header line cannot be read", code=MALFORMED) from error
    if header.source != source:
        raise EnvelopeRefused(f"a batch of {header.source} under the name of {source}", code=OTHER_GATE)
    return Batch(source, header.epoch, header.lane, _placed(header.runs, lines[1:-1]))


def runs_of(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending places as contiguous ranges, both ends included."""
    ranges: list[tuple[int, int]] = []
    for place in places:
        if ranges and ranges[-1][1] + 1 == place:
            ranges[-1] = (ranges[-1][0], place)
        else:
            ranges.append((place, place))
    return ranges


def _runs(bodies: Sequence[StoredBody]) -> list[Run]:
    first_rows = {row.seq: row for row in bodies}
    return [
        Run(first=first, last=last, prev_hash=first_rows[first].prev_hash.hex())
        for first, last in runs_of([row.seq for row in bodies])
    ]


def _plain(compressed: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        plain = decompressor.decompress(compressed, MAX_PLAIN_BYTES + 1)
    except zlib.error as error:
        raise EnvelopeRefused("the batch cannot be decompressed", code=MALFORMED) from error
    if len(plain) > MAX_PLAIN_BYTES:
        raise EnvelopeRefused("the batch decompresses beyond its limit", code=TOO_LARGE)
    if not decompressor.eof or decompressor.unused_data or not plain.endswith(b"\n"):
        raise EnvelopeRefused("the batch is cut off or has a tail", code=MALFORMED)
    return plain


def _placed(runs: Sequence[Run], bodies: Sequence[bytes]) -> tuple[StoredBody, ...]:
    count = sum(run.last - run.first + 1 for run in runs)
    ascending = all(run.first <= run.last for run in runs) and all(
        one.last < other.first for one, other in itertools.pairwise(runs)
    )
    if not ascending or count != len(bodies) or count > MAX_BATCH_RECORDS:
        raise EnvelopeRefused("the header's places and the bodies differ", code=MALFORMED)
    rows: list[StoredBody] = []
    remaining = iter(bodies)
    for run in runs:
        prev_hash = bytes.fromhex(run.prev_hash)
        for seq in range(run.first, run.last + 1):
            row = StoredBody(seq, prev_hash, next(remaining))
            rows.append(row)
            prev_hash = row.hash
    return tuple(rows)
