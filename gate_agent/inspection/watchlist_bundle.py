"""Watchlists as they travel: a base that holds everything, and a change that turns this very base into a later version.

Both are bodies of signed bundles (`central_sync.bundles`), kinds `watchlist` and `watchlist_delta`, numbered in one sequence. A change always
starts from a base, never from another change, so that the newest one is all that a gate needs. Body of a base, of a change, and the first form:

    {"format": 2, "folding": 1, "root": {"sum": "…", "count": 2000000}, "terms": [["name", 48.0], …],
     "sealed": {"set_id", "lists", "pieces", "block_count", "sha256", "size_bytes"}, "content": base64 | "file": name}
    {"format": 2, "folding": 1, "root": {…}, "terms": […], "set_id": "…", "from_version": 7, "from_root": "…", "content": base64}
    {"lists": […]}                                                      entries in the open, see `watchlist_entries`

The root is a sum of the entries' SHA-256 modulo 2^256 (AdHash, Bellare and Micciancio 1997) with their number and the lists' terms: it does not depend
on the way that led to it, so a gate that took a change and one that took a new base report the same root. Who may change a list is settled by the
signature; the root settles that nothing went wrong on the way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gate_agent.inspection.watchlist_entries import Entry, ListedDocument, ListTerms, WatchlistRefused, read_lists
from gate_agent.inspection.watchlist_index import Index, built
from gate_agent.inspection.watchlist_names import FOLDING
from gate_agent.inspection.watchlist_sealed import (
    InMemory,
    Manifest,
    OnDisk,
    OpenEntries,
    SealedEntries,
    WatchlistKey,
    WatchlistSealBroken,
    open_change,
    open_index,
    seal_change,
    seal_index,
)

FORMAT = 2
LARGEST_INSIDE_BYTES = 8_000_000
"""A base above this comes as a file beside its bundle: a broker carries the bundle, the post's cache the file."""
_FILE_NAME = re.compile(r"watchlist-[0-9a-f]{16}\.sealed")
_SET_ID = re.compile(r"[0-9a-f]{32}")
_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Root:
    """What a set of entries comes to."""

    total: int = 0
    count: int = 0

    def with_line(self, line: bytes) -> Root:
        """Return the root with one entry more."""
        return Root((self.total + _number(line)) % _MODULUS, self.count + 1)

    def without_line(self, line: bytes) -> Root:
        """Return the root with one entry less."""
        return Root((self.total - _number(line)) % _MODULUS, self.count - 1)

    def hexadecimal(self, terms: Sequence[ListTerms]) -> str:
        """Return the root as it is reported: of entries, their number and the terms of the lists."""
        told = json.dumps([f"{self.total:064x}", self.count, [[one.name, one.age_limit_h] for one in terms]])
        return hashlib.sha256(told.encode()).hexdigest()

    def parts(self) -> dict[str, Any]:
        """Return the root as it stands in a body."""
        return {"sum": f"{self.total:064x}", "count": self.count}


def _number(line: bytes) -> int:
    return int.from_bytes(hashlib.sha256(line).digest(), "big")


@dataclass(frozen=True, slots=True)
class Part:
    """An index and its entries."""

    index: Index
    entries: SealedEntries | OpenEntries


@dataclass(frozen=True, slots=True)
class Held:
    """All lists at one version: a base, and what a change put beside it and took away from it (numbers of the base's entries)."""

    terms: tuple[ListTerms, ...]
    root: Root
    base: Part
    added: Part | None = None
    gone: frozenset[int] = frozenset()

    @property
    def root_hex(self) -> str:
        """The root as it is reported."""
        return self.root.hexadecimal(self.terms)

    def lines(self) -> Iterator[bytes]:
        """Yield the canonical line of every entry in force."""
        yield from (line for number, line in enumerate(self.base.entries.lines()) if number not in self.gone)
        if self.added is not None:
            yield from self.added.entries.lines()


