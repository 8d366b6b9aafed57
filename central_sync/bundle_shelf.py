"""The gate's folder of bundles: a newer valid one takes the place of the older in one step, with the file that it names beside it.

A bundle whose content is too large for a broker names a file (`{"file": name, "sealed": {"sha256", "size_bytes"}}`), which comes through the
post's cache. Where there is a post, such a bundle waits as `<kind>.bundle.coming` until its file is whole, so that a gate which starts anew
meanwhile still finds the last good one.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import (
    MALFORMED,
    OLDER,
    SAME_SEQUENCE,
    Bundle,
    bundle_in_use,
    file_name,
    verify_bundle,
)
from central_sync.errors import BundleRefused

WITH_FILES = ("watchlist",)
LARGEST_FILE_BYTES = 4 << 30
KEPT_FOR = timedelta(days=7)
"""How long a file stays that no bundle names any more: the agent may still hold lists whose entries lie in it."""

_NAME = re.compile(rb"[a-z]+-[0-9a-f]{16}\.sealed")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FileBeside:
    """The file that a bundle names."""

    name: str
    sha256: str
    size_bytes: int

    def is_in(self, folder: Path) -> bool:
        """Tell whether it lies there whole; what it holds is verified by who brought it and by who reads it."""
        path = folder / self.name
        return path.is_file() and path.stat().st_size == self.size_bytes


def file_beside(bundle: Bundle) -> FileBeside | None:
    """Return the file that a bundle names, None where everything is inside. Raises `BundleRefused`."""
    name, sealed = bundle.body.get("file"), bundle.body.get("sealed")
    if name is None:
        return None
    sha256, size_bytes = (sealed.get("sha256"), sealed.get("size_bytes")) if isinstance(sealed, dict) else (None, None)
    if (
        not isinstance(name, str)
        or not _NAME.fullmatch(name.encode())
        or not isinstance(sha256, str)
        or not _SHA256.fullmatch(sha256)
        or not isinstance(size_bytes, int)
        or not 0 < size_bytes <= LARGEST_FILE_BYTES
    ):
        raise BundleRefused("the file beside the bundle is not named as one", code=MALFORMED)
    return FileBeside(name, sha256, size_bytes)


def coming_name(kind: str) -> str:
    """Return the name under which a bundle waits for its file."""
    return f"{file_name(kind)}.coming"


class BundleShelf:
    """Methods block on the disk and may be called from any thread. `waits_for_files`: somebody brings the files that bundles name."""

    def __init__(
        self,
        folder: Path,
        trusted: Sequence[Ed25519PublicKey],
        now: Callable[[], datetime],
        *,
        waits_for_files: bool = False,
    ) -> None:
        self.folder = folder
        self._trusted = tuple(trusted)
        self._now = now
        self._waits_for_files = waits_for_files
        self._one_at_a_time = threading.Lock()
        self._named: dict[Path, tuple[tuple[int, int], FileBeside | None]] = {}

    def accept(self, kind: str, wire: bytes) -> Bundle | None:
        """Put a bundle on the shelf; return None when this very one lies or waits there. Raises `BundleRefused`, `OSError`."""
        with self._one_at_a_time:
            path, coming = self._path(kind), self._coming(kind)
            if wire in {_content(path), _content(coming)}:
                return None
            bundle = self._judged(kind, wire)
            self.folder.mkdir(parents=True, exist_ok=True)
            beside = file_beside(bundle) if self._waits_for_files and kind in WITH_FILES else None
            if beside is None or beside.is_in(self.folder):
                self._write(path, wire)
                coming.unlink(missing_ok=True)
            else:
                self._write(coming, wire)
                _log.info("bundle_waits_for_its_file", kind=kind, version=bundle.version, size_bytes=beside.size_bytes)
            return bundle

    def missing(self, kind: str) -> FileBeside | None:
        """Return the file that the bundle of this kind lacks: the one that waits, else the one in use; None when none is lacking."""
        for path in (self._coming(kind), self._path(kind)):
            beside = self._named_by(kind, path)
            if beside is not None and not beside.is_in(self.folder):
                return beside
        return None

    def settle(self, kind: str) -> int | None:
        """Put the bundle that waits in its place if its file is there and nothing newer is; return its version. Raises `OSError`."""
        with self._one_at_a_time:
            coming = self._coming(kind)
            wire = _content(coming)
            if not wire:
                return None
            try:
                bundle = self._judged(kind, wire)
                beside = file_beside(bundle)
            except BundleRefused as refusal:
                _log.warning("bundle_on_shelf_refused", kind=kind, code=refusal.code)
                coming.unlink()
                return None
            if beside is not None and not beside.is_in(self.folder):
                return None
            coming.replace(self._path(kind))
            self._sync_folder()
            return bundle.version

    def clear_away(self) -> int:
        """Remove files that no bundle has named for a week; return their number. Raises `OSError`."""
        named = set()
        for kind in WITH_FILES:
            for path in (self._coming(kind), self._path(kind)):
                named |= set(_NAME.findall(_content(path)))
        oldest_s = (self._now() - KEPT_FOR).timestamp()
        count = 0
        for path in self.folder.glob("*.sealed*"):
            name = path.name.removesuffix(".part").encode()
            if _NAME.fullmatch(name) and name not in named and path.stat().st_mtime < oldest_s:
                path.unlink()
                count += 1
        return count

    def _coming(self, kind: str) -> Path:
        return self.folder / coming_name(kind)

    def _named_by(self, kind: str, path: Path) -> FileBeside | None:
        """Return the file that a bundle on the shelf names; a large bundle is not read anew as long as it is the same."""
        if not path.exists():
            return None
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        known_stamp, beside = self._named.get(path, (None, None))
        if known_stamp != stamp:
            try:
                beside = file_beside(bundle_in_use(_content(path), self._trusted, kind))
            except BundleRefused as refusal:
                _log.warning("bundle_on_shelf_refused", kind=kind, code=refusal.code)
                beside = None
            self._named[path] = stamp, beside
        return beside

    def _path(self, kind: str) -> Path:
        return self.folder / file_name(kind)

    def _judged(self, kind: str, wire: bytes) -> Bundle:
        """Return a bundle that may take its place. Raises `BundleRefused`.

        None goes below what lies or waits there, of its own kind or of one that shares its numbers; but a change may have come before its base.
        """
        own = (self._accepted(kind, path) for path in (self._path(kind), self._coming(kind)))
        floor = max((one.version for one in own if one is not None), default=0)
        bundle = verify_bundle(wire, self._trusted, self._now(), kind, floor)
        for other in SAME_SEQUENCE.get(kind, ()):
            beside = self._accepted(other, self._path(other)) if other != kind else None
            if beside is None or bundle.version >= beside.version or beside.body.get("from_version") == bundle.version:
                continue
            raise BundleRefused(f"version {bundle.version} is older than {beside.version} in use", code=OLDER)
        return bundle

    def _accepted(self, kind: str, path: Path) -> Bundle | None:
        wire = _content(path)
        try:
            return bundle_in_use(wire, self._trusted, kind) if wire else None
        except BundleRefused as refusal:
            _log.warning("bundle_on_shelf_refused", kind=kind, code=refusal.code)
            return None

    def _write(self, path: Path, wire: bytes) -> None:
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as stream:
            stream.write(wire)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
