"""The bundle files of a gate's folder: which of them are new, and which are read once more.

A file is done with when it is in force, or refused for good. A refusal that may pass (its day has not come, the gate's clock was wrong, the file
beside it is not there yet) is no end: the same file is read again after a while. The same refusal of the same file is logged once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from central_sync.bundles import EXPIRED, NOT_YET_VALID, file_name
from central_sync.errors import SyncError
from gate_agent.clock import Clock
from gate_agent.errors import EgateError
from gate_agent.inspection.watchlist_sealed import WatchlistSealBroken
from gate_agent.policy.errors import RulebookRefused

log = structlog.get_logger()

AGAIN_S = 10.0
"""How long a file that was refused in passing is left alone: reading a large one takes seconds of a processor."""

_Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file as it was read. `stamp` tells it from another under the same name."""

    kind: str
    content: bytes
    stamp: _Stamp


class BundleFiles:
    """The files of one folder. Methods block on the disk, and are called from one thread at a time."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._done: dict[str, _Stamp] = {}
        self._again: dict[str, tuple[_Stamp, float]] = {}
        self._logged: dict[str, tuple[_Stamp | None, str]] = {}

    def new(self, kind: str, *, is_optional: bool = False) -> BundleFile | None:
        """Return the file of a kind if there is anything to be done about it, None otherwise."""
        try:
            stamp = self._stamp(kind)
        except OSError as error:
            if not is_optional:
                self._missing(kind, error)
            return None
        refused, again_s = self._again.get(kind, (None, 0.0))
        if self._done.get(kind) == stamp or (refused == stamp and self._clock.monotonic_s() < again_s):
            return None
        return self.read(kind, is_optional=is_optional)

    def read(self, kind: str, *, is_optional: bool = False) -> BundleFile | None:
        """Return the file of a kind, new or not; None when it cannot be read now."""
        try:
            stamp = self._stamp(kind)
            return BundleFile(kind, (self._folder / file_name(kind)).read_bytes(), stamp)
        except OSError as error:
            if not is_optional:
                self._missing(kind, error)
            return None

    def in_force(self, file: BundleFile) -> None:
        """Note that nothing remains to be done about a file."""
        self._done[file.kind] = file.stamp
        self._logged.pop(file.kind, None)

    def refused(self, file: BundleFile, refusal: SyncError | EgateError | RulebookRefused) -> None:
        """Note a refusal: for good, or until the file is read again."""
        if isinstance(refusal, WatchlistSealBroken) or refusal.code in {NOT_YET_VALID, EXPIRED}:
            self._again[file.kind] = (file.stamp, self._clock.monotonic_s() + AGAIN_S)
        else:
            self._done[file.kind] = file.stamp
        if self._is_news(file.kind, file.stamp, refusal.code):
            log.error("bundle_refused", kind=file.kind, code=refusal.code, why=str(refusal))

    def _stamp(self, kind: str) -> _Stamp:
        status = (self._folder / file_name(kind)).stat()
        return status.st_mtime_ns, status.st_ino

    def _missing(self, kind: str, error: OSError) -> None:
        reason = type(error).__name__
        if self._is_news(kind, None, reason):
            log.warning("bundle_missing", kind=kind, reason=reason)

    def _is_news(self, kind: str, stamp: _Stamp | None, what: str) -> bool:
        said, self._logged[kind] = self._logged.get(kind), (stamp, what)
        return said != (stamp, what)
