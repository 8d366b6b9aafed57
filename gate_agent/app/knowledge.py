"""What the gate decides from: bundles read from disk, verified against the pinned key, newest version wins, rollback refused.

The last good version stays in force when a file is bad, missing or older; the fault is logged and shown by `egate doctor`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import KINDS, Bundle, verify_bundle
from central_sync.errors import BundleRefused
from central_sync.identity import read_verification_key
from gate_agent.app.bundle_files import BundleFiles
from gate_agent.app.draw_book import DrawBook
from gate_agent.app.officer_roll import officer_records
from gate_agent.app.seal_watch import SealWatch
from gate_agent.app.store_side import stay_facts
from gate_agent.app.watchlist_shelf import WatchlistInForce, WatchlistShelf
from gate_agent.app.xray_results import XrayResults
from gate_agent.clock import Clock
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.screening import Screening
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import Draw
from gate_agent.errors import SettingsFault
from gate_agent.inspection.permit_list import PermitList, PermitListRefused
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.inspection.travel_bans import BanListRefused, TravelBans
from gate_agent.inspection.watchlist import Match
from gate_agent.inspection.watchlist_sealed import WatchlistKey
from gate_agent.lane.authorisation import OfficerRecord
from gate_agent.lane.ports import Knowledge
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.rulebook_format import parse_rulebook
from gate_agent.post_keys import NO_WATCHLIST_KEY, WATCHLIST_KEY
from gate_agent.settings import Settings
from gate_agent.store import StayFact
from gate_agent.store.secret_file import read_secret

log = structlog.get_logger()

_SEAL_SILENT = timedelta(hours=24)
_MOST_INFORMED = 1000

_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class StayBundle:
    """Stay facts of one bundle."""

    version: int
    facts: tuple[StayFact, ...]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What was read anew and is ready to be put in force; None where nothing is new."""

    lists: WatchlistInForce | None
    rulebook: Rulebook | None
    bans: tuple[TravelBans, Bundle] | None
    permits: tuple[PermitList, Bundle] | None
    officers: Mapping[str, OfficerRecord] | None
    stays: StayBundle | None


