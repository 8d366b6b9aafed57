"""A watchlist sealed: the arrays of its index and its entries in blocks, each piece AES-256-GCM under a key of the site.

The file is the pieces one after the other; the signed manifest names them with their sizes and the SHA-256 of the whole. What is searched is
opened into memory. Entries stay sealed where they lie, and a block of them is opened when one is to be shown to a guard.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gate_agent.errors import EgateError
from gate_agent.inspection.watchlist_entries import WatchlistRefused
from gate_agent.inspection.watchlist_index import COLUMNS, AnyArray, Index
from gate_agent.inspection.watchlist_names import LONGEST_FOLDED

ENTRIES_A_BLOCK = 64
_NONCE_BYTES, _TAG_BYTES = 12, 16
_OVERHEAD_BYTES = _NONCE_BYTES + _TAG_BYTES
_LONGEST_BLOCK_BYTES = 64 << 20
_PIECE_BYTES = 1 << 22
_BLOCK_END = "block_end"


class WatchlistSealBroken(EgateError):
    """A sealed watchlist was altered, is of another site, or its file is missing."""

    code = "EG-WLI-003"


class WatchlistKey:
    """What watchlists of a site are sealed with. `random`: the source of nonces."""

    def __init__(self, site_key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        derived = HKDF(hashes.SHA256(), 32, None, b"egate watchlist content").derive(site_key)
        self._cipher = AESGCM(derived)
        self._random = random

    def seal(self, content: bytes, of: str) -> bytes:
        """Return content sealed and bound to what it is a piece of."""
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, of.encode())

    def open(self, sealed: bytes, of: str) -> bytes:
        """Return what was sealed. Raises `WatchlistSealBroken`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], of.encode())
        except (InvalidTag, ValueError) as error:
            raise WatchlistSealBroken(f"{of}: not sealed with this site's watchlist key, or altered") from error


class Source(Protocol):
    """Where a sealed watchlist lies."""

    def read(self, first_byte: int, count: int) -> bytes:
        """Return bytes of it, fewer at its end. Raises `OSError`."""
        ...


class InMemory:
    """A sealed watchlist that came inside its bundle."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, first_byte: int, count: int) -> bytes:
        """Return bytes of it."""
        return self._content[first_byte : first_byte + count]


class OnDisk:
    """A sealed watchlist in a file, which stays open: replacing the file takes nothing away."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")

    def read(self, first_byte: int, count: int) -> bytes:
        """Return bytes of it."""
        return os.pread(self._stream.fileno(), count, first_byte)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is signed about a sealed watchlist. `set_id` binds its pieces together; `pieces` are names and sizes in their order."""

    set_id: str
    lists: tuple[str, ...]
    pieces: tuple[tuple[str, int], ...]
    block_count: int
    sha256: str
    size_bytes: int


class SealedEntries:
    """Entries by number, each block opened when it is asked for."""

    def __init__(self, source: Source, key: WatchlistKey, set_id: str, ends: AnyArray) -> None:
        self._source = source
        self._key = key
        self._set_id = set_id
        self._ends = ends

    def line(self, number: int) -> bytes:
        """Return the canonical line of an entry. Raises `WatchlistSealBroken`."""
        block, place = divmod(number, ENTRIES_A_BLOCK)
        lines = self._block(block)
        if place >= len(lines):
            raise WatchlistSealBroken(f"block {block}: there is no entry {place}")
        return lines[place]

    def lines(self) -> Iterator[bytes]:
        """Yield every entry's canonical line."""
        for block in range(len(self._ends) - 1):
            yield from self._block(block)

    def _block(self, block: int) -> list[bytes]:
        first, end = int(self._ends[block]), int(self._ends[block + 1])
        try:
            sealed = self._source.read(first, end - first)
        except OSError as error:
            raise WatchlistSealBroken(f"block {block}: {error.strerror}") from error
        opened = self._key.open(sealed, f"{self._set_id}/block/{block}")
        return _inflated(opened).split(b"\n")


class OpenEntries:
    """Entries by number that were never sealed: of a list in its first form, or of a change."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def line(self, number: int) -> bytes:
        """Return the canonical line of an entry."""
        return self._lines[number]

    def lines(self) -> Iterator[bytes]:
        """Yield every entry's canonical line."""
        return iter(self._lines)


