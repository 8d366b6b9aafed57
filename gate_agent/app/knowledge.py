"""What the gate decides from: bundles read from disk, verified against the pinned key, newest version wins, rollback refused.

The last good version stays in force when a file is bad, missing or older; the fault is logged and shown by `egate doctor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import KINDS, Bundle, file_name, verify_bundle
from central_sync.errors import BundleRefused
from central_sync.identity import read_verification_key
from gate_agent.clock import Clock
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.errors import SettingsFault
from gate_agent.inspection.token_format import key_identifier
from gate_agent.inspection.watchlist import Watchlist
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole
from gate_agent.lane.ports import Knowledge
from gate_agent.policy.rulebook import parse_rulebook

log = structlog.get_logger()


class GateKnowledge:
    """Verified bundles of one gate and the last report of each seal."""

    def __init__(self, bundles: Path, keys: Path, clock: Clock) -> None:
        self.officers: dict[str, OfficerRecord] = {}
        self.stays: Bundle | None = None
        self._folder = bundles
        self._clock = clock
        centre = read_verification_key(keys / "centre.pub")
        self._trusted = dict.fromkeys(KINDS, centre) | {"rulebook": read_verification_key(keys / "rulebook.pub")}
        self._token_keys = _token_keys(keys)
        self._versions: dict[str, int] = {}
        self._stamps: dict[str, int] = {}
        self._seals: dict[str, SealReport] = {}
        rulebook, watchlist = self._read("rulebook"), self._read("watchlist")
        if rulebook is None or watchlist is None:
            raise SettingsFault(f"{bundles}: no rulebook or no watchlist that can be used", code="EG-SET-010")
        self._knowledge = Knowledge(
            parse_rulebook(rulebook.body),
            Watchlist.from_bundle(watchlist.body),
            watchlist.version,
            watchlist.valid_from,
            self._token_keys,
        )
        self._take_officers(self._read("officers"))
        self.stays = self._read("stays")

    def current(self) -> Knowledge:
        """Return what is in force now."""
        return self._knowledge

    def reload(self) -> bool:
        """Read bundles that changed on disk; True when something new is in force."""
        rulebook, watchlist = self._read("rulebook"), self._read("watchlist")
        officers, stays = self._read("officers"), self._read("stays")
        before = self._knowledge
        if rulebook is not None or watchlist is not None:
            self._knowledge = Knowledge(
                parse_rulebook(rulebook.body) if rulebook else before.rulebook,
                Watchlist.from_bundle(watchlist.body) if watchlist else before.watchlist,
                watchlist.version if watchlist else before.watchlist_version,
                watchlist.valid_from if watchlist else before.watchlist_valid_from,
                self._token_keys,
            )
        self._take_officers(officers)
        if stays is not None:
            self.stays = stays
        return any(bundle is not None for bundle in (rulebook, watchlist, officers, stays))

    def seal(self, seal_id: str) -> SealReport | None:
        """Return the last report of a seal."""
        return self._seals.get(seal_id)

    def seal_reported(self, report: SealReport) -> bool:
        """Remember a report; a tampered seal stays tampered. True when its state changed."""
        before = self._seals.get(report.seal_id)
        if before is not None and before.state is SealState.TAMPERED:
            return False
        self._seals[report.seal_id] = report
        return before is None or before.state is not report.state

    def _read(self, kind: str) -> Bundle | None:
        """Return the bundle of a kind if its file is new and acceptable."""
        path = self._folder / file_name(kind)
        try:
            stamp = path.stat().st_mtime_ns
            if self._stamps.get(kind) == stamp:
                return None
            self._stamps[kind] = stamp
            bundle = verify_bundle(
                path.read_bytes(), [self._trusted[kind]], self._clock.now(), kind, self._versions.get(kind, 0)
            )
        except OSError as error:
            log.warning("bundle_missing", kind=kind, reason=type(error).__name__)
            return None
        except BundleRefused as error:
            log.error("bundle_refused", kind=kind, code=error.code)
            return None
        self._versions[kind] = bundle.version
        log.info("bundle_in_force", kind=kind, version=bundle.version)
        return bundle

    def _take_officers(self, bundle: Bundle | None) -> None:
        if bundle is None:
            return
        entries = bundle.body.get("officers")
        records: dict[str, OfficerRecord] = {}
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                records[str(entry["officer_id"])] = OfficerRecord(
                    bytes.fromhex(str(entry["public_key_hex"])),
                    OfficerRole(str(entry["role"])),
                    str(entry.get("display_name", "")),
                )
        self.officers.clear()
        self.officers.update(records)


def _token_keys(keys: Path) -> Mapping[bytes, Ed25519PublicKey]:
    key = read_verification_key(keys / "token_issuer.pub")
    return {key_identifier(key): key}
