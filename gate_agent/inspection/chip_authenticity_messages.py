"""What the agent and its inspection workers say to each other over a SOCK_SEQPACKET pair, one JSON message per packet.

Request: `id`, `op`, `now`, `size_bytes`, and one descriptor by SCM_RIGHTS: a memory file with the evidence in CBOR, which may be longer
than a packet. Operations: `security_object`, `chip` and `seals` of the worker that holds the trust bundle, `page` and `zone` of the one
that looks at pictures, `plugin` of one that runs another maker's check. Answer: results, lines (of DG1, or read in a picture), where in DG2 the portrait stands (the portrait itself stays here), and the digital seals
that a picture shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

import cbor2

from drivers.contracts import ChipAccess, ChipEvidence, ProtocolOutcome
from gate_agent.domain.check import CheckOutcome, CheckResult, Compared, check_named
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import MrzFormat, TravelDocument

LARGEST_PACKET_BYTES = 131_072
LARGEST_EVIDENCE_BYTES = 8_388_608
SECURITY_OBJECT, CHIP, SEALS, PAGE, ZONE, PLUGIN = "security_object", "chip", "seals", "page", "zone", "plugin"
OPERATIONS = frozenset({SECURITY_OBJECT, CHIP, SEALS, PAGE, ZONE, PLUGIN})
_NONSENSE = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, cbor2.CBORDecodeError)  # fmt: skip


class MessageNonsense(ValueError):
    """A packet that is no message of this protocol."""


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker is up. `version` 0: it holds no trust bundle, and `refusal` says why; one that looks at pictures needs none.

    `countries`: two-letter codes it has issuers of. `declared`: what a plug-in's check declares, in JSON.
    """

    version: int = 0
    countries: tuple[str, ...] = ()
    certificates: int = 0
    skipped: int = 0
    load_ms: float = 0.0
    refusal: str = ""
    declared: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer to a request. `portrait`: begin and end inside DG2; `seals`: the bytes of digital seals found in a picture."""

    request_id: int
    results: tuple[CheckResult, ...]
    mrz_lines: tuple[str, ...] = ()
    portrait: tuple[int, int] | None = None
    seals: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The worker could not do what was asked, in its own words."""

    request_id: int
    message: str