def seal_index(
    index: Index, lines: Sequence[bytes], key: WatchlistKey, set_id: str, write: Callable[[bytes], object]
) -> Manifest:
    """Write a sealed watchlist piece by piece and return its manifest."""
    digest, pieces, written = hashlib.sha256(), [], 0

    def put(piece: bytes) -> None:
        nonlocal written
        digest.update(piece)
        write(piece)
        written += len(piece)

    ends = [0]
    for block, first in enumerate(range(0, len(lines), ENTRIES_A_BLOCK)):
        content = zlib.compress(b"\n".join(lines[first : first + ENTRIES_A_BLOCK]), 6)
        put(key.seal(content, f"{set_id}/block/{block}"))
        ends.append(written)
    for name, column in [*index.columns.items(), (_BLOCK_END, np.array(ends, dtype="<u8"))]:
        sealed = key.seal(column.tobytes(), f"{set_id}/{name}")
        pieces.append((name, len(sealed)))
        put(sealed)
    return Manifest(set_id, index.lists, tuple(pieces), len(ends) - 1, digest.hexdigest(), written)


def open_index(manifest: Manifest, source: Source, key: WatchlistKey) -> tuple[Index, SealedEntries]:
    """Open the index of a sealed watchlist. Raises `WatchlistSealBroken`, `WatchlistRefused`.

    The whole is read once for its hash; it takes about a second for two million entries, most of it without Python's lock.
    """
    _check_whole(manifest, source)
    names = [name for name, _ in manifest.pieces]
    if names != [*COLUMNS, _BLOCK_END]:
        raise WatchlistRefused("a sealed watchlist has other arrays than this software reads")
    place = manifest.size_bytes - sum(size for _, size in manifest.pieces)
    columns: dict[str, AnyArray] = {}
    for name, size in manifest.pieces:
        opened = key.open(_read(source, place, size), f"{manifest.set_id}/{name}")
        dtype = COLUMNS.get(name, np.dtype("<u8"))
        if len(opened) % dtype.itemsize:
            raise WatchlistRefused(f"{name}: not a whole number of values")
        columns[name] = np.frombuffer(opened, dtype=dtype)
        place += size
    ends = columns.pop(_BLOCK_END)
    _check_places(columns, ends, manifest)
    return Index(columns, manifest.lists), SealedEntries(source, key, manifest.set_id, ends)


def seal_change(content: bytes, key: WatchlistKey, set_id: str) -> bytes:
    """Return the content of a change, compressed and sealed."""
    return key.seal(zlib.compress(content, 6), f"{set_id}/change")


def open_change(sealed: bytes, key: WatchlistKey, set_id: str) -> bytes:
    """Return the content of a change. Raises `WatchlistSealBroken`."""
    return _inflated(key.open(sealed, f"{set_id}/change"))


def _check_whole(manifest: Manifest, source: Source) -> None:
    digest, place = hashlib.sha256(), 0
    while place < manifest.size_bytes:
        piece = _read(source, place, min(_PIECE_BYTES, manifest.size_bytes - place))
        digest.update(piece)
        place += len(piece)
    if digest.hexdigest() != manifest.sha256 or source.read(place, 1):
        raise WatchlistSealBroken("the watchlist's file is not the one that its manifest names")


def _read(source: Source, place: int, count: int) -> bytes:
    try:
        found = source.read(place, count)
    except OSError as error:
        raise WatchlistSealBroken(f"the watchlist's file: {error.strerror}") from error
    if len(found) != count:
        raise WatchlistSealBroken("the watchlist's file is shorter than its manifest says")
    return found


def _check_places(columns: Mapping[str, AnyArray], ends: AnyArray, manifest: Manifest) -> None:
    """Refuse an index whose arrays do not fit each other: nothing in it may point outside."""
    entries, rows, letters = len(columns["entry_key"]), len(columns["row_born"]), len(columns["letters"])
    sizes = {
        "entry": entries,
        "document": len(columns["document_key"]),
        "row": rows,
        "sound": rows,
    }
    fits = all(len(column) == sizes.get(name.split("_")[0], letters) for name, column in columns.items())
    limits = (("row_entry", entries), ("document_entry", entries), ("sound_row", rows))
    fits = fits and all(int(columns[name].max(initial=0)) < max(limit, 1) for name, limit in limits)
    fits = fits and int(columns["entry_list"].max(initial=0)) < max(len(manifest.lists), 1)
    last = columns["row_start"].astype(np.uint64) + columns["row_length"]
    fits = fits and int(last.max(initial=0)) <= letters and int(columns["row_length"].max(initial=0)) <= LONGEST_FOLDED
    blocks = -(-entries // ENTRIES_A_BLOCK)
    fits = fits and len(ends) == blocks + 1 == manifest.block_count + 1
    largest = np.diff(ends.astype(np.int64))
    fits = fits and bool((largest > 0).all()) and int(largest.max(initial=0)) < _LONGEST_BLOCK_BYTES
    if not fits:
        raise WatchlistRefused("the arrays of a sealed watchlist do not fit each other")


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(content, _LONGEST_BLOCK_BYTES)
    except zlib.error as error:
        raise WatchlistRefused("a piece of a sealed watchlist is not compressed as it should be") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise WatchlistRefused("a piece of a sealed watchlist is larger than it may be")
    return found
