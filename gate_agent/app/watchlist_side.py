"""What watchlists make the gate do besides refer: tell guard and centre silently, and hold past crossings against a newer version.

Both end as an alarm that a guard acknowledges and the centre records. An alarm names list, entry and lane, never a traveller: who it is stands on
the list, and on the guard's screen while he was there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import structlog

from gate_agent.app.knowledge import GateKnowledge, site_secret
from gate_agent.clock import Clock
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import EgateError, StoreFault
from gate_agent.inspection.watchlist import Match
from gate_agent.lane.ports import Knowledge
from gate_agent.settings import PolicySettings, Settings
from gate_agent.store.screened import Rescreening, Screened, ScreenedCrossings, ScreenedLimits

log = structlog.get_logger()

_LOOK_S = 1.0
_FORGET_S = 3600.0
_AT_ONCE = 20

Alarm = Callable[[str, Reason, bool], None]


class WatchlistSide:
    """`run` tells and rescreens until cancelled. `alarm` takes what the alarm is about, its reason, and that it stands."""

    def __init__(
        self,
        knowledge: GateKnowledge,
        kept: Rescreening | None,
        clock: Clock,
        alarm: Alarm,
        policy: PolicySettings,
        *,
        time_zone: str,
    ) -> None:
        self._knowledge = knowledge
        self._kept = kept
        self._clock = clock
        self._alarm = alarm
        self._years_apart = policy.watchlist_years_apart
        self._zone = ZoneInfo(time_zone)
        self._known = (0, date.min)

    async def run(self) -> None:
        """Look for work every second."""
        forget_s = self._clock.monotonic_s()
        while True:
            await self._tell()
            try:
                await self.rescreen()
                if self._kept is not None and self._clock.monotonic_s() >= forget_s:
                    forget_s = self._clock.monotonic_s() + _FORGET_S
                    await self._kept.forget()
            except StoreFault as fault:
                log.error("rescreening_waits", code=fault.code)
            await asyncio.sleep(_LOOK_S)

    async def _tell(self) -> None:
        while self._knowledge.informed:
            lane_id, matches = self._knowledge.informed.popleft()
            for reason, key in await asyncio.to_thread(_told, matches, lane_id):
                at = self._clock.now().isoformat(timespec="seconds")
                self._alarm(f"informed/{key}/{at}", reason, True)

    async def rescreen(self) -> int:
        """Hold crossings made under an older version, or last held on an earlier local day, against the version in force; return how many.

        An entry of a list may begin to count on a day that lies ahead, and on that day no new version comes.
        """
        knowledge = self._knowledge.current()
        if self._kept is None:
            return 0
        today = self._clock.now().astimezone(self._zone).date()
        if (knowledge.watchlist_version, today) != self._known:
            self._known = (knowledge.watchlist_version, today)
            await self._kept.forget()  # whoever has left is not looked up once more
        count = 0
        while rows := await self._kept.older_than(knowledge.watchlist_version, today, _AT_ONCE):
            done = await asyncio.to_thread(self._held_against, rows, knowledge, today)
            for one, reasons in done:
                for key, reason in reasons:
                    self._alarm(f"rescreened/{one.crossing_id}/{key}", reason, True)
            await self._kept.mark(knowledge.watchlist_version, today, [one for one, _ in done])
            count += len(rows)
        if count:
            log.info("crossings_rescreened", count=count, version=knowledge.watchlist_version)
        return count

    def _held_against(
        self, rows: Sequence[Screened], knowledge: Knowledge, today: date
    ) -> list[tuple[Screened, list[tuple[int, Reason]]]]:
        done = []
        for one in rows:
            matches = knowledge.watchlist.all_matches(one.subject, today, self._years_apart)
            found = [match for match in matches if match.key not in one.seen]
            seen = one.seen | {match.key for match in matches}
            done.append((replace(one, seen=seen), [(match.key, _rescreened(match, one)) for match in found]))
        return done


def screened_crossings(settings: Settings) -> ScreenedCrossings | None:
    """Return what keeps crossings for later versions of the lists; None where the site keeps none, or has no watchlist key."""
    secret = site_secret(settings.paths.keys)
    inside = timedelta(days=settings.policy.rescreening_inside_days)
    after_exit = timedelta(hours=settings.policy.rescreening_after_exit_h)
    if secret is None or not (inside or after_exit):
        return None
    return ScreenedCrossings(secret, ScreenedLimits(inside, after_exit))


def _told(matches: Sequence[Match], lane_id: int) -> list[tuple[Reason, int]]:
    return [
        (Reason(ReasonCode.WATCHLIST_INFORMED, {**_named(match), "lane": str(lane_id)}), match.key) for match in matches
    ]


def _rescreened(match: Match, one: Screened) -> Reason:
    code = ReasonCode.WATCHLIST_RESCREENED_INSIDE if one.is_inside else ReasonCode.WATCHLIST_RESCREENED
    at = one.occurred_at.isoformat(sep=" ", timespec="minutes")
    return Reason(code, {**_named(match), "lane": str(one.lane_id), "at": at})


def _named(match: Match) -> dict[str, str]:
    try:
        entry = match.entry()
    except EgateError as fault:  # it is told all the same; the authority finds the entry by its key
        log.error("watchlist_unreadable", code=fault.code)
        return {"list": "?", "entry": f"{match.key:016x}"}
    return {"list": entry.list_name, "entry": entry.entry_id}
