"""Files that people write watchlists in: JSON as `watchlist_entries` describes it, or a table (CSV) with one entry a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gate_agent.inspection.watchlist_entries import Entry, ListTerms, WatchlistRefused, read_entry, read_lists
from gate_agent.inspection.watchlist_names import folded_spelling

COLUMNS = (
    "list", "entry_id", "action", "names", "date_of_birth", "sex", "nationality", "documents", "reason", "valid_from", "valid_until",
)  # fmt: skip
_SEVERAL = "|"


def read_sources(paths: Iterable[Path], limits: Mapping[str, float]) -> tuple[list[ListTerms], list[Entry], list[str]]:
    """Read all files as one set of lists. Returns terms, entries, and names that no gate can compare, each with its place.

    `limits`: hours after which a list proves nothing, by its name. Raises `WatchlistRefused`: a line that is no entry, an id that stands
    twice on one list, an entry that nothing could ever match.
    """
    terms: dict[str, ListTerms] = {}
    entries: dict[tuple[str, str], Entry] = {}
    findings: list[str] = []
    for path in paths:
        listed = _table(path) if path.suffix.lower() == ".csv" else _json(path)
        for one, entry, where in listed:
            known = terms.get(one.name)
            if known is None or one.age_limit_h is not None:
                terms[one.name] = one
            if entry is None:
                continue
            if (entry.list_name, entry.entry_id) in entries:
                raise WatchlistRefused(f"{where}: {entry.list_name} has an entry {entry.entry_id} already")
            entries[entry.list_name, entry.entry_id] = entry
            findings += _not_comparable(where, entry)
    unknown = sorted(limits.keys() - terms.keys())
    if unknown:
        raise WatchlistRefused(f"an age limit is given for {unknown[0]}, and there is no such list")
    named = [ListTerms(name, limits.get(name, one.age_limit_h)) for name, one in terms.items()]
    return named, list(entries.values()), findings


def _not_comparable(where: str, entry: Entry) -> list[str]:
    lost = [name for name in entry.names if not folded_spelling(name)]
    if lost and len(lost) == len(entry.names) and not entry.documents:
        raise WatchlistRefused(f"{where}: no gate can compare this name; give it in Latin or Cyrillic letters too")
    return [f"{where}: a spelling cannot be compared" for _ in lost]


def _json(path: Path) -> Iterable[tuple[ListTerms, Entry | None, str]]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WatchlistRefused(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise WatchlistRefused(f"{path}: not JSON") from error
    if not isinstance(body, Mapping):
        raise WatchlistRefused(f"{path}: an object with lists is expected")
    for terms, entries in read_lists(body):
        yield terms, None, str(path)
        for entry in entries:
            yield terms, entry, f"{path}: entry {entry.entry_id}"


def _table(path: Path) -> Iterable[tuple[ListTerms, Entry | None, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            unknown = sorted(set(rows.fieldnames or ()) - set(COLUMNS))
            if unknown or not {"list", "entry_id"} <= set(rows.fieldnames or ()):
                told = f"unknown column {unknown[0]}" if unknown else "columns list and entry_id are needed"
                raise WatchlistRefused(f"{path}: {told}; the columns are {', '.join(COLUMNS)}")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise WatchlistRefused(f"{where}: not as many fields as there are columns")
                name = row.get("list") or ""
                if not name.strip():
                    raise WatchlistRefused(f"{where}: the name of a list is expected")
                yield ListTerms(name), read_entry(where, name, _entry_of(row)), where
    except OSError as error:
        raise WatchlistRefused(f"{path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise WatchlistRefused(f"{path}: not a table in UTF-8: {error}") from error


def _entry_of(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a line as an entry. Names and documents are parted by `|`, a document is `UTO:AB123` or a number alone."""
    entry: dict[str, Any] = {
        name: row[name] for name in row if name not in {"list", "names", "documents"} and row[name]
    }
    entry["names"] = [name for name in (row.get("names") or "").split(_SEVERAL) if name.strip()]
    documents = [text for text in (row.get("documents") or "").split(_SEVERAL) if text.strip()]
    parted = [text.rpartition(":") for text in documents]
    entry["documents"] = [{"number": number, "issuing_state": state.strip()} for state, _, number in parted]
    return entry
