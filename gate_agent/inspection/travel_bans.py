"""Entry and exit bans: signed, dated lists of documents and persons, compared exactly. A hit is for the guard's eyes only.

Persons are named by what stands in a machine readable zone: identifiers as printed there, and the day of birth. Other spellings are the
watchlist's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import EgateError
from gate_agent.inspection.list_entries import day, entries_of, text
from gate_agent.inspection.watchlist_entries import normalised
from gate_agent.policy.admission import CLOCK_SKEW_H

_CLOCK_ALLOWANCE = timedelta(hours=CLOCK_SKEW_H)


class BanListRefused(EgateError):
    """The body of a bundle is no list of bans."""

    code = "EG-BAN-001"


@dataclass(frozen=True, slots=True)
class Ban:
    """One entry: which list and entry, in which directions, on which days (None: without beginning or end), and of whom."""

    list_name: str
    entry_id: str
    directions: frozenset[Direction]
    first_day: date | None
    last_day: date | None
    nationality: str = ""
    primary: str = ""
    secondary: str = ""

    def holds(self, direction: Direction, today: date) -> bool:
        """Tell whether the ban is in force."""
        return (
            direction in self.directions
            and (self.first_day is None or self.first_day <= today)
            and (self.last_day is None or today <= self.last_day)
        )


class TravelBans:
    """All lists of one bundle."""

    def __init__(self, by_document: Mapping[tuple[str, str], list[Ban]], by_birth: Mapping[date, list[Ban]]) -> None:
        self._by_document = by_document
        self._by_birth = by_birth

    def __len__(self) -> int:
        return sum(len(bans) for index in (self._by_document, self._by_birth) for bans in index.values())

    @classmethod
    def from_bundle(cls, body: Mapping[str, object]) -> TravelBans:
        """Read `{"lists": [{"name", "directions": ["entry"], "entries": [...]}]}`. Raises `BanListRefused`.

        An entry has `entry_id`, may have `first_day` and `last_day`, and names a document (`document_number`, `issuing_state`) or a person
        (`primary_identifier`, `secondary_identifier`, `date_of_birth`, and `nationality` where it is known).
        """
        by_document: dict[tuple[str, str], list[Ban]] = {}
        by_birth: dict[date, list[Ban]] = {}
        lists = body.get("lists")
        if not isinstance(lists, list):
            raise BanListRefused("bans.lists: a list is expected")
        for place, listed in enumerate(lists):
            where = f"bans.lists[{place}]"
            name, directions, entries = entries_of(where, listed, BanListRefused)
            for number, entry in enumerate(entries):
                at = f"{where}.entries[{number}]"
                ban = Ban(
                    name,
                    text(f"{at}.entry_id", entry.get("entry_id"), BanListRefused),
                    directions,
                    day(f"{at}.first_day", entry.get("first_day"), BanListRefused),
                    day(f"{at}.last_day", entry.get("last_day"), BanListRefused),
                )
                if "document_number" in entry:
                    key = _document_key(at, entry)
                    by_document.setdefault(key, []).append(ban)
                else:
                    born, person = _person(at, entry, ban)
                    by_birth.setdefault(born, []).append(person)
        return cls(by_document, by_birth)

    def check(
        self, document: TravelDocument, direction: Direction, today: date, *, age: timedelta, age_limit: timedelta
    ) -> CheckResult:
        """Return failed for bans in force (each list named), undetermined for lists older than allowed, or from the future."""
        number, state = normalised(document.document_number), normalised(document.issuing_state)
        bans = [*self._by_document.get((number, state), ())] if number else []
        bans += self._persons(document)
        hits = dict.fromkeys((ban.list_name, ban.entry_id) for ban in bans if ban.holds(direction, today))
        if hits:
            reasons = tuple(Reason(ReasonCode.TRAVEL_BAN, {"list": name, "entry": entry}) for name, entry in hits)
            return CheckResult(CheckName.TRAVEL_BAN, CheckOutcome.FAILED, reasons)
        if not -_CLOCK_ALLOWANCE <= age <= age_limit:
            return unknown_bans()
        return CheckResult(CheckName.TRAVEL_BAN, CheckOutcome.SUCCESSFUL)

    def _persons(self, document: TravelDocument) -> Iterator[Ban]:
        names = normalised(document.primary_identifier), normalised(document.secondary_identifier)
        for ban in self._born_like(document):
            if ban.nationality and ban.nationality != normalised(document.nationality):
                continue
            listed = ban.primary, ban.secondary
            if listed == names or (
                document.name_may_be_truncated
                and all(one.startswith(cut) for one, cut in zip(listed, names, strict=True))
            ):
                yield ban

    def _born_like(self, document: TravelDocument) -> Iterator[Ban]:
        """Yield entries of the same day of birth; where a document leaves parts of it unknown, of every day that fits the rest."""
        if document.date_of_birth is not None:
            yield from self._by_birth.get(document.date_of_birth, ())
            return
        known = document.date_of_birth_text
        for born, bans in self._by_birth.items():
            if all(left in {"<", right} for left, right in zip(known, born.strftime("%y%m%d"), strict=False)):
                yield from bans


def unknown_bans() -> CheckResult:
    """Return what is said where nobody knows who is banned: the lists are missing or too old."""
    reason = Reason(ReasonCode.BAN_LIST_STALE)
    return CheckResult(CheckName.TRAVEL_BAN, CheckOutcome.UNDETERMINED, (reason,))


def _document_key(at: str, entry: Mapping[str, object]) -> tuple[str, str]:
    number = normalised(text(f"{at}.document_number", entry.get("document_number"), BanListRefused))
    state = normalised(text(f"{at}.issuing_state", entry.get("issuing_state"), BanListRefused))
    if not number or not state:
        raise BanListRefused(f"{at}: letters or digits are expected in document_number and issuing_state")
    return number, state


def _person(at: str, entry: Mapping[str, object], ban: Ban) -> tuple[date, Ban]:
    born = day(f"{at}.date_of_birth", entry.get("date_of_birth"), BanListRefused)
    if born is None:
        raise BanListRefused(f"{at}: a document_number, or a person with date_of_birth, is expected")
    primary = normalised(text(f"{at}.primary_identifier", entry.get("primary_identifier"), BanListRefused))
    secondary = entry.get("secondary_identifier", "")
    nationality = entry.get("nationality", "")
    if not isinstance(secondary, str) or not isinstance(nationality, str):
        raise BanListRefused(f"{at}: texts are expected in secondary_identifier and nationality")
    return born, replace(ban, nationality=normalised(nationality), primary=primary, secondary=normalised(secondary))
