"""`egate watchlist`: make, change, verify and try the lists that gates look travellers up on. docs/watchlists.md is for whoever does it."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from central_sync.bundles import Bundle, file_name, sign_bundle, verify_bundle
from central_sync.errors import BundleRefused
from central_sync.identity import read_signing_key, read_verification_key
from gate_agent.cli.watchlist_sources import COLUMNS, read_sources
from gate_agent.clock import SystemClock
from gate_agent.inspection.watchlist import Match, Subject, Watchlist
from gate_agent.inspection.watchlist_bundle import Held, applied, base_body, delta_body, read_base
from gate_agent.inspection.watchlist_entries import (
    Entry,
    ListTerms,
    WatchlistRefused,
    normalised,
    normalised_state,
    read_entry,
)
from gate_agent.inspection.watchlist_matching import SCORES
from gate_agent.inspection.watchlist_sealed import WatchlistKey
from gate_agent.post_keys import NO_WATCHLIST_KEY, WATCHLIST_KEY
from gate_agent.settings import PathSettings
from gate_agent.store.secret_file import read_secret

SUMMARY = "make, change, verify and try watchlists"
KEYS: Path = PathSettings.model_fields["keys"].default
BASE, CHANGE = "watchlist", "watchlist_delta"
_LARGEST_QUESTION_BYTES = 100_000

_HELP = f"""  build   make a base of all lists: a signed, sealed bundle, and a file beside it when the lists are large
  delta   make the change that turns a base into these lists; gates take it instead of a new base
  verify  check signature, seal, root and every entry of a base, and of a change upon it
  ask     look people up, as a gate does: one JSON object a line on standard input, such as
          {{"primary_identifier": "YULDASHEV", "secondary_identifier": "UKTAM", "date_of_birth": "1985-03-02", "sex": "M",
           "document_number": "AB123", "issuing_state": "UTO"}}
lists are written as JSON or CSV; columns: {", ".join(COLUMNS)}.
Several names or documents in one field are parted by |, a document is STATE:NUMBER.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, act, text in (
        ("build", _build, "make a base of all lists"),
        ("delta", _delta, "make a change upon a base"),
        ("verify", _verify, "check a base and a change"),
        ("ask", _ask, "look people up"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=act)
        if name != "build":
            action.add_argument("base", type=Path, metavar="BASE", help="the base: a watchlist.bundle")
            action.add_argument("--centre-key", type=Path, default=KEYS / "centre.pub", metavar="FILE")
        action.add_argument("--watchlist-key", type=Path, default=KEYS / WATCHLIST_KEY, metavar="FILE")
        if name in ("build", "delta"):
            action.add_argument("sources", type=Path, nargs="+", metavar="SOURCE", help="JSON or CSV")
            action.add_argument("--sign-with", type=Path, default=KEYS / "centre.key", metavar="FILE")
            action.add_argument("--version", type=int, required=True, metavar="N", help="higher than every one before")
            action.add_argument("--valid-days", type=float, default=30.0, help="default: %(default)s")
            action.add_argument("--age-limit-h", action="append", default=[], metavar="LIST=HOURS")
            action.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="default: here")
        else:
            action.add_argument("--delta", type=Path, metavar="FILE", help="a change upon the base")


def run(arguments: argparse.Namespace) -> int:
    """Do one action. Returns 0, and 1 when `verify` found something."""
    act: Callable[[argparse.Namespace], int] = arguments.act
    return act(arguments)


def _key(arguments: argparse.Namespace) -> WatchlistKey:
    return WatchlistKey(read_secret(arguments.watchlist_key, NO_WATCHLIST_KEY))


def _limits(arguments: argparse.Namespace) -> dict[str, float]:
    limits = {}
    for text in arguments.age_limit_h:
        name, _, hours = text.rpartition("=")
        try:
            limits[name] = float(hours)
        except ValueError as error:
            raise WatchlistRefused(f"--age-limit-h {text}: LIST=HOURS is expected") from error
        if not name or not 0 < limits[name] < 1e5:
            raise WatchlistRefused(f"--age-limit-h {text}: LIST=HOURS is expected")
    return limits


def _build(arguments: argparse.Namespace) -> int:
    terms, entries, findings = read_sources(arguments.sources, _limits(arguments))
    body, beside = base_body(terms, entries, _key(arguments), secrets.token_hex(16))
    written = [arguments.out / file_name(BASE)]
    if beside is not None:  # before the bundle: a gate that sees the bundle finds the file
        written.insert(0, arguments.out / str(body["file"]))
        written[0].write_bytes(beside)
    return _signed(arguments, BASE, body, findings, written)


