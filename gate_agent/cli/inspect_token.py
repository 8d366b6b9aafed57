"""`egate inspect token`: judge tokens, one per line on standard input.

Declaration tokens (`EG1:`) are judged with the issuers' keys of `--keys`. Claims that other issuers sign (`HC1:`, COSE in base45) are judged
with the signers' certificates of `--certs`; they declare nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gate_agent.cli.input_lines import input_lines
from gate_agent.cli.signer_keys import signer_keys
from gate_agent.clock import SystemClock
from gate_agent.domain.declaration import Declaration, UnaccompaniedGoods
from gate_agent.errors import SettingsFault
from gate_agent.inspection import foreign_claims
from gate_agent.inspection.certificate_reading import Certificate
from gate_agent.inspection.declaration_token import TokenReading, verify_token
from gate_agent.inspection.signed_code import MAXIMUM_TOKEN_BYTES
from gate_agent.inspection.trust_bundle import load_folder

SUMMARY = "judge declaration tokens and other signed claims, one per line on standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--keys",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="an issuer's public key, or a folder with token_issuer*.pub; may be repeated",
    )
    parser.add_argument(
        "--certs",
        "--certificate",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a signer's certificate for HC1: claims, or a folder that is searched whole; may be repeated",
    )
    parser.add_argument(
        "--at", type=_instant, metavar="INSTANT", help="judge times at this RFC 3339 instant (default: now)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per token")


def run(arguments: argparse.Namespace) -> int:
    """Answer every line. Returns 0. Raises `SettingsFault` when keys or certificates cannot be read."""
    trusted = signer_keys(arguments.keys, "token_issuer*.pub")
    certificates = signer_certificates(arguments.certs)
    now = arguments.at or SystemClock().now()
    for token in input_lines(sys.stdin.buffer, 4 * MAXIMUM_TOKEN_BYTES):
        is_foreign = token.startswith(foreign_claims.PREFIX.encode())
        answer = inspect_claims(token, certificates, now) if is_foreign else inspect_token(token, trusted, now)
        print(json.dumps(answer, ensure_ascii=False) if arguments.json else _as_text(answer))
    return 0


def signer_certificates(places: Sequence[Path]) -> tuple[Certificate, ...]:
    """Return every certificate of files and folders. Raises `SettingsFault` when a place cannot be read."""
    if not places:
        return ()
    try:
        return tuple(entry.certificate for entry in load_folder(places).store.held)
    except OSError as error:
        raise SettingsFault(f"certificates: {error}") from error


def inspect_claims(token: bytes, certificates: Sequence[Certificate], now: datetime) -> dict[str, Any]:
    """Return `result`, `fields` and `reasons` of claims that another issuer signed; `fields` prove nothing unless successful."""
    started_s = time.perf_counter()
    reading = foreign_claims.verify_claims(token, certificates, now)
    return {
        "result": reading.outcome.value,
        "fields": dict(reading.fields),
        "reasons": [reason.code.value for reason in reading.reasons],
        "ms": round((time.perf_counter() - started_s) * 1000, 3),
    }


def inspect_token(token: bytes, trusted: dict[bytes, Ed25519PublicKey], now: datetime) -> dict[str, Any]:
    """Return `result`, `fields` and `reasons` of one token; without a document, the binding is shown but not judged."""
    reading = verify_token(token, trusted, now)
    return {
        "result": reading.result.outcome.value,
        "fields": _fields(reading, reading.declaration) if reading.declaration is not None else {},
        "reasons": [reason.code.value for reason in reading.result.reasons],
        "ms": round(reading.result.duration_ms, 3),
    }


def _fields(reading: TokenReading, declaration: Declaration) -> dict[str, Any]:
    return {
        "token_id": declaration.token_id.hex(),
        "reference": declaration.reference,
        "issued_at": _rfc3339(declaration.issued_at),
        "expires_at": _rfc3339(declaration.expires_at),
        "direction": declaration.direction.value,
        "mode": declaration.mode.value,
        "binding": reading.binding.hex(),
        "goods": [
            {
                "description": line.description,
                "value_minor": line.value.amount_minor,
                "currency": line.value.currency,
                "mass_g": line.mass_g,
                "kind": line.kind,
                "quantity": line.quantity,
                "owner": line.owner,
                "is_temporary": line.is_temporary,
                "mark": line.mark,
            }
            for line in declaration.goods
        ],
        "cash": [{"amount_minor": money.amount_minor, "currency": money.currency} for money in declaration.cash],
        "small_children": declaration.small_children,
        "seal_ids": list(declaration.seal_ids),
        "companions": [
            {
                "name": one.name,
                "relation": one.relation.value,
                "date_of_birth": one.date_of_birth.isoformat(),
                "binding": one.binding.hex(),
            }
            for one in declaration.companions
        ],
        "vehicles": [asdict(vehicle) for vehicle in declaration.vehicles],
        "phone_imeis": list(declaration.phone_imeis),
        "unaccompanied": _unaccompanied(declaration.unaccompanied),
        "filled_in_s": declaration.filled_in_s,
        "nothing_to_declare": declaration.nothing_to_declare,
    }


def _unaccompanied(goods: UnaccompaniedGoods | None) -> dict[str, Any] | None:
    if goods is None:
        return None
    deadline = None if goods.deadline is None else goods.deadline.isoformat()
    return {"stub_id": goods.stub_id, "items": list(goods.items), "deadline": deadline}


def _rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _as_text(answer: dict[str, Any]) -> str:
    fields = answer["fields"]
    names = ("reference", "direction", "mode", "issuer", "certificate_type", "primary_identifier")
    shown = " ".join(fields[name] for name in names if name in fields)
    return "  ".join(part for part in (answer["result"], shown, ", ".join(answer["reasons"])) if part)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
