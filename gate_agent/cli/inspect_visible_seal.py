"""`egate inspect visible-seal FILE… --certs DIR`: judge visible digital seals (VDS, VDS-NC).

A FILE holds the bytes of a seal, a picture with the symbol, or a seal in JSON. DIR is searched whole for signers' and authorities'
certificates, revocation lists and master lists; the operator vouches for what lies there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate_agent.errors import SettingsFault

if TYPE_CHECKING:
    from gate_agent.inspection.trust_store import TrustStore

SUMMARY = "judge visible digital seals in bytes, pictures or JSON"
FILE_LIMIT_BYTES = 64 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and operands."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="seal bytes, a picture, or VDS-NC JSON")
    parser.add_argument(
        "--certs", type=Path, action="append", required=True, metavar="DIR", help="certificates; may be repeated"
    )
    parser.add_argument(
        "--at", type=_instant, metavar="INSTANT", help="judge validity at this RFC 3339 instant (default: now)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file")


def run(arguments: argparse.Namespace) -> int:
    """Answer every file. Returns 0. Raises `SettingsFault` when a folder of certificates cannot be read."""
    from gate_agent.clock import SystemClock
    from gate_agent.inspection.trust_bundle import load_folder

    try:
        store = load_folder(arguments.certs).store
    except OSError as error:
        raise SettingsFault(f"certificates: {error}") from error
    now = arguments.at or SystemClock().now()
    for path in arguments.files:
        answer = inspect_file(path, store, now)
        print(json.dumps(answer, ensure_ascii=True) if arguments.json else _as_text(answer), flush=True)
    return 0


def inspect_file(path: Path, store: TrustStore, now: datetime) -> dict[str, Any]:
    """Return `file`, `result`, `fields`, `reasons`, `checks`, `details` (reasons with parameters), `ms` and `error` of one file.

    A file that cannot be read or decoded is `aborted` with an `error`; a picture without a seal has failed.
    """
    from drivers.barcode.image_header import ImageRefused
    from gate_agent.inspection.visible_seal import inspect_page

    answer: dict[str, Any] = {
        "file": str(path), "result": "aborted", "fields": {}, "reasons": [], "checks": {}, "details": [], "ms": 0.0, "error": None
    }  # fmt: skip
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_LIMIT_BYTES + 1)
        if len(content) > FILE_LIMIT_BYTES:
            return answer | {"error": f"DRV-IMG-003: file is larger than {FILE_LIMIT_BYTES} bytes"}
        contents = _seals_in(content)
    except ImageRefused as refused:
        return answer | {"error": f"{refused.code}: {refused}"}
    except OSError as error:
        return answer | {"error": f"DRV-IMG-002: {error.strerror or error}"}
    found = inspect_page(contents, store, now, is_expected=True)
    return answer | {
        "result": found.result.outcome.value,
        "fields": dict(found.fields),
        "reasons": list(dict.fromkeys(reason.code.value for reason in found.result.reasons)),
        "checks": {name: outcome.value for name, outcome in found.checks.items()},
        "details": [{"reason": reason.code.value, **reason.parameters} for reason in found.result.reasons],
        "ms": round(found.result.duration_ms, 3),
    }


def _seals_in(content: bytes) -> Sequence[bytes]:
    """Return the file's bytes, or the seals among the symbols when it is a picture. Raises `ImageRefused`."""
    from drivers.barcode.frames import read_image
    from drivers.barcode.image_header import is_image
    from gate_agent.inspection.visible_seal_format import is_seal
    from gate_agent.inspection.visible_seal_json import is_json_seal

    if is_seal(content) or not is_image(content):
        return [content]
    payloads = [symbol.content for symbol in read_image(content) if not symbol.is_linear]
    return [payload for payload in payloads if is_seal(payload) or is_json_seal(payload)]


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _as_text(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"{answer['file']}: {answer['result']}  {answer['error']}"
    fields = answer["fields"]
    shown = " ".join(
        str(fields[name]) for name in ("document_type", "document_number", "primary_identifier") if name in fields
    )
    reasons = ", ".join(" ".join(detail.values()) for detail in answer["details"])
    return "  ".join(part for part in (f"{answer['file']}: {answer['result']}", shown, reasons) if part)