def held_in_the_open(body: Mapping[str, object]) -> Held:
    """Return the lists of a body in its first form. Raises `WatchlistRefused`.

    There an id may stand several times on a list, once for each of a person's documents.
    """
    terms: dict[str, ListTerms] = {}
    documents: dict[tuple[str, str], dict[ListedDocument, None]] = {}
    entries: dict[tuple[str, str], Entry] = {}
    for one, listed in read_lists(body):
        terms[one.name] = one
        for entry in listed:
            identity = (entry.list_name, entry.entry_id)
            documents.setdefault(identity, {}).update(dict.fromkeys(entry.documents))
            names = entries[identity].names if identity in entries else ()
            entries[identity] = replace(entry, names=tuple(dict.fromkeys((*names, *entry.names))))
    whole = (replace(entry, documents=tuple(documents[identity])) for identity, entry in entries.items())
    index, lines = built(list(terms), whole)
    return Held(tuple(terms.values()), _root_of(lines), Part(index, OpenEntries(lines)))


def base_body(
    terms: Sequence[ListTerms],
    entries: Iterable[Entry],
    key: WatchlistKey,
    set_id: str,
    largest_inside_bytes: int = LARGEST_INSIDE_BYTES,
) -> tuple[dict[str, Any], bytes | None]:
    """Return the body of a base, and the content of the file beside it (`body["file"]`), None where it fits inside."""
    index, lines = built([one.name for one in terms], entries)
    written: list[bytes] = []
    manifest = seal_index(index, lines, key, set_id, written.append)
    content = b"".join(written)
    body: dict[str, Any] = {
        "format": FORMAT,
        "folding": FOLDING,
        "root": _root_of(lines).parts(),
        "terms": [[one.name, one.age_limit_h] for one in terms],
        "sealed": {
            "set_id": manifest.set_id,
            "lists": list(manifest.lists),
            "pieces": [[name, size] for name, size in manifest.pieces],
            "block_count": manifest.block_count,
            "sha256": manifest.sha256,
            "size_bytes": manifest.size_bytes,
        },
    }
    if manifest.size_bytes <= largest_inside_bytes:
        return body | {"content": base64.b64encode(content).decode()}, None
    return body | {"file": f"watchlist-{manifest.sha256[:16]}.sealed"}, content


def read_base(body: Mapping[str, object], folder: Path, key: WatchlistKey | None) -> Held:
    """Open a base in either form. Raises `WatchlistRefused`, `WatchlistSealBroken`. `folder`: where a file beside the bundle lies."""
    if "format" not in body:
        return held_in_the_open(body)
    terms, root = _opened(body)
    manifest = _manifest(body.get("sealed"))
    source = _beside(body.get("file"), folder) if "file" in body else InMemory(_content(body))
    index, entries = open_index(manifest, source, _needed(key))
    if len(index) != root.count:
        raise WatchlistRefused(f"{len(index)} entries where {root.count} are promised")
    return Held(terms, root, Part(index, entries))


def delta_body(
    base: Held, base_version: int, terms: Sequence[ListTerms], entries: Iterable[Entry], key: WatchlistKey, set_id: str
) -> dict[str, Any]:
    """Return the body of the change that makes these lists of a base. `base` has no change upon it."""
    wanted: dict[tuple[str, str], bytes] = {(entry.list_name, entry.entry_id): entry.canonical() for entry in entries}
    gone: list[tuple[str, str]] = []
    root = _root_of(wanted.values())
    for line in base.base.entries.lines():
        kept = Entry.from_canonical(line)
        name = (kept.list_name, kept.entry_id)
        if name not in wanted:
            gone.append(name)
        elif wanted[name] == line:
            del wanted[name]
    change = {"put": [line.decode() for line in wanted.values()], "gone": gone}
    sealed = seal_change(json.dumps(change, ensure_ascii=False, separators=(",", ":")).encode(), key, set_id)
    return {
        "format": FORMAT,
        "folding": FOLDING,
        "root": root.parts(),
        "terms": [[one.name, one.age_limit_h] for one in terms],
        "set_id": set_id,
        "from_version": base_version,
        "from_root": base.root_hex,
        "content": base64.b64encode(sealed).decode(),
    }


