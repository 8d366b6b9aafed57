"""Watchlists as they come to a gate: bodies of bases and changes, signed by the centre or not, sealed with the site's key or not."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gate_agent.inspection.watchlist_bundle import Held, applied, base_body, delta_body, read_base
from gate_agent.inspection.watchlist_entries import Entry, WatchlistRefused, read_lists
from gate_agent.inspection.watchlist_names import LONGEST_FOLDED, folded_spelling
from gate_agent.inspection.watchlist_sealed import WatchlistKey, WatchlistSealBroken
from tests.fuzz.target import Target, layers

_KEY = WatchlistKey(bytes(range(32)), bytes)  # one nonce: what is sealed here is nobody's
_NOWHERE = Path("/nonexistent")
_SET = "0" * 32
_REFUSED = (WatchlistRefused, WatchlistSealBroken)
_LISTS = {
    "lists": [
        {
            "name": "fictitious",
            "age_limit_h": 48,
            "entries": [
                {
                    "entry_id": "1",
                    "names": ["YULDASHEV, UKTAM"],
                    "date_of_birth": "1985-03",
                    "sex": "M",
                    "action": "inform",
                },
                {"entry_id": "2", "document_number": "AB-123", "issuing_state": "UTO"},
                {"entry_id": "3", "documents": [{"number": "X1"}], "reason": "r", "valid_until": "2027-01-31"},
            ],
        }
    ]
}


def _entries(lists: Mapping[str, object]) -> tuple[list[Any], list[Entry]]:
    read = [(terms, list(entries)) for terms, entries in read_lists(lists)]
    return [terms for terms, _ in read], [entry for _, listed in read for entry in listed]


def watchlist() -> Target:
    """Any body: what is accepted has as many entries as it promises, each comes back as it is kept, and a change holds its root."""
    terms, entries = _entries(_LISTS)
    body, _ = base_body(terms, entries, _KEY, _SET)
    base = read_base(body, _NOWHERE, _KEY)
    change = delta_body(base, 1, terms, entries[:2], _KEY, _SET)

    def any_base(content: bytes) -> bool:
        return (found := _parsed(content)) is not None and _holds(lambda: read_base(found, _NOWHERE, _KEY))

    def any_change(content: bytes) -> bool:
        return (found := _parsed(content)) is not None and _holds(lambda: applied(base, 1, found, _KEY))

    def sealed_change(content: bytes) -> bool:
        """Return what a gate makes of a change whose content anybody wrote, sealed as it should be."""
        sealed = _KEY.seal(zlib.compress(content), f"{_SET}/change")
        wire = change | {"content": base64.b64encode(sealed).decode()}
        return _holds(lambda: applied(base, 1, wire, _KEY))

    def spelling(content: bytes) -> bool:
        ways = folded_spelling(content.decode("utf-8", "replace"))
        assert all(way.strong.isascii() and 0 < len(way.strong) <= LONGEST_FOLDED for way in ways)
        return bool(ways)

    plain = {"put": [entries[0].canonical().decode()], "gone": [["fictitious", "3"]]}
    return layers(
        (any_base, [json.dumps(_LISTS).encode(), json.dumps(body).encode()]),
        (any_change, [json.dumps(change).encode()]),
        (sealed_change, [json.dumps(plain).encode()]),
        (spelling, ["Йўлдошев, Ўктам".encode(), b"KARIMOV<<ALISHER", "Oʻktam Şahin".encode()]),
        limit_bytes=8192,
    )


def _parsed(content: bytes) -> Mapping[str, object] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _holds(read: Any) -> bool:
    try:
        held: Held = read()
    except _REFUSED:
        return False
    lines = list(held.lines())
    assert len(lines) == held.root.count
    assert all(Entry.from_canonical(line).canonical() == line for line in lines)
    return True
