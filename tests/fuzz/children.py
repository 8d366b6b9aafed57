"""What processes that touch hostile bytes say to the agent: one that was taken over must not take the agent along."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from datetime import timedelta

from drivers.chip.child_messages import MessageRefused, decode, encode, evidence_message, evidence_of, sizes
from drivers.chip.twin.variants import VARIANTS
from drivers.contracts import ChipEvidence
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.chip_authenticity_messages import (
    Judged,
    MessageNonsense,
    RequestRefused,
    WorkerReady,
    decode_answer,
    encode_answer,
)
from tests.contract import virtual_passports
from tests.fuzz.chip_files import PORTRAITS
from tests.fuzz.target import Target, layers


def child_messages() -> Target:
    """Frames of the process that reads a chip, and packets of the worker that judges it."""
    read, _ = virtual_passports.read(virtual_passports.passport(VARIANTS["modern"], PORTRAITS[0]))
    headers = [json.dumps(evidence_message(one)).encode() for one in (ChipEvidence(), read)]
    result = CheckResult(
        CheckName.CHIP_CONTENT,
        CheckOutcome.FAILED,
        (Reason(ReasonCode.DATA_GROUP_CHANGED, {"group": "DG2"}),),
        (Compared("a", "b", "c"),),
        timedelta(seconds=1).total_seconds(),
    )
    answers = [
        WorkerReady(3, ("UT", "DE"), 5, 1, 12.5, ""),
        RequestRefused(4, "no"),
        Judged(5, (result, result), virtual_passports.LINES, (3, 90)),
        Judged(6, ()),
    ]
    return layers(
        (_header, [*headers, b'{"say":' + b"[" * 3000]),
        (_answer, [encode_answer(one) for one in answers]),
        (_head, [encode({"say": "alive"})[:8]]),
    )


def _header(content: bytes) -> bool:
    try:
        message = decode(content)
        evidence = evidence_of(message, {})
    except MessageRefused:
        return False
    for name in ("duration_ms", "terminal_ms"):
        assert math.isfinite(getattr(evidence, name)), "a time can be written into a record"
    assert evidence_of(json.loads(json.dumps(evidence_message(evidence))), {}) == evidence
    return True


_TYPES = {"int": int, "float": (int, float), "str": str, "tuple[str, ...]": tuple}


def _answer(content: bytes) -> bool:
    try:
        answer = decode_answer(content)
    except MessageNonsense:
        return False
    if isinstance(answer, WorkerReady):
        for one in fields(answer):
            assert isinstance(getattr(answer, one.name), _TYPES[str(one.type)]), f"{one.name} is of another type"
        assert math.isfinite(answer.load_ms)
    if isinstance(answer, Judged):
        assert all(math.isfinite(one.duration_ms) for one in answer.results)
        assert answer.portrait is None or 0 <= answer.portrait[0] < answer.portrait[1]
    assert decode_answer(encode_answer(answer)) == answer
    return True


def _head(content: bytes) -> bool:
    try:
        header_bytes, content_bytes = sizes(content)
    except MessageRefused:
        return False
    assert 2 <= header_bytes <= 1 << 16
    assert 0 <= content_bytes <= 2 << 20
    return True
