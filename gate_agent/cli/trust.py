"""`egate trust`: what the gate trusts issuers of documents by. List, compare, verify, import with two officers, install, coverage."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gate_agent.cli.trust_folders import TrustUnreadable, officers_in_office, open_trust
from gate_agent.cli.trust_importing import add_import_arguments, run_import
from gate_agent.clock import SystemClock
from gate_agent.inspection.certificate_reading import Certificate
from gate_agent.inspection.trust_bundle import TrustBundle
from gate_agent.inspection.trust_ceremony import TrustRefused
from gate_agent.inspection.trust_coverage import (
    CoverageSummary,
    StateCoverage,
    TrafficMalformed,
    coverage,
    read_traffic,
    summary_of,
)
from gate_agent.inspection.trust_import import difference
from gate_agent.inspection.trust_versions import install
from gate_agent.inspection_settings import DocumentSettings
from gate_agent.settings import PathSettings

SUMMARY = "certificates of issuing states: list, diff, verify, import, install, coverage"
TRUST: Path = PathSettings.model_fields["trust"].default
KEYS: Path = PathSettings.model_fields["keys"].default
BUNDLES: Path = PathSettings.model_fields["bundles"].default
AGE_LIMIT_DAYS: float = DocumentSettings.model_fields["trust_age_limit_days"].default

_HELP = """a trust folder holds versions side by side and one in force; officers sign each version. Supervisors and technicians may.
  import    take files into the next version: master lists, certificates, revocation, deviation and defect lists. Certificates,
            pinned roots (--root) and defects need two different officers, everything else one.
  install   put a version that was made elsewhere in force; older ones are refused
  coverage  per nationality: certificates held, share of traffic, and whether its documents can reach green. --traffic FILE is CSV
            with the columns state (ICAO code) and travellers
