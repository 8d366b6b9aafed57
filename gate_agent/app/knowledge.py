"""What the gate decides from: bundles read from disk, verified against the pinned key, newest version wins, rollback refused.

The last good version stays in force when a file is bad, missing or older; the fault is logged and shown by `egate doctor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import KINDS, Bundle, file_name, verify_bundle
from central_sync.errors import BundleRefused
from central_sync.identity import read_verification_key
from gate_agent.app.seal_watch import SealWatch
from gate_agent.app.store_side import stay_facts
from gate_agent.clock import Clock
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.seal import SealReport
from gate_agent.errors import SettingsFault
from gate_agent.inspection.token_format import key_identifier
from gate_agent.inspection.watchlist import Watchlist, WatchlistRefused
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole
from gate_agent.lane.ports import Knowledge
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.rulebook_format import parse_rulebook
from gate_agent.store import StayFact

log = structlog.get_logger()

_SEAL_SILENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class StayBundle:
    """Stay facts of one bundle."""

    version: int
    facts: tuple[StayFact, ...]


class GateKnowledge:
    """Verified bundles of one gate, and what its seals went through."""

    def __init__(self, bundles: Path, keys: Path, clock: Clock, seal_silent_after: timedelta = _SEAL_SILENT) -> None:
        self.seal_watch = SealWatch(clock, seal_silent_after)
        self.officers: dict[str, OfficerRecord] = {}
        self.stays: StayBundle | None = None
        self._folder = bundles
        self._clock = clock
        centre = read_verification_key(keys / "centre.pub")
        self._trusted = dict.fromkeys(KINDS, centre) | {"rulebook": read_verification_key(keys / "rulebook.pub")}
        self._versions: dict[str, int] = {}
        self._stamps: dict[str, int] = {}
        self._rulebook: Rulebook | None = None
        self._watchlist: tuple[Watchlist, Bundle] | None = None
        self._token_keys = _token_keys(keys)
        self.reload()
        if not self._can_decide():
            raise SettingsFault(f"{bundles}: no rulebook or no watchlist that can be used", code="EG-SET-010")

    def _can_decide(self) -> bool:
        return self._rulebook is not None and self._watchlist is not None

    def current(self) -> Knowledge:
        """Return what is in force now."""
        assert self._rulebook is not None, "refused at the start otherwise"
        assert self._watchlist is not None, "refused at the start otherwise"
        watchlist, bundle = self._watchlist
        return Knowledge(self._rulebook, watchlist, bundle.version, bundle.valid_from, self._token_keys)

    def reload(self) -> bool:
        """Read bundles that changed on disk; True when something new is in force. A bad one leaves the last good one in force."""
        taken = [
            self._take("rulebook", self._take_rulebook),
            self._take("watchlist", self._take_watchlist),
            self._take("officers", self._take_officers),
            self._take("stays", self._take_stays),
        ]
        return any(taken)

    def seals(self, declaration: Declaration) -> tuple[SealReport, ...]:
        """Return what is known of each seal that a declaration names."""
        return self.seal_watch.reports(declaration)

    def seals_arrived(self, declaration: Declaration) -> None:
        """Note that the goods of a declaration arrived."""
        self.seal_watch.arrived(declaration)

    def _take(self, kind: str, put_in_force: Callable[[Bundle], None]) -> bool:
        path = self._folder / file_name(kind)
        try:
            stamp = path.stat().st_mtime_ns
            if self._stamps.get(kind) == stamp:
                return False
            content = path.read_bytes()
        except OSError as error:
            log.warning("bundle_missing", kind=kind, reason=type(error).__name__)
            return False
        self._stamps[kind] = stamp
        try:
            bundle = verify_bundle(content, [self._trusted[kind]], self._clock.now(), kind, self._versions.get(kind, 0))
            put_in_force(bundle)
        except (BundleRefused, RulebookRefused, WatchlistRefused, SettingsFault) as refusal:
            log.error("bundle_refused", kind=kind, code=refusal.code)
            return False
        self._versions[kind] = bundle.version
        log.info("bundle_in_force", kind=kind, version=bundle.version)
        return True

    def _take_rulebook(self, bundle: Bundle) -> None:
        self._rulebook = parse_rulebook(bundle.body)

    def _take_watchlist(self, bundle: Bundle) -> None:
        self._watchlist = (Watchlist.from_bundle(bundle.body), bundle)

    def _take_stays(self, bundle: Bundle) -> None:
        self.stays = StayBundle(bundle.version, tuple(stay_facts(bundle)))

    def _take_officers(self, bundle: Bundle) -> None:
        entries = bundle.body.get("officers")
        if not isinstance(entries, list):
            raise SettingsFault("the officers bundle holds no list of officers", code="EG-SET-012")
        records: dict[str, OfficerRecord] = {}
        for entry in entries:
            try:
                record = OfficerRecord(
                    bytes.fromhex(str(entry["public_key_hex"])),  # type: ignore[index,call-overload] # refused below
                    OfficerRole(str(entry["role"])),  # type: ignore[index,call-overload] # refused below
                    str(entry["display_name"]),  # type: ignore[index,call-overload] # refused below
                )
                records[str(entry["officer_id"])] = record  # type: ignore[index,call-overload] # refused below
            except (KeyError, TypeError, ValueError) as error:
                raise SettingsFault("an officer of the officers bundle is malformed", code="EG-SET-012") from error
        self.officers.clear()
        self.officers.update(records)


def _token_keys(keys: Path) -> Mapping[bytes, Ed25519PublicKey]:
    key = read_verification_key(keys / "token_issuer.pub")
    return {key_identifier(key): key}
