"""`egate inspect chip`: read the chip on a reader and judge it, without an agent."""

from __future__ import annotations

import argparse
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.chip.pcsc_transport import PcscTransport
from drivers.chip.reading import ChipReading, ReadOptions
from drivers.chip.socket_transport import ChipSocket, SocketTransport
from drivers.chip.transport import Transport
from drivers.contracts import ChipEvidence, ChipKeys
from gate_agent.cli.trust_folders import open_trust
from gate_agent.clock import SystemClock
from gate_agent.domain.check import CheckResult
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.mrz_information import alternative_mrz_information, mrz_information
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import EgateError
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.trust_bundle import TrustBundle

SUMMARY = "read the chip of a document on a reader and judge it"

_ANSWER_S = 5.0
_WAIT_S = 30.0
_AGE_LIMIT_DAYS = 28.0
_READER_FAULTS = frozenset({"DRV-CHP-011", "DRV-CHP-012", "DRV-CHP-013", "DRV-CHP-014"})


class ChipKeysRefused(EgateError):
    """The printed zone or card access number that was given opens no chip."""

    code = "EG-CHP-001"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--reader", metavar="NAME", help="part of a PC/SC reader's name")
    where.add_argument(
        "--socket", type=int, metavar="PORT", help="listen on 127.0.0.1 for a virtual chip that connects"
    )
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--mrz", action="append", metavar="LINE", help="a printed line; once for each line of the zone")
    keys.add_argument("--can", metavar="N", help="the card access number printed on the document")
    parser.add_argument(
        "--trust", type=Path, required=True, metavar="DIR", help="master lists, certificates, revocation lists"
    )
    parser.add_argument("--no-bac", action="store_true", help="never open a chip with basic access control")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Read and judge one chip. Returns 0, also when the answer is no; 3 when the reader is what failed."""
    document = _document(arguments.mrz or ())
    bundle = open_trust(arguments.trust)
    connect, end = _connector(arguments)
    try:
        evidence = _read(connect, document, arguments)
    finally:
        end()
    answer = _answer(evidence, document, bundle)
    print(json.dumps(answer, ensure_ascii=True) if arguments.json else _as_text(answer))
    return 3 if evidence.fault in _READER_FAULTS else 0


def _document(lines: list[str] | tuple[str, ...]) -> TravelDocument | None:
    """Return the printed document. Raises `ChipKeysRefused` when lines were given that are no zone."""
    if not lines:
        return None
    zone = [line for text in lines for line in text.split("\n") if line.strip()]
    document = read_mrz(zone[:4], SystemClock().now().date()).document
    if document is None or not mrz_information(document):
        raise ChipKeysRefused("--mrz wants every line of a TD1, TD2 or TD3 zone, one --mrz for each")
    return document


def _connector(arguments: argparse.Namespace) -> tuple[Callable[[], Transport], Callable[[], None]]:
    """Return how a conversation with the chip is opened (again after a lost session), and what ends it all."""
    if arguments.reader is not None:
        return lambda: PcscTransport(arguments.reader, _ANSWER_S), lambda: None
    listener = ChipSocket(arguments.socket)
    connected: list[SocketTransport] = []

    def connect() -> Transport:
        if connected:
            connected[0].reset()
        else:
            connected.append(listener.accept(_WAIT_S, _ANSWER_S))
        return connected[0]

    def end() -> None:
        for transport in connected:
            transport.leave()
        listener.close()

    return connect, end


def _read(
    connect: Callable[[], Transport], document: TravelDocument | None, arguments: argparse.Namespace
) -> ChipEvidence:
    keys = ChipKeys(card_access_number=arguments.can or "")
    if document is not None:
        keys = ChipKeys(mrz_information(document), "", alternative_mrz_information(document))
    return ChipReading(
        connect,
        keys,
        lambda _progress: None,
        secrets.token_bytes,
        SystemClock().monotonic_s,
        ReadOptions(basic_access=not arguments.no_bac),
    ).run()


def _answer(evidence: ChipEvidence, document: TravelDocument | None, bundle: TrustBundle) -> dict[str, Any]:
    verdict = ChipJudge(bundle, _AGE_LIMIT_DAYS).chip(evidence, document, SystemClock().now())
    groups = {name: "read" for name in evidence.files if name.startswith("DG")}
    groups |= {name: status for name, status in evidence.unreadable.items() if name.startswith("DG")}
    return {
        "access": evidence.access.value,
        "protocol": evidence.pace_protocol,
        "checks": [_check(result) for result in verdict.results],
        "data_groups": groups,
        "apdus": evidence.apdus,
        "bytes": evidence.sent_bytes + evidence.received_bytes,
        "ms": round(evidence.duration_ms, 1),
        "fault": evidence.fault,
        "fault_text": evidence.fault_text,
    }


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check.value,
        "result": result.outcome.value,
        "reasons": [reason.code.value for reason in result.reasons],
    }


def _as_text(answer: dict[str, Any]) -> str:
    lines = [
        f"access {answer['access']}  {answer['protocol']}  {answer['apdus']} commands, {answer['bytes']} bytes, {answer['ms']} ms"
    ]
    lines += [f"{one['result']:<14} {one['check']}  {', '.join(one['reasons'])}" for one in answer["checks"]]
    if answer["fault_text"]:
        lines.append(f"{answer['fault'] or 'not opened'}: {answer['fault_text']}")
    return "\n".join(lines)
