"""The watchlist, first version: exact document numbers from a verified bundle, looked up in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import EgateError
from gate_agent.policy.admission import CLOCK_SKEW_H

_CLOCK_ALLOWANCE = timedelta(hours=CLOCK_SKEW_H)


class WatchlistRefused(EgateError):
    """The body of a bundle is no watchlist."""

    code = "EG-WLI-001"


@dataclass(frozen=True, slots=True)
class WatchlistHit:
    """Which list, and which entry of it."""

    list_name: str
    entry_id: str


def normalised(document_number: str) -> str:
    """Return a number as lists and documents compare: upper case, letters and digits only (fillers, blanks, hyphens vanish)."""
    return "".join(character for character in document_number.upper() if character.isalnum())


class Watchlist:
    """All lists of one bundle. An entry without issuing state is for every state; a number may stand on several lists."""

    def __init__(self, hits: Mapping[tuple[str, str], Sequence[WatchlistHit]]) -> None:
        self._hits = hits

    def __len__(self) -> int:
        return sum(len(hits) for hits in self._hits.values())

    @classmethod
    def from_bundle(cls, body: Mapping[str, object]) -> Watchlist:
        """Read `{"lists": [{"name", "entries": [{"document_number", "issuing_state", "entry_id"}]}]}`. Raises `WatchlistRefused`.

        `issuing_state` may be absent or null. A body without `lists` is no empty watchlist: it is refused.
        """
        hits: dict[tuple[str, str], list[WatchlistHit]] = {}
        lists = body.get("lists")
        if not isinstance(lists, list):
            raise WatchlistRefused("watchlist.lists: a list is expected")
        for place, listed in enumerate(lists):
            where = f"watchlist.lists[{place}]"
            if not isinstance(listed, Mapping) or not isinstance(listed.get("entries"), list):
                raise WatchlistRefused(f"{where}: a name and entries are expected")
            name = _text(f"{where}.name", listed.get("name"))
            for number, entry in enumerate(listed["entries"]):
                key, entry_id = _entry(f"{where}.entries[{number}]", entry)
                hits.setdefault(key, []).append(WatchlistHit(name, entry_id))
        return cls(hits)

    def check(self, document_number: str, issuing_state: str, *, age: timedelta, age_limit: timedelta) -> CheckResult:
        """Return failed for hits (each list named), undetermined for a list older than allowed or a document without number.

        A list from the future is as good as an old one: the gate's clock is wrong, and nobody knows how old the list is.
        """
        number = normalised(document_number)
        hits = [
            hit
            for state in dict.fromkeys((_state(issuing_state), ""))
            for hit in (self._hits.get((number, state), ()) if number else ())
        ]
        if hits:
            reasons = tuple(
                Reason(ReasonCode.WATCHLIST_HIT, {"list": hit.list_name, "entry": hit.entry_id})
                for hit in dict.fromkeys(hits)
            )
            return CheckResult(CheckName.WATCHLIST, CheckOutcome.FAILED, reasons)
        if not -_CLOCK_ALLOWANCE <= age <= age_limit:
            reason = Reason(ReasonCode.WATCHLIST_STALE)
            return CheckResult(CheckName.WATCHLIST, CheckOutcome.UNDETERMINED, (reason,))
        if not number:
            reason = Reason(ReasonCode.MRZ_UNREADABLE)
            return CheckResult(CheckName.WATCHLIST, CheckOutcome.UNDETERMINED, (reason,))
        return CheckResult(CheckName.WATCHLIST, CheckOutcome.SUCCESSFUL)


def _entry(where: str, entry: object) -> tuple[tuple[str, str], str]:
    if not isinstance(entry, Mapping):
        raise WatchlistRefused(f"{where}: document_number and entry_id are expected")
    number = normalised(_text(f"{where}.document_number", entry.get("document_number")))
    if not number:
        raise WatchlistRefused(f"{where}.document_number: letters or digits are expected")
    state = entry.get("issuing_state")
    if state is not None and not isinstance(state, str):
        raise WatchlistRefused(f"{where}.issuing_state: a text is expected")
    return (number, _state(state or "")), _text(f"{where}.entry_id", entry.get("entry_id"))


def _state(issuing_state: str) -> str:
    return issuing_state.upper().strip("< ")


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise WatchlistRefused(f"{where}: a text is expected")
    return value
