"""`egate inspect sod FILE --trust DIR`: judge a security object, and data groups against it, without a chip."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from drivers.contracts import ChipEvidence
from gate_agent.cli.trust_folders import TrustUnreadable, open_trust
from gate_agent.clock import SystemClock
from gate_agent.domain.check import CheckOutcome, CheckResult
from gate_agent.domain.reasons import Reason
from gate_agent.errors import EgateError
from gate_agent.inspection.certificate_reading import Period
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.chip_authenticity_content import judge_content
from gate_agent.inspection.chip_authenticity_tables import DATA_GROUP_OUTCOMES, Aggregate, aggregate
from gate_agent.inspection.security_object import OBJECT_LIMIT_BYTES, SecurityObjectFinding, judge_sod
from gate_agent.inspection.trust_bundle import TrustBundle
from gate_agent.inspection_settings import DocumentSettings

SUMMARY = "judge a document's security object against trusted certificates"
DATA_GROUP_LIMIT_BYTES = 4_194_304
AGE_LIMIT_DAYS: float = DocumentSettings.model_fields["trust_age_limit_days"].default
_NOT_GIVEN = "not_given"


class FileUnreadable(EgateError):
    """A file that was named cannot be read."""

    code = "EG-TRU-010"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and operands."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="EF.SOD as read from a chip")
    parser.add_argument(
        "--trust",
        type=Path,
        required=True,
        metavar="DIR",
        help="master lists, certificates and revocation lists, searched whole; or a trust folder of `egate trust`",
    )
    parser.add_argument(
        "--dg", action="append", default=[], metavar="N=FILE", help="data group N as read; may be repeated"
    )
    parser.add_argument(
        "--revocation",
        choices=("required", "advisory"),
        default="advisory",
        help="whether the result needs a current revocation list; a revoked signer always fails (default: %(default)s)",
    )
    parser.add_argument(
        "--age-limit-days",
        type=float,
        default=AGE_LIMIT_DAYS,
        metavar="N",
        help="an older trust bundle proves nothing; certificates in a plain folder have no age (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file")


def run(arguments: argparse.Namespace) -> int:
    """Answer every file. Returns 0, also when the answer is no."""
    groups = {}
    for entry in arguments.dg:
        number, separator, path = entry.partition("=")
        number = number.upper().removeprefix("DG")
        if not separator or not number.isdecimal() or not 1 <= int(number) <= 16:
            raise TrustUnreadable(f"--dg wants N=FILE with N from 1 to 16, not {entry!r}")
        groups[f"DG{int(number)}"] = _content(Path(path), DATA_GROUP_LIMIT_BYTES)
    bundle = open_trust(arguments.trust)
    now = SystemClock().now()
    for path in arguments.files:
        content = _content(path, 16 * OBJECT_LIMIT_BYTES)
        needs_revocation = arguments.revocation == "required"
        answer = {"file": str(path)} | inspect_sod(
            content,
            groups,
            bundle,
            now,
            needs_revocation=needs_revocation,
            age_limit_days=arguments.age_limit_days,
        )
        print(json.dumps(answer, ensure_ascii=True) if arguments.json else _as_text(answer), flush=True)
    return 0


def inspect_sod(
    content: bytes,
    groups: Mapping[str, bytes],
    bundle: TrustBundle,
    now: datetime,
    *,
    needs_revocation: bool = True,
    age_limit_days: float = AGE_LIMIT_DAYS,
) -> dict[str, Any]:
    """Return the answer on one security object: five-valued verdicts, and what the certificates say of themselves.

    Only the data groups that were given are compared; the others are `not_given` and count for nothing.
    """
    started_s = time.perf_counter()
    finding = judge_sod(content, bundle.store, now)
    signature, chain, revocation = ChipJudge(bundle, age_limit_days).signer_results({"SOD": finding}, now)
    is_counted = needs_revocation or revocation.outcome is CheckOutcome.FAILED
    counted = [signature, chain, *([revocation] if is_counted else [])]
    outcomes = [result.outcome for result in counted]
    verdicts, reasons = _data_groups(finding, groups)
    outcomes += [CheckOutcome(verdict) for verdict in verdicts.values() if verdict != _NOT_GIVEN]
    signer, issuer = finding.chain.signer, finding.chain.issuer
    return {
        "result": aggregate(Aggregate.CHIP_CONTENT, outcomes).value,
        "reasons": _codes([*_reasons_of(counted), *reasons]),
        "details": _details([*_reasons_of([signature, chain, revocation]), *reasons]),
        "country": finding.chain.country or None,
        "signature": signature.outcome.value,
        "chain": chain.outcome.value,
        "revocation": revocation.outcome.value,
        "data_groups": verdicts,
        "hash_algorithm": finding.digests.hash_name if finding.digests is not None else None,
        "signer": None if signer is None else {"sha256": signer.sha256, "valid": _period(signer.validity)},
        "issuer": None if issuer is None else {"sha256": issuer.sha256, "sources": list(finding.chain.sources)},
        "ms": round((time.perf_counter() - started_s) * 1000, 2),
    }


def _data_groups(finding: SecurityObjectFinding, groups: Mapping[str, bytes]) -> tuple[dict[str, str], list[Reason]]:
    """Return the verdict on every listed and every given data group, by name."""
    if finding.digests is None:
        return dict.fromkeys(sorted(groups), CheckOutcome.UNDETERMINED.value), []
    verdicts = {f"DG{number}": _NOT_GIVEN for number in sorted(finding.digests.digests)}
    content = judge_content(finding.digests, ChipEvidence(files=dict(groups)), finding.defects)
    for number, state in content.states.items():
        if f"DG{number}" in groups:
            verdicts[f"DG{number}"] = DATA_GROUP_OUTCOMES[state].value
    return verdicts, [reason for reason in content.reasons if _concerns(reason, groups)]


def _concerns(reason: Reason, groups: Mapping[str, bytes]) -> bool:
    name = reason.parameters.get("group")
    return bool(groups) if name is None else name.split()[-1] in groups


def _reasons_of(results: Iterable[CheckResult]) -> list[Reason]:
    return [reason for result in results for reason in result.reasons]


def _codes(reasons: Iterable[Reason]) -> list[str]:
    return list(dict.fromkeys(reason.code.value for reason in reasons))


def _details(reasons: Iterable[Reason]) -> list[str]:
    texts = (" ".join((one.code.value, *(f"{k}={v}" for k, v in one.parameters.items()))) for one in reasons)
    return list(dict.fromkeys(texts))


def _period(period: Period | None) -> list[str | None] | None:
    if period is None:
        return None
    return [None if end is None else end.isoformat().replace("+00:00", "Z") for end in (period.begin, period.end)]


def _content(path: Path, limit_bytes: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(limit_bytes + 1)
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror or error}") from error


def _as_text(answer: Mapping[str, Any]) -> str:
    groups = ", ".join(f"{name} {verdict}" for name, verdict in answer["data_groups"].items())
    lines = [
        f"{answer['file']}: {answer['result']}",
        "  country {country}, signature {signature}, chain {chain}, revocation {revocation}".format_map(answer),
        f"  data groups: {groups or '-'}",
        *(f"  {detail}" for detail in answer["details"]),
    ]
    return "\n".join(lines)
