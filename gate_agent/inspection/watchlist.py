"""The watchlist, first version: exact document numbers from a verified bundle, looked up in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import EgateError

_DROPPED = str.maketrans("", "", "< -\t")


class WatchlistRefused(EgateError):
    """The body of a bundle is no watchlist."""

    code = "EG-WLI-001"


@dataclass(frozen=True, slots=True)
class WatchlistHit:
    """Which list, and which entry of it."""

    list_name: str
    entry_id: str


def normalised(document_number: str) -> str:
    """Return a number as lists and documents compare: upper case, without fillers, blanks and hyphens."""
    return document_number.upper().translate(_DROPPED)


class Watchlist:
    """All lists of one bundle. An entry without issuing state is for every state."""

    def __init__(self, hits: Mapping[tuple[str, str], WatchlistHit]) -> None:
        self._hits = hits

    def __len__(self) -> int:
        return len(self._hits)

    @classmethod
    def from_bundle(cls, body: Mapping[str, object]) -> Watchlist:
        """Read `{"lists": [{"name", "entries": [{"document_number", "issuing_state", "entry_id"}]}]}`. Raises `WatchlistRefused`."""
        hits: dict[tuple[str, str], WatchlistHit] = {}
        lists = body.get("lists", [])
        if not isinstance(lists, list):
            raise WatchlistRefused("watchlist.lists: a list is expected")
        for place, entry in enumerate(lists):
            if not isinstance(entry, dict) or not isinstance(entry.get("entries"), list):
                raise WatchlistRefused(f"watchlist.lists[{place}]: a name and entries are expected")
            for number, listed in enumerate(entry["entries"]):
                try:
                    key = (normalised(listed["document_number"]), str(listed.get("issuing_state", "")).strip("<"))
                    hits[key] = WatchlistHit(str(entry["name"]), str(listed["entry_id"]))
                except (KeyError, TypeError, AttributeError) as error:
                    where = f"watchlist.lists[{place}].entries[{number}]"
                    raise WatchlistRefused(f"{where}: document_number and entry_id are expected") from error
        return cls(hits)

    def check(self, document_number: str, issuing_state: str, *, age: timedelta, age_limit: timedelta) -> CheckResult:
        """Return failed for a hit, undetermined for a list older than allowed, else successful."""
        number = normalised(document_number)
        hit = self._hits.get((number, issuing_state)) or self._hits.get((number, ""))
        if hit is not None:
            reason = Reason(ReasonCode.WATCHLIST_HIT, {"list": hit.list_name, "entry": hit.entry_id})
            return CheckResult(CheckName.WATCHLIST, CheckOutcome.FAILED, (reason,))
        if age > age_limit:
            reason = Reason(ReasonCode.WATCHLIST_STALE)
            return CheckResult(CheckName.WATCHLIST, CheckOutcome.UNDETERMINED, (reason,))
        return CheckResult(CheckName.WATCHLIST, CheckOutcome.SUCCESSFUL)