def applied(base: Held, base_version: int, body: Mapping[str, object], key: WatchlistKey | None) -> Held:
    """Return a base with a change upon it: all of the change, or none. Raises `WatchlistRefused`, `WatchlistSealBroken`.

    A change of another base, and one whose result does not come to the root that it promises, are refused.
    """
    terms, root = _opened(body)
    if body.get("from_version") != base_version or body.get("from_root") != base.root_hex:
        raise WatchlistRefused(f"this change is of another base than version {base_version}")
    set_id = body.get("set_id")
    if not isinstance(set_id, str) or not _SET_ID.fullmatch(set_id):
        raise WatchlistRefused("change.set_id: 32 hex digits are expected")
    put, gone = _change(open_change(_content(body), _needed(key), set_id))
    index = base.base.index
    removed: set[int] = set()
    for list_name, entry_id in gone:
        number = index.entry_of(list_name, entry_id)
        if number is None:
            raise WatchlistRefused("a change takes an entry away that its base does not have")
        removed.add(number)
    replaced = (index.entry_of(entry.list_name, entry.entry_id) for entry in put)
    removed |= {number for number in replaced if number is not None}
    result = base.root
    for number in removed:
        result = result.without_line(base.base.entries.line(number))
    names = tuple(one.name for one in terms)
    if any(entry.list_name not in names for entry in put):
        raise WatchlistRefused("a change puts an entry on a list that it does not name")
    added, lines = built(names, put)
    for line in lines:
        result = result.with_line(line)
    if result != root:
        raise WatchlistRefused("a change does not come to the root that it promises")
    return Held(terms, root, base.base, Part(added, OpenEntries(lines)) if lines else None, frozenset(removed))


def _change(content: bytes) -> tuple[list[Entry], list[tuple[str, str]]]:
    try:
        change = json.loads(content)
        put = [Entry.from_canonical(line.encode()) for line in change["put"]]
        gone = [(str(list_name), str(entry_id)) for list_name, entry_id in change["gone"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WatchlistRefused("the content of a change cannot be read") from error
    return put, gone


def _root_of(lines: Iterable[bytes]) -> Root:
    total, count = 0, 0
    for line in lines:
        total += _number(line)
        count += 1
    return Root(total % _MODULUS, count)


def _opened(body: Mapping[str, object]) -> tuple[tuple[ListTerms, ...], Root]:
    if body.get("format") != FORMAT:
        raise WatchlistRefused(f"a watchlist of format {FORMAT} is expected")
    if body.get("folding") != FOLDING:
        raise WatchlistRefused(f"names were folded by rules {body.get('folding')!r}, this software has rules {FOLDING}")
    root, terms = body.get("root"), body.get("terms")
    if not isinstance(root, Mapping) or not isinstance(terms, list):
        raise WatchlistRefused("watchlist: a root and the terms of its lists are expected")
    try:
        read = tuple(ListTerms(str(name), None if limit is None else float(limit)) for name, limit in terms)
        found = Root(int(root["sum"], 16), int(root["count"]))
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise WatchlistRefused("watchlist: a root and the terms of its lists are expected") from error
    return read, found


def _manifest(sealed: object) -> Manifest:
    if not isinstance(sealed, Mapping):
        raise WatchlistRefused("watchlist.sealed: a manifest is expected")
    try:
        manifest = Manifest(
            str(sealed["set_id"]),
            tuple(str(name) for name in sealed["lists"]),
            tuple((str(name), int(size)) for name, size in sealed["pieces"]),
            int(sealed["block_count"]),
            str(sealed["sha256"]),
            int(sealed["size_bytes"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WatchlistRefused("watchlist.sealed: a manifest is expected") from error
    sizes = [size for _, size in manifest.pieces]
    if not _SET_ID.fullmatch(manifest.set_id) or min(sizes, default=0) < 0 or sum(sizes) > manifest.size_bytes:
        raise WatchlistRefused("watchlist.sealed: the manifest contradicts itself")
    return manifest


def _beside(name: object, folder: Path) -> OnDisk:
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        raise WatchlistRefused("watchlist.file: not the name of a sealed watchlist")
    try:
        return OnDisk(folder / name)
    except OSError as error:
        raise WatchlistSealBroken(f"{name}: {error.strerror}; it comes beside its bundle") from error


def _content(body: Mapping[str, object]) -> bytes:
    content = body.get("content")
    if not isinstance(content, str):
        raise WatchlistRefused("watchlist.content: base64 is expected")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WatchlistRefused("watchlist.content: base64 is expected") from error


def _needed(key: WatchlistKey | None) -> WatchlistKey:
    if key is None:
        raise WatchlistSealBroken("this watchlist is sealed, and the gate has no watchlist key")
    return key