def _delta(arguments: argparse.Namespace) -> int:
    held, bundle = _opened_base(arguments)
    if arguments.version <= bundle.version:
        raise WatchlistRefused(f"version {arguments.version} is not above the base's {bundle.version}")
    terms, entries, findings = read_sources(arguments.sources, _limits(arguments))
    before = {one.name: one.age_limit_h for one in held.terms}  # a list keeps its limit unless another is given
    terms = [one if one.age_limit_h is not None else ListTerms(one.name, before.get(one.name)) for one in terms]
    body = delta_body(held, bundle.version, terms, entries, _key(arguments), secrets.token_hex(16))
    return _signed(arguments, CHANGE, body, findings, [arguments.out / file_name(CHANGE)])


def _signed(
    arguments: argparse.Namespace, kind: str, body: dict[str, Any], findings: list[str], written: list[Path]
) -> int:
    now = SystemClock().now()
    expires = now + timedelta(days=arguments.valid_days)
    try:
        wire = sign_bundle(kind, arguments.version, now, expires, body, read_signing_key(arguments.sign_with))
    except ValueError as error:
        raise WatchlistRefused(str(error)) from error
    written[-1].write_bytes(wire)
    print(
        json.dumps(
            {
                "version": arguments.version,
                "entries": body["root"]["count"],
                "lists": [name for name, _ in body["terms"]],
                "expires": expires.isoformat(timespec="seconds"),
                "files": [str(path) for path in written],
                "bytes": sum(path.stat().st_size for path in written),
                "not_comparable": findings,
            },
            ensure_ascii=False,
        )
    )
    return 0


def _bundle(path: Path, kind: str, arguments: argparse.Namespace) -> Bundle:
    try:
        wire = path.read_bytes()
    except OSError as error:
        raise WatchlistRefused(f"{path}: {error.strerror}") from error
    return verify_bundle(wire, [read_verification_key(arguments.centre_key)], SystemClock().now(), kind)


def _opened_base(arguments: argparse.Namespace) -> tuple[Held, Bundle]:
    bundle = _bundle(arguments.base, BASE, arguments)
    return read_base(bundle.body, arguments.base.parent, _key(arguments)), bundle


def _opened(arguments: argparse.Namespace) -> tuple[Held, Bundle]:
    held, bundle = _opened_base(arguments)
    if arguments.delta is not None:
        change = _bundle(arguments.delta, CHANGE, arguments)
        held, bundle = applied(held, bundle.version, change.body, _key(arguments)), change
    return held, bundle


def _verify(arguments: argparse.Namespace) -> int:
    try:
        held, bundle = _opened(arguments)
        counts: dict[str, dict[str, int]] = {one.name: {} for one in held.terms}
        for line in held.lines():
            entry = Entry.from_canonical(line)
            actions = counts.setdefault(entry.list_name, {})
            actions[entry.action] = actions.get(entry.action, 0) + 1
    except (BundleRefused, WatchlistRefused) as refusal:
        print(json.dumps({"result": "failed", "code": refusal.code, "reason": str(refusal)}))
        return 1
    limits = {one.name: one.age_limit_h for one in held.terms}
    print(
        json.dumps(
            {
                "result": "successful",
                "version": bundle.version,
                "valid_from": bundle.valid_from.isoformat(timespec="seconds"),
                "expires": bundle.expires.isoformat(timespec="seconds"),
                "root": held.root_hex,
                "entries": held.root.count,
                "lists": [
                    {"name": name, "age_limit_h": limits.get(name), **actions} for name, actions in counts.items()
                ],
            },
            ensure_ascii=False,
        )
    )
    return 0


def _ask(arguments: argparse.Namespace) -> int:
    held, _ = _opened(arguments)
    watchlist, today = Watchlist(held), SystemClock().now().date()
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        if len(line) > _LARGEST_QUESTION_BYTES:
            raise WatchlistRefused(f"line {number}: too long")
        found = watchlist.all_matches(_subject(f"line {number}", line), today)
        found.sort(key=lambda match: (-SCORES[match.kind], -match.score))
        print(json.dumps({"matches": [_told(match) for match in found]}, ensure_ascii=False))
    return 0


def _subject(where: str, line: bytes) -> Subject:
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WatchlistRefused(f"{where}: not JSON") from error
    if not isinstance(asked, dict) or not all(isinstance(value, str) for value in asked.values()):
        raise WatchlistRefused(f"{where}: an object of texts is expected")
    identity = {"entry_id": "-", "names": ["-"]}
    same_words = {name: asked[name] for name in ("date_of_birth", "sex", "nationality") if name in asked}
    read = read_entry(where, "-", identity | same_words)
    return Subject(
        normalised(asked.get("document_number", "")),
        normalised_state(asked.get("issuing_state", "")),
        asked.get("primary_identifier", ""),
        asked.get("secondary_identifier", ""),
        read.born,
        read.sex,
        read.nationality,
    )


def _told(match: Match) -> dict[str, Any]:
    entry = match.entry()
    return {
        "list": entry.list_name,
        "entry_id": entry.entry_id,
        "action": entry.action.value,
        "kind": match.kind.value,
        "score": SCORES[match.kind],
        "jaro_winkler": round(match.score, 4),
        "names": list(entry.names),
        "reason": entry.reason,
    }