class GateKnowledge:
    """Verified bundles of one gate, and what its seals went through."""

    def __init__(
        self,
        bundles: Path,
        keys: Path,
        clock: Clock,
        seal_silent_after: timedelta = _SEAL_SILENT,
        *,
        time_zone: str = "UTC",
        xray_window: timedelta = timedelta(0),
    ) -> None:
        self.seal_watch = SealWatch(clock, seal_silent_after)
        self.draw_book = DrawBook(clock, time_zone)
        self.xray = XrayResults(xray_window)
        self.officers: dict[str, OfficerRecord] = {}
        self.stays: StayBundle | None = None
        self._files = BundleFiles(bundles, clock)
        self._clock = clock
        centre = read_verification_key(keys / "centre.pub")
        self._trusted = dict.fromkeys(KINDS, centre) | {"rulebook": read_verification_key(keys / "rulebook.pub")}
        self._versions: dict[str, int] = {}
        self._rulebook: Rulebook | None = None
        self._lists = WatchlistShelf(bundles, self._trusted["watchlist"], watchlist_key(keys), clock)
        self._watchlist: WatchlistInForce | None = None
        self.informed: deque[tuple[int, tuple[Match, ...]]] = deque(maxlen=_MOST_INFORMED)
        self._bans: tuple[TravelBans, Bundle] | None = None
        self._permits: tuple[PermitList, Bundle] | None = None
        self._token_keys = _token_keys(keys)
        self.reload()
        if not self._can_decide():
            raise SettingsFault(f"{bundles}: no rulebook or no watchlist that can be used", code="EG-SET-010")

    @classmethod
    def of_site(cls, settings: Settings, clock: Clock) -> GateKnowledge:
        """Return the knowledge of a site's gate. Raises `SettingsFault`."""
        return cls(
            settings.paths.bundles,
            settings.paths.keys,
            clock,
            timedelta(hours=settings.policy.seal_silent_h),
            time_zone=settings.gate.time_zone,
            xray_window=timedelta(minutes=settings.surroundings.xray_window_min),
        )

    def _can_decide(self) -> bool:
        return self._rulebook is not None and self._watchlist is not None

    def current(self) -> Knowledge:
        """Return what is in force now."""
        assert self._rulebook is not None, "refused at the start otherwise"
        assert self._watchlist is not None, "refused at the start otherwise"
        lists = self._watchlist
        return Knowledge(
            self._rulebook,
            lists.watchlist,
            lists.version,
            lists.valid_from,
            self._token_keys,
            watchlist_root=lists.watchlist.root,
            bans=self._bans[0] if self._bans else None,
            bans_valid_from=self._bans[1].valid_from if self._bans else None,
            permits=self._permits[0] if self._permits else None,
            permits_valid_from=self._permits[1].valid_from if self._permits else None,
        )

    def reload(self) -> bool:
        """Read bundles that changed on disk; True when something new is in force. A bad one leaves the last good one in force."""
        return self._put_in_force(self._read())

    async def reload_beside(self) -> bool:
        """Do the same while the loop goes on: any bundle may be large, so all of them are read, verified and parsed in a thread."""
        return self._put_in_force(await asyncio.to_thread(self._read))

    def _read(self) -> _Fresh:
        return _Fresh(
            self._lists.read(),
            self._parsed("rulebook", lambda bundle: parse_rulebook(bundle.body)),
            self._parsed("bans", lambda bundle: (TravelBans.from_bundle(bundle.body), bundle)),
            self._parsed("permits", lambda bundle: (PermitList.from_bundle(bundle.body), bundle)),
            self._parsed("officers", officer_records),
            self._parsed("stays", lambda bundle: StayBundle(bundle.version, tuple(stay_facts(bundle)))),
        )

    def _put_in_force(self, fresh: _Fresh) -> bool:
        self._watchlist = fresh.lists or self._watchlist
        self._rulebook = fresh.rulebook or self._rulebook
        self._bans = fresh.bans or self._bans
        self._permits = fresh.permits or self._permits
        self.stays = fresh.stays or self.stays
        if fresh.officers is not None:
            self.officers.clear()
            self.officers.update(fresh.officers)
        return any(getattr(fresh, field.name) is not None for field in fields(fresh))

    def seals(self, declaration: Declaration) -> tuple[SealReport, ...]:
        """Return what is known of each seal that a declaration names."""
        return self.seal_watch.reports(declaration)

    def inform(self, lane_id: int, matches: Sequence[Match]) -> None:
        """Take matches that only inform; `WatchlistSide` tells them."""
        self.informed.append((lane_id, tuple(matches)))

    def screening(self, declaration: Declaration) -> Screening | None:
        """Return the last result of the scan that is this declaration's."""
        return self.xray.of_declaration(declaration.reference)

    def draw(self, transaction_id: uuid.UUID, day: date) -> Draw | None:
        """Return the draw of a transaction; None when the day has no seed."""
        return self.draw_book.draw(transaction_id, day)

    def seals_arrived(self, declaration: Declaration) -> None:
        """Note that the goods of a declaration arrived."""
        self.seal_watch.arrived(declaration)

    def _parsed(self, kind: str, parse: Callable[[Bundle], _Parsed]) -> _Parsed | None:
        """Return what a file holds that is new, None where none is, or it is refused."""
        file = self._files.new(kind)
        if file is None:
            return None
        minimum = self._versions.get(kind, 0)
        try:
            bundle = verify_bundle(file.content, [self._trusted[kind]], self._clock.now(), kind, minimum)
            parsed = parse(bundle)
        except (BundleRefused, RulebookRefused, BanListRefused, PermitListRefused, SettingsFault) as refusal:
            self._files.refused(file, refusal)
            return None
        self._files.in_force(file)
        self._versions[kind] = bundle.version
        log.info("bundle_in_force", kind=kind, version=bundle.version)
        return parsed


def watchlist_key(keys: Path) -> WatchlistKey | None:
    """Return the key that a site's watchlists are sealed with; None where there is none, and lists come in the open."""
    secret = site_secret(keys)
    return None if secret is None else WatchlistKey(secret)


def site_secret(keys: Path) -> bytes | None:
    """Return the secret behind it, None where there is none. Raises `StoreFault` for a file that cannot be used."""
    path = keys / WATCHLIST_KEY
    return read_secret(path, NO_WATCHLIST_KEY) if path.exists() else None


def _token_keys(keys: Path) -> Mapping[bytes, Ed25519PublicKey]:
    """Return the issuers whose declaration tokens count: the portal's key, and those of kiosks, `token_issuer_*.pub`."""
    files = [keys / "token_issuer.pub", *sorted(keys.glob("token_issuer_*.pub"))]
    return {key_identifier(key): key for key in map(read_verification_key, files)}