Answer = WorkerReady | Judged | RequestRefused


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the worker takes it apart."""

    request_id: int
    operation: str
    now: datetime
    size_bytes: int


def encode_request(request_id: int, operation: str, now: datetime, size_bytes: int) -> bytes:
    """Return a request packet."""
    return json.dumps({"id": request_id, "op": operation, "now": now.isoformat(), "size_bytes": size_bytes}).encode()


def decode_request(packet: bytes) -> Request:
    """Return a request. Raises `MessageNonsense`."""
    try:
        table = json.loads(packet)
        request = Request(table["id"], table["op"], datetime.fromisoformat(table["now"]), table["size_bytes"])
    except _NONSENSE as error:
        raise MessageNonsense("a request that makes no sense") from error
    is_known = request.operation in OPERATIONS and request.now.tzinfo is not None
    numbers = (request.request_id, request.size_bytes)
    if not is_known or any(type(number) is not int or number < 0 for number in numbers):
        raise MessageNonsense("a request that makes no sense")
    return request


def encode_evidence(evidence: ChipEvidence, document: TravelDocument | None) -> bytes:
    """Return the evidence of a read, and the printed zone beside it, in CBOR."""
    table = {one.name: getattr(evidence, one.name) for one in fields(evidence)}
    table = {name: str(value) if isinstance(value, ChipAccess | ProtocolOutcome) else value for name, value in table.items()}  # fmt: skip
    table["files"], table["unreadable"] = dict(evidence.files), dict(evidence.unreadable)
    return cbor2.dumps({"evidence": table, "document": _printed_table(document)})


def decode_evidence(content: bytes) -> tuple[ChipEvidence, TravelDocument | None]:
    """Return what `encode_evidence` was given. Raises `MessageNonsense`."""
    try:
        table = cbor2.loads(content)
        found, printed = table["evidence"], table["document"]
        for name in _OUTCOMES:
            found[name] = ProtocolOutcome(found[name])
        found["access"] = ChipAccess(found["access"])
        return ChipEvidence(**found), _printed(printed)
    except _NONSENSE as error:
        raise MessageNonsense("evidence that makes no sense") from error


def encode_seals(seals: Sequence[bytes], document: TravelDocument | None) -> bytes:
    """Return the digital seals of a page, and the printed zone beside them, in CBOR."""
    return cbor2.dumps({"seals": list(seals), "document": _printed_table(document)})


def decode_seals(content: bytes) -> tuple[tuple[bytes, ...], TravelDocument | None]:
    """Return what `encode_seals` was given. Raises `MessageNonsense`."""
    try:
        table = cbor2.loads(content)
        return _all_bytes(table["seals"]), _printed(table["document"])
    except _NONSENSE as error:
        raise MessageNonsense("seals that make no sense") from error


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """Encoded pictures of a page by role, the lines that its reader delivered, and the roles that should have come."""

    images: Mapping[str, bytes]
    lines: tuple[str, ...]
    expected: frozenset[str] = frozenset()


def encode_page(evidence: PageEvidence) -> bytes:
    """Return the pictures of a page in CBOR."""
    return cbor2.dumps(
        {"images": dict(evidence.images), "lines": list(evidence.lines), "expected": sorted(evidence.expected)}
    )


def decode_page(content: bytes) -> PageEvidence:
    """Return what `encode_page` was given. Raises `MessageNonsense`."""
    try:
        table = cbor2.loads(content)
        roles, pictures = zip(*table["images"].items(), strict=True) if table["images"] else ((), ())
        images = dict(zip(map(str, roles), _all_bytes(pictures), strict=True))
        return PageEvidence(images, tuple(map(str, table["lines"])), frozenset(map(str, table["expected"])))
    except _NONSENSE as error:
        raise MessageNonsense("pictures that make no sense") from error


def _all_bytes(values: Sequence[object]) -> tuple[bytes, ...]:
    if not all(isinstance(value, bytes) for value in values):
        raise MessageNonsense("something that is no bytes")
    return tuple(values)  # type: ignore[arg-type] # just checked


def _printed_table(document: TravelDocument | None) -> dict[str, Any] | None:
    if document is None:
        return None
    printed = asdict(document)
    printed["format"] = document.format.value
    for name in ("date_of_birth", "date_of_expiry"):
        printed[name] = None if printed[name] is None else printed[name].isoformat()
    return printed


def _printed(table: dict[str, Any] | None) -> TravelDocument | None:
    if table is None:
        return None
    table["format"] = MrzFormat(table["format"])
    table["lines"] = tuple(table["lines"])
    for name in ("date_of_birth", "date_of_expiry"):
        table[name] = None if table[name] is None else date.fromisoformat(table[name])
    return TravelDocument(**table)


_OUTCOMES = tuple(one.name for one in fields(ChipEvidence) if one.type in (ProtocolOutcome, "ProtocolOutcome"))


def encode_answer(answer: Answer) -> bytes:
    """Return an answer packet."""
    if isinstance(answer, Judged):
        table = {"kind": "judged", "id": answer.request_id, "results": [_table(one) for one in answer.results]}
        table |= {"mrz_lines": answer.mrz_lines, "portrait": answer.portrait}
        return json.dumps(table | {"seals": [seal.hex() for seal in answer.seals]}).encode()
    if isinstance(answer, WorkerReady):
        return json.dumps({"kind": "ready"} | asdict(answer)).encode()
    return json.dumps({"kind": "refused", "id": answer.request_id, "message": answer.message[:500]}).encode()


def decode_answer(packet: bytes) -> Answer:
    """Return what a worker said. Raises `MessageNonsense` for anything that is not a complete, consistent answer."""
    try:
        table = json.loads(packet)
        match table.pop("kind"):
            case "ready":
                return _ready(table)
            case "refused":
                return RequestRefused(int(table["id"]), str(table["message"]))
            case "judged":
                return _judged(table)
    except _NONSENSE as error:
        raise MessageNonsense("an answer that makes no sense") from error
    raise MessageNonsense("an answer of an unknown kind")


def _ready(table: Mapping[str, Any]) -> WorkerReady:
    if set(table) != {one.name for one in fields(WorkerReady)}:
        raise MessageNonsense("a bundle with other fields")
    return WorkerReady(
        version=int(table["version"]),
        countries=tuple(map(str, table["countries"])),
        certificates=int(table["certificates"]),
        skipped=int(table["skipped"]),
        load_ms=_duration_ms(table["load_ms"]),
        refusal=str(table["refusal"]),
        declared=str(table["declared"]),
    )


def _duration_ms(value: Any) -> float:
    """Return a duration that can be written into a record: JSON as Python reads it has NaN and infinities."""
    duration_ms = float(value)
    if not 0 <= duration_ms < math.inf:
        raise MessageNonsense("a duration that is none")
    return duration_ms


def _judged(table: Mapping[str, Any]) -> Judged:
    portrait = None
    if table["portrait"] is not None:
        begin, end = map(int, table["portrait"])
        if not 0 <= begin < end:
            raise MessageNonsense("a portrait that stands nowhere")
        portrait = (begin, end)
    return Judged(
        int(table["id"]),
        tuple(_result(one) for one in table["results"]),
        tuple(map(str, table["mrz_lines"])),
        portrait,
        tuple(map(bytes.fromhex, table["seals"])),
    )


def _table(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check.value,
        "outcome": result.outcome.value,
        "reasons": [[reason.code.value, dict(reason.parameters)] for reason in result.reasons],
        "compared": [[one.name, one.found, one.expected] for one in result.compared],
        "ms": result.duration_ms,
    }


def _result(table: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        check_named(table["check"]),
        CheckOutcome(table["outcome"]),
        tuple(
            Reason(ReasonCode(code), {str(k): str(v) for k, v in values.items()}) for code, values in table["reasons"]
        ),
        tuple(Compared(*map(str, one)) for one in table["compared"]),
        _duration_ms(table["ms"]),
    )
