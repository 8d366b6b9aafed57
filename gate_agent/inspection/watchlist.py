"""Watchlists in force, and what they say about one traveller: for the guard which list and why, for the traveller nothing.

A document that is listed is a finding. A name that is like a listed one is a lead: the outcome is undetermined, and a guard looks. An entry that
only informs changes nothing in the result; it comes back beside it, and its particulars are opened when the traveller no longer waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.watchlist_bundle import Held, Part, held_in_the_open
from gate_agent.inspection.watchlist_entries import ACTIONS, Action, Entry, normalised, normalised_state
from gate_agent.inspection.watchlist_matching import SCORES, YEARS_APART, MatchKind, Sought, born_of, matches
from gate_agent.inspection.watchlist_names import FoldedName, folded_names, folded_spelling
from gate_agent.inspection.watchlist_scores import jaro_winkler
from gate_agent.policy.admission import CLOCK_SKEW_H

MOST_SHOWN = 8
"""Leads that a guard is shown: the best ones. More than these say only that the name is frequent."""
_QUICK_ROWS = 20_000
_CLOCK_ALLOWANCE = timedelta(hours=CLOCK_SKEW_H)


@dataclass(frozen=True, slots=True)
class Subject:
    """What lists are asked about. `born` is a date as a number, with zeros for what is not known."""

    document_number: str
    issuing_state: str
    primary_identifier: str
    secondary_identifier: str
    born: int
    sex: str
    nationality: str

    @classmethod
    def of(cls, document: TravelDocument, today: date) -> Subject:
        """Return the holder of a document."""
        return cls(
            normalised(document.document_number),
            normalised_state(document.issuing_state),
            document.primary_identifier,
            document.secondary_identifier,
            born_of(document.date_of_birth, document.date_of_birth_text, today),
            document.sex.strip("<"),
            normalised_state(document.nationality),
        )


@dataclass(frozen=True, slots=True)
class Match:
    """One entry that matches, by its number in a part of the lists."""

    kind: MatchKind
    score: float
    action: Action
    part: Part
    number: int

    @property
    def key(self) -> int:
        """What names the entry over versions, without saying whom it names."""
        return int(self.part.index.columns["entry_key"][self.number])

    def entry(self) -> Entry:
        """Open the entry. Raises `WatchlistSealBroken`."""
        return Entry.from_canonical(self.part.entries.line(self.number))


@dataclass(frozen=True, slots=True)
class WatchlistAnswer:
    """What the lists say. `informing` matches are for guard and centre alone, and stand nowhere in the result.

    `seen` are the keys of every entry that matched, `version` is that of the lists: what a later version is compared with.
    """

    result: CheckResult
    informing: tuple[Match, ...] = ()
    seen: tuple[int, ...] = ()
    version: int = 0


class Watchlist:
    """All lists in force at one version."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._parts: tuple[tuple[Part, frozenset[int]], ...] = ((held.base, held.gone),)
        if held.added is not None:
            self._parts += ((held.added, frozenset()),)
        self._has_names = any(len(part.index.columns["row_born"]) for part, _ in self._parts)

    def __len__(self) -> int:
        return self._held.root.count

    @property
    def takes_long(self) -> bool:
        """Whether a look-up may take more than a millisecond, and belongs in a thread."""
        return sum(len(part.index.columns["row_born"]) for part, _ in self._parts) > _QUICK_ROWS

    @property
    def root(self) -> str:
        """What the lists come to: the same on every gate that has the same entries."""
        return self._held.root_hex

    @property
    def size_bytes(self) -> int:
        """What the index takes in memory."""
        return sum(part.index.size_bytes for part, _ in self._parts)

    @classmethod
    def from_bundle(cls, body: Mapping[str, object]) -> Watchlist:
        """Read a body in its first form. Raises `WatchlistRefused`."""
        return cls(held_in_the_open(body))

    def screen(
        self,
        subject: Subject,
        today: date,
        *,
        age: timedelta,
        age_limit: timedelta,
        years_apart: int = YEARS_APART,
    ) -> WatchlistAnswer:
        """Look a traveller up: failed for a listed document, undetermined for a listed name, an old list or nothing to look up.

        A list from the future is as good as an old one: the gate's clock is wrong, and nobody knows how old the list is.
        """
        names = folded_names(subject.primary_identifier, subject.secondary_identifier)
        found = sorted(
            self._matches(subject, names, today, years_apart), key=lambda match: (-SCORES[match.kind], -match.score)
        )
        informing = tuple(match for match in found if match.action is Action.INFORM)
        told = [match for match in found if match.action is not Action.INFORM][:MOST_SHOWN]
        is_listed = any(match.kind is MatchKind.DOCUMENT for match in told)
        opened = [(match, match.entry()) for match in told]
        reasons = [_reason(match, entry) for match, entry in opened]
        compared = [pair for match, entry in opened for pair in _compared(match, entry, subject, names)]
        if self._is_stale(age, age_limit) and not is_listed:
            reasons.append(Reason(ReasonCode.WATCHLIST_STALE))
        if not subject.document_number or (self._has_names and not names):
            reasons.append(Reason(ReasonCode.MRZ_UNREADABLE))
        outcome = CheckOutcome.UNDETERMINED if reasons else CheckOutcome.SUCCESSFUL
        if is_listed:
            outcome = CheckOutcome.FAILED
        return WatchlistAnswer(
            CheckResult(CheckName.WATCHLIST, outcome, _distinct(reasons), tuple(compared)),
            informing,
            tuple(sorted({match.key for match in found})),
        )

    def all_matches(self, subject: Subject, today: date, years_apart: int = YEARS_APART) -> list[Match]:
        """Return every entry that matches, whatever it asks for."""
        names = folded_names(subject.primary_identifier, subject.secondary_identifier)
        return list(self._matches(subject, names, today, years_apart))

    def _is_stale(self, age: timedelta, age_limit: timedelta) -> bool:
        limits = [one.age_limit_h for one in self._held.terms if one.age_limit_h is not None]
        shortest = min([age_limit, *(timedelta(hours=limit) for limit in limits)])
        return not -_CLOCK_ALLOWANCE <= age <= shortest

    def _matches(
        self, subject: Subject, names: tuple[FoldedName, ...], today: date, years_apart: int
    ) -> Iterator[Match]:
        sought = Sought(names, subject.born, subject.sex)
        for part, gone in self._parts:
            index = part.index
            found = matches(index, sought, years_apart)
            if subject.document_number:
                listed = index.listing(subject.document_number, subject.issuing_state)
                found |= dict.fromkeys(listed, (MatchKind.DOCUMENT, 1.0))
            for number, (kind, score) in found.items():
                if number not in gone and index.is_valid(number, today):
                    action = ACTIONS[int(index.columns["entry_action"][number])]
                    yield Match(kind, score, action, part, number)


