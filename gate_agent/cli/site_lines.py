"""The line of a finding: from the words that say where it is, back to what a person wrote in the site file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gate_agent.cli.findings import Finding
from gate_agent.site_file import GateDocument, Place, line_of

_IN_TEXT = re.compile(r"at line (\d+), column \d+")


def with_line(finding: Finding, read: GateDocument, lines: Mapping[Place, int]) -> Finding:
    """Return the finding with its line; without one when the file does not hold what is wrong (a default, a folder, a variable)."""
    place = _place_of(finding.where, read.document)
    return replace(finding, line=line_of(read.source_of(place), lines) if place else None)


def line_in_text(message: str) -> int | None:
    """Return the line that tomllib names in its complaint."""
    found = _IN_TEXT.search(message)
    return int(found[1]) if found else None


def _place_of(where: str, document: Mapping[str, Any]) -> Place:
    """Return `device reader-1.options.path`, `lane 1` or `console.port` as a place; empty when nothing of it is written."""
    if where.startswith("post device ") and isinstance(post := document.get("post"), dict):
        inside = _place_of(where.removeprefix("post "), post)
        return ("post", *inside) if inside else ()
    kind, _, rest = where.partition(" ")
    for table, name in (("device", "name"), ("lane", "lane_id")):
        if kind == table and rest:
            named, *keys = rest.split(".")
            entries = document.get(table, [])
            # Of two with one name the second is the mistake.
            index = [
                at for at, entry in enumerate(entries) if isinstance(entry, dict) and str(entry.get(name)) == named
            ]
            return (table, index[-1], *keys) if index else ()
    place: Place = tuple(int(part) if part.isdigit() else part for part in where.split("."))
    return place if _is_written(place, document) else ()


def _is_written(place: Place, document: Mapping[str, Any]) -> bool:
    """Tell whether the file holds the table, and the key unless it is the absent one of a numbered table."""
    if isinstance(document.get(str(place[0])), list):
        return True
    here: Any = document
    for part in place:
        if not isinstance(here, dict) or part not in here:
            return False
        here = here[part]
    return True