--trust also takes any other folder with lists and certificates for list, diff, verify and coverage; it is searched whole.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, act, text in (
        ("list", _list, "show what is held"),
        ("diff", _diff, "show what changes from one folder to another"),
        ("verify", _verify, "check signatures, digests and age"),
        ("import", _import, "take files into the next version"),
        ("install", _install, "put a version made elsewhere in force"),
        ("coverage", _coverage, "show whose documents can be proven"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=act)
        action.add_argument("--trust", type=Path, default=TRUST, metavar="DIR", help="trust folder (%(default)s)")
        action.add_argument("--json", action="store_true", help="one JSON object per line")
        if name in ("verify", "import", "install"):
            action.add_argument("--officers", type=Path, metavar="FILE", help="officers bundle (of the bundles folder)")
            action.add_argument("--centre-key", type=Path, metavar="FILE", help="public key that signed it")
        if name in ("verify", "coverage"):
            action.add_argument("--age-limit-days", type=float, default=AGE_LIMIT_DAYS, help="default: %(default)s")
        if name == "diff":
            action.add_argument("other", type=Path, metavar="OTHER", help="folder to compare with")
        if name == "install":
            action.add_argument("version", type=Path, metavar="VERSION", help="folder of the version")
        if name == "coverage":
            action.add_argument("--traffic", type=Path, metavar="FILE", help="CSV: state,travellers")
            action.add_argument("--revocation", choices=("required", "advisory"), default="required")
        if name == "import":
            add_import_arguments(action)


def run(arguments: argparse.Namespace) -> int:
    """Do one action. Returns 0, and 1 when `verify` found something."""
    act: Callable[[argparse.Namespace], int] = arguments.act
    return act(arguments)


def _list(arguments: argparse.Namespace) -> int:
    bundle = open_trust(arguments.trust)
    for table in sorted(_certificates(bundle), key=lambda one: (one["country"], one["sha256"])):
        if arguments.json:
            print(json.dumps(table, ensure_ascii=True))
        else:
            print(
                f"{table['country'] or '??'}  {table['role']:<4}  {table['sha256'][:16]}  {table['key']:<16}"
                f"  {table['valid_until'] or '-':<10}  {', '.join(table['sources'])}"
            )
    return 0


def _certificates(bundle: TrustBundle) -> Iterator[dict[str, Any]]:
    for entry in bundle.store.held:
        certificate = entry.certificate
        end = certificate.validity.end if certificate.validity is not None else None
        yield {
            "country": certificate.country,
            "role": entry.role.value,
            "sha256": certificate.sha256,
            "key": certificate.key.kind,
            "serial": str(certificate.serial),
            "valid_until": None if end is None else end.date().isoformat(),
            "sources": list(entry.sources),
        }


def _diff(arguments: argparse.Namespace) -> int:
    change = difference(open_trust(arguments.trust), open_trust(arguments.other))
    for sign, certificates in (("+", change.added), ("-", change.gone)):
        for certificate in certificates:
            print(_changed(sign, certificate, as_json=arguments.json))
    return 0


def _changed(sign: str, certificate: Certificate, *, as_json: bool) -> str:
    if not as_json:
        return f"{sign} {certificate.title}"
    change = "added" if sign == "+" else "gone"
    return json.dumps({"change": change, "country": certificate.country, "sha256": certificate.sha256})


def _officers(arguments: argparse.Namespace) -> dict[str, bytes]:
    return officers_in_office(
        arguments.officers or BUNDLES / "officers.bundle", arguments.centre_key or KEYS / "centre.pub"
    )


def _verify(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a trust folder, or with the lists and certificates of any other one."""
    findings: list[str] = []
    bundle: TrustBundle | None = None
    is_signed = arguments.officers is not None or arguments.centre_key is not None or arguments.trust == TRUST
    try:
        bundle = open_trust(arguments.trust, _officers(arguments) if is_signed else None)
    except TrustRefused as refused:
        findings.append(f"{refused.code}: {refused}")
    if bundle is not None:
        findings += [f"{one.source}: {one.reason}" for one in bundle.skipped if not one.is_note]
        if bundle.is_stale(SystemClock().now(), arguments.age_limit_days):
            findings.append(f"the bundle of {bundle.issued_at} is older than {arguments.age_limit_days:g} days")
        if not is_signed and bundle.version:
            findings.append("signatures of officers were not checked: name --officers and --centre-key")
    answer = {
        "trust": str(arguments.trust),
        "version": 0 if bundle is None else bundle.version,
        "issued_at": None if bundle is None or bundle.issued_at is None else bundle.issued_at.isoformat(),
        "certificates": 0 if bundle is None else len(bundle.store.held),
        "revocation_lists": 0 if bundle is None else len(bundle.store.revocation_lists),
        "findings": findings,
    }
    if arguments.json:
        print(json.dumps(answer))
    else:
        print("version {version} of {issued_at}: {certificates} certificates".format_map(answer))
        print("\n".join(findings) or "nothing is wrong")
    return 1 if findings else 0


def _import(arguments: argparse.Namespace) -> int:
    return run_import(arguments, _officers(arguments))


def _install(arguments: argparse.Namespace) -> int:
    try:
        version = install(arguments.trust, arguments.version, _officers(arguments))
    except OSError as error:
        raise TrustUnreadable(f"{error.filename}: {error.strerror}") from error
    table = {"version": version.number, "issued_at": version.issued_at.isoformat()}
    print(json.dumps(table) if arguments.json else f"version {version.number} is in force")
    return 0


def _coverage(arguments: argparse.Namespace) -> int:
    traffic = None
    if arguments.traffic is not None:
        try:
            traffic = read_traffic(arguments.traffic.read_bytes())
        except OSError as error:
            raise TrustUnreadable(f"{error.filename}: {error.strerror}") from error
        except TrafficMalformed as error:
            raise TrustUnreadable(f"{arguments.traffic}: {error}") from error
    bundle = open_trust(arguments.trust)
    rows = coverage(
        bundle,
        traffic,
        SystemClock().now(),
        needs_revocation=arguments.revocation == "required",
        age_limit_days=arguments.age_limit_days,
    )
    summary = summary_of(rows, len(bundle.store.revocation_lists))
    for row in rows:
        print(json.dumps(_row(row, summary)) if arguments.json else _row_text(row))
    if arguments.json:
        return 0
    shares = [row.share for row in rows if row.share is not None and row.reaches_green]
    print(
        f"{summary.reach_green} of {summary.states} states" + (f", {sum(shares):.1%} of travellers" if traffic else "")
    )
    if summary.text:
        print(summary.text)
    return 0


def _row(row: StateCoverage, summary: CoverageSummary) -> dict[str, Any]:
    return {
        "state": row.state,
        "countries": list(row.countries),
        "certificates": row.certificates,
        "revocation_current": row.is_revocation_current,
        "share": row.share,
        "cumulative_share": row.cumulative_share,
        "reaches_green": row.reaches_green,
        "would_reach_green_with_advisory": row.reaches_green or row.is_held_back_by_revocation,
        "revocation_lists_held": summary.revocation_lists,
        "reasons": list(row.obstacles),
    }


def _row_text(row: StateCoverage) -> str:
    share = "     -" if row.share is None else f"{row.share:6.1%}"
    verdict = "green" if row.reaches_green else ", ".join(row.obstacles)
    return f"{row.state:<4} {share}  {row.certificates:>3} certificates  {verdict}"