def _distinct(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(reason for place, reason in enumerate(reasons) if reason not in reasons[:place])


def _reason(match: Match, entry: Entry) -> Reason:
    code = ReasonCode.WATCHLIST_NAME_LEAD
    if match.kind is MatchKind.DOCUMENT:
        code = ReasonCode.WATCHLIST_STOP if match.action is Action.STOP else ReasonCode.WATCHLIST_HIT
    return Reason(code, {"list": entry.list_name, "entry": entry.entry_id})


def _compared(match: Match, entry: Entry, subject: Subject, names: tuple[FoldedName, ...]) -> Iterator[Compared]:
    """Yield what a guard needs to tell a namesake from the person sought. It is sealed to the centre, as every compared value."""
    yield Compared("listed_entry", f"{entry.list_name} / {entry.entry_id}", "")
    yield Compared("listed_match", match.kind.value, "")
    yield Compared("listed_action", entry.action.value, "")
    if match.kind is MatchKind.DOCUMENT:
        yield Compared("document_number", subject.document_number, "")
    if entry.names:
        own = ", ".join(part for part in (subject.primary_identifier, subject.secondary_identifier) if part)
        yield Compared("listed_name", own, _closest(entry, names))
    if entry.born:
        yield Compared("listed_born", written_date(subject.born), written_date(entry.born))
    if entry.sex:
        yield Compared("listed_sex", subject.sex or "?", entry.sex)
    if entry.nationality:
        yield Compared("listed_nationality", subject.nationality or "?", entry.nationality)
    if entry.reason:
        yield Compared("listed_reason", entry.reason, "")


def _closest(entry: Entry, names: tuple[FoldedName, ...]) -> str:
    """Return the listed spelling that the traveller's name is most like."""

    def score(spelling: str) -> float:
        ways = folded_spelling(spelling)
        return max((jaro_winkler(name.weak, way.weak) for name in names for way in ways), default=0.0)

    return max(entry.names, key=score)


def written_date(born: int) -> str:
    """Return a birth date with question marks for what is not known."""
    year, month, day = born // 10_000, born // 100 % 100, born % 100
    return f"{year or '????'}-{f'{month:02}' if month else '??'}-{f'{day:02}' if day else '??'}"
