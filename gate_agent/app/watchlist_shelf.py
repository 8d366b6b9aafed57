"""The watchlists that lie in the bundles folder: a base, and the newest change if there is one, read together in one step.

Reading may take seconds and belongs in a thread; nothing that is in force changes before it is done. What is refused leaves the last good lists
in force: a base or a change with another signer, an older version, a change of another base, pieces that were altered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import Bundle, verify_bundle
from central_sync.errors import BundleRefused
from gate_agent.app.bundle_files import BundleFile, BundleFiles
from gate_agent.clock import Clock
from gate_agent.inspection.watchlist import Watchlist
from gate_agent.inspection.watchlist_bundle import Held, applied, read_base
from gate_agent.inspection.watchlist_entries import WatchlistRefused
from gate_agent.inspection.watchlist_sealed import WatchlistKey, WatchlistSealBroken

log = structlog.get_logger()

BASE, CHANGE = "watchlist", "watchlist_delta"


@dataclass(frozen=True, slots=True)
class WatchlistInForce:
    """Lists at a version. `valid_from` is their date: of the change where there is one, else of the base."""

    watchlist: Watchlist
    version: int
    valid_from: datetime


class WatchlistShelf:
    """Reads what changed on disk; `read` is called from one thread at a time."""

    def __init__(self, folder: Path, trusted: Ed25519PublicKey, key: WatchlistKey | None, clock: Clock) -> None:
        self._folder = folder
        self._trusted = trusted
        self._key = key
        self._clock = clock
        self._base: tuple[Held, Bundle] | None = None
        self._version = 0
        self._files = BundleFiles(folder, clock)

    def read(self) -> WatchlistInForce | None:
        """Return what is newly in force, None when nothing is."""
        base, change = self._files.new(BASE), self._files.new(CHANGE, is_optional=True)
        if base is None and change is None:
            return None
        new = self._read_base(base) if base is not None else None
        if new is not None:
            self._base = new
            change = change if change is not None else self._files.read(CHANGE, is_optional=True)
        if self._base is None:
            return None
        held, bundle = self._base
        changed = self._applied(change, held, bundle) if change is not None else None
        if changed is not None:
            held, bundle = changed
        elif new is None:
            return None
        self._version = bundle.version
        log.info("bundle_in_force", kind=bundle.kind, version=bundle.version, root=held.root_hex, count=held.root.count)
        return WatchlistInForce(Watchlist(held), bundle.version, bundle.valid_from)

    def _read_base(self, file: BundleFile) -> tuple[Held, Bundle] | None:
        try:
            bundle = self._verified(file, self._version)
            held = read_base(bundle.body, self._folder, self._key)
        except (BundleRefused, WatchlistRefused, WatchlistSealBroken) as refusal:
            self._files.refused(file, refusal)
            return None
        self._files.in_force(file)
        return held, bundle

    def _applied(self, file: BundleFile, base: Held, bundle: Bundle) -> tuple[Held, Bundle] | None:
        try:
            change = self._verified(file, max(self._version, bundle.version + 1))
            held = applied(base, bundle.version, change.body, self._key)
        except (BundleRefused, WatchlistRefused, WatchlistSealBroken) as refusal:
            self._files.refused(file, refusal)
            return None
        self._files.in_force(file)
        return held, change

    def _verified(self, file: BundleFile, minimum: int) -> Bundle:
        return verify_bundle(file.content, [self._trusted], self._clock.now(), file.kind, minimum)
