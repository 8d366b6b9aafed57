"""The site file as written: several gates in one file, and the line on which each key stands.

A post writes what its gates share once, and a table `[gates.ID]` for each gate with what differs there. Tables are merged key by key, `[[device]]`
tables by their name and `[[lane]]` tables by their number; any other list is replaced whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]

GATES = "gates"
_NAMED_BY = {"device": "name", "lane": "lane_id"}
_HEADER = re.compile(r"\[(\[?)\s*((?:[^\]\"']|\"[^\"]*\"|'[^']*')+?)\s*\]")
_KEY = re.compile(r"((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")
_TOKEN = re.compile(r"\"\"\"|'''|\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*|[\[\]{}]")


@dataclass(frozen=True, slots=True)
class GateDocument:
    """What one gate reads; `sources` says for every place in `document` where in the file it was written."""

    document: dict[str, Any]
    sources: Mapping[Place, Place]

    def source_of(self, place: Place) -> Place:
        """Return where a place, or the nearest one around it, was written."""
        for length in range(len(place), 0, -1):
            if (source := self.sources.get(place[:length])) is not None:
                return (*source, *place[length:])
        return place


def gate_ids(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the gates of a file that holds several, in its order; none for a file of one gate. Raises `ValueError`."""
    gates = document.get(GATES, {})
    if not isinstance(gates, dict) or not all(isinstance(table, dict) for table in gates.values()):
        raise ValueError("gates: write one table [gates.ID] for each gate")
    return tuple(gates)


def shared_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written for all gates of a file. Raises `ValueError`."""
    gate_ids(document)
    return {key: value for key, value in document.items() if key != GATES}


def document_of(document: Mapping[str, Any], gate_id: str | None) -> GateDocument:
    """Return what one gate of a file reads. Raises `ValueError` when it must be said which gate, or the file does not hold it."""
    gates = gate_ids(document)
    shared = shared_part(document)
    sources: dict[Place, Place] = {}
    _note(shared, (), (), sources)
    if not gates:
        return GateDocument(shared, sources)
    if gate_id not in gates:
        which = "which gate is this" if gate_id is None else f"there is no gate {gate_id!r}"
        raise ValueError(f"{which}? The file holds {', '.join(gates)}; EGATE_GATE__GATE_ID names one of them")
    own = document[GATES][gate_id]
    written = own.get("gate", {})
    if isinstance(written, dict) and written.get("gate_id", gate_id) != gate_id:
        raise ValueError(f"gates.{gate_id}.gate.gate_id: the table's own name is the gate's id")
    merged = _merged(shared, own, (), (GATES, gate_id), sources)
    if isinstance(merged.setdefault("gate", {}), dict):
        merged["gate"] = {**merged["gate"], "gate_id": gate_id}
        sources["gate", "gate_id"] = (GATES, gate_id)
    return GateDocument(merged, sources)


def _note(value: Any, place: Place, source: Place, sources: dict[Place, Place]) -> None:
    """Note where a value and everything in it was written."""
    if place:
        sources[place] = source
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        _note(child, (*place, key), (*source, key), sources)


def _merged(
    shared: Mapping[str, Any], own: Mapping[str, Any], place: Place, source: Place, sources: dict[Place, Place]
) -> dict[str, Any]:
    merged = dict(shared)
    for key, value in own.items():
        at, from_ = (*place, key), (*source, key)
        before = merged.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[key] = _merged(before, value, at, from_, sources)
        elif not place and key in _NAMED_BY and isinstance(value, list) and isinstance(before, list):
            merged[key] = _merged_tables(before, value, at, from_, sources)
        else:
            merged[key] = value
            _note(value, at, from_, sources)
    return merged


def _merged_tables(
    shared: list[Any], own: list[Any], place: Place, source: Place, sources: dict[Place, Place]
) -> list[Any]:
    """Merge `[[device]]` or `[[lane]]` tables: one of a known name changes that one, another is added."""
    name = _NAMED_BY[str(place[-1])]
    merged = list(shared)
    for index, table in enumerate(own):
        known = [
            at
            for at, before in enumerate(shared)
            if isinstance(table, dict) and isinstance(before, dict) and before.get(name) == table.get(name)
        ]
        if known:
            merged[known[0]] = _merged(merged[known[0]], table, (*place, known[0]), (*source, index), sources)
        else:
            _note(table, (*place, len(merged)), (*source, index), sources)
            merged.append(table)
    return merged


def lines_of(text: str) -> dict[Place, int]:
    """Return the line (1 is the first) of every table and key of a TOML text that tomllib accepts.

    Keys inside an inline table or a list that is written in brackets stand on the line of what holds them: look up the nearest.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    depth, quote = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        rest = line
        if not quote and not depth:
            stripped = line.strip()
            if header := _HEADER.match(stripped):
                table = _table_place(_parts(header[2]), counts, is_list=bool(header[1]))
                lines.setdefault(table, number)
                continue
            if key := _KEY.match(stripped):
                place = table
                for part in _parts(key[1]):
                    place = (*place, part)
                    lines.setdefault(place, number)
                rest = stripped[key.end() :]
        depth, quote = _after(rest, depth, quote)
    return lines


def line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    """Return the line of a place, or of the nearest thing around it that has one; None for the file as a whole."""
    return next((lines[place[:length]] for length in range(len(place), 0, -1) if place[:length] in lines), None)


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _table_place(parts: list[str], counts: dict[Place, int], *, is_list: bool) -> Place:
    """Return a header's place: below a `[[…]]` table, the one that was written last."""
    place: Place = ()
    for position, part in enumerate(parts):
        place = (*place, part)
        if is_list and position == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _after(rest: str, depth: int, quote: str) -> tuple[int, str]:
    """Return how many brackets, and which long quote, are open after a line."""
    while rest:
        if quote:
            _, found, rest = rest.partition(quote)
            if not found:
                return depth, quote
            quote = ""
            continue
        token = _TOKEN.search(rest)
        if token is None:
            break
        rest = rest[token.end() :]
        if token[0] in {'"""', "'''"}:
            quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, quote
