"""`egate inspect receipt`: judge receipts of crossings, one code per line on standard input, with the gates' public receipt keys only."""

from __future__ import annotations

import argparse
import hmac
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gate_agent.cli.input_lines import input_lines
from gate_agent.cli.signer_keys import signer_keys
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.receipt import Receipt
from gate_agent.errors import SettingsFault
from gate_agent.inspection.receipt_format import decode
from gate_agent.inspection.signed_code import MAXIMUM_TOKEN_BYTES, TokenRefused
from gate_agent.inspection.token_format import document_binding

SUMMARY = "judge receipts of crossings with public keys only, one per line on standard input"
_SAYS_NOTHING = {ReasonCode.TOKEN_MALFORMED, ReasonCode.TOKEN_ISSUER_UNKNOWN}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--keys",
        type=Path,
        action="append",
        required=True,
        metavar="PATH",
        help="a gate's receipt.pub, or a folder that is searched whole for them; may be repeated",
    )
    parser.add_argument("--issuing-state", default="", help="judge whose receipt it is: the document's issuing state")
    parser.add_argument("--document-number", default="", help="judge whose receipt it is: the document's number")
    parser.add_argument("--json", action="store_true", help="one JSON object per receipt")


def run(arguments: argparse.Namespace) -> int:
    """Answer every line. Returns 0. Raises `SettingsFault` when no key can be read, or only one half of a document is named."""
    state, number = arguments.issuing_state, arguments.document_number
    if bool(state) != bool(number):
        raise SettingsFault("a document is named by its issuing state and its number together")
    trusted = signer_keys(arguments.keys, "**/receipt*.pub")
    for code in input_lines(sys.stdin.buffer, 4 * MAXIMUM_TOKEN_BYTES):
        answer = inspect_receipt(code, trusted, (state, number) if state else None)
        print(json.dumps(answer, ensure_ascii=False) if arguments.json else _as_text(answer))
    return 0


def inspect_receipt(
    code: bytes | str, trusted: Mapping[bytes, Ed25519PublicKey], document: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Return `result`, `fields` and `reasons`. With a document, a receipt of somebody else has failed."""
    started_s = time.perf_counter()
    fields: dict[str, Any] = {}
    reasons: list[str] = []
    try:
        receipt = decode(code, trusted)
    except TokenRefused as refused:
        outcome = CheckOutcome.UNDETERMINED if refused.reason in _SAYS_NOTHING else CheckOutcome.FAILED
        reasons = [refused.reason.value]
    else:
        outcome, fields = CheckOutcome.SUCCESSFUL, receipt_fields(receipt)
        if document is not None and not hmac.compare_digest(
            receipt.binding, document_binding(receipt.receipt_id, *document)
        ):
            outcome, fields, reasons = CheckOutcome.FAILED, {}, [ReasonCode.TOKEN_OTHER_DOCUMENT.value]
    ms = round((time.perf_counter() - started_s) * 1000, 3)
    return {"result": outcome.value, "fields": fields, "reasons": reasons, "ms": ms}


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """Return what a receipt says, as JSON."""
    stay, registration = receipt.stay_deadline, receipt.registration_deadline
    return {
        "receipt_id": receipt.receipt_id.hex(),
        "issuer": receipt.issuer,
        "direction": receipt.direction.value,
        "issued_at": receipt.issued_at.isoformat().replace("+00:00", "Z"),
        "local_date": receipt.local_date.isoformat(),
        "binding": receipt.binding.hex(),
        "stay_deadline": stay.isoformat() if stay else None,
        "registration_deadline": registration.isoformat() if registration else None,
        "duty_state": receipt.duty_state.value,
        "duty": {"amount_minor": receipt.duty.amount_minor, "currency": receipt.duty.currency}
        if receipt.duty
        else None,
        "declaration_reference": receipt.declaration_reference,
        "declaration_id": receipt.declaration_id.hex(),
        "temporary_items": [{"description": item.description, "mark": item.mark} for item in receipt.temporary],
    }


def _as_text(answer: Mapping[str, Any]) -> str:
    fields = answer["fields"]
    names = ("direction", "local_date", "stay_deadline", "registration_deadline", "declaration_reference")
    shown = " ".join(str(fields[name]) for name in names if fields.get(name))
    return "  ".join(part for part in (answer["result"], shown, ", ".join(answer["reasons"])) if part)
