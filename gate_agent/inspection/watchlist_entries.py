"""Entries of watchlists as authorities write them: who is sought, by which names and documents, and what the gate does on a match.

    {"lists": [{"name": "…", "age_limit_h": 48, "entries": [
      {"entry_id": "…", "action": "stop|refer|inform", "names": ["KARIMOV, ALISHER", …], "date_of_birth": "1985-03", "sex": "M",
       "nationality": "UTO", "documents": [{"number": "…", "issuing_state": "UTO"}], "reason": "…", "valid_until": "2027-01-31"}]}]}

An entry needs a name or a document. Parts of a birth date may be missing from its end. The first form of a list, with one `document_number` and
`issuing_state` an entry, is read as well; such an entry refers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gate_agent.errors import EgateError

LONGEST_TEXT = 500
MOST_NAMES = 32
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_SEXES = {"M", "F", "X", ""}
_KNOWN = {
    "entry_id", "action", "names", "date_of_birth", "sex", "nationality", "documents", "reason", "valid_from", "valid_until",
    "document_number", "issuing_state",
}  # fmt: skip


class WatchlistRefused(EgateError):
    """What was given is no watchlist."""

    code = "EG-WLI-001"


class Action(StrEnum):
    """What an entry asks for. The machine refers in both of the first two; nobody but a person stops anybody."""

    STOP = "stop"
    REFER = "refer"
    INFORM = "inform"


ACTIONS = tuple(Action)


@dataclass(frozen=True, slots=True)
class WatchlistHit:
    """Which list, and which entry of it."""

    list_name: str
    entry_id: str


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document that is sought; without an issuing state, whoever issued it."""

    number: str
    issuing_state: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `born` is a date as a number, 19850300 for March 1985, 0 for nothing known."""

    list_name: str
    entry_id: str
    action: Action
    names: tuple[str, ...]
    born: int
    sex: str
    nationality: str
    documents: tuple[ListedDocument, ...]
    reason: str
    valid_from: date | None
    valid_until: date | None

    def canonical(self) -> bytes:
        """Return the one spelling of this entry: what is kept, and what the root of a list is made of."""
        return json.dumps(
            [
                self.list_name,
                self.entry_id,
                self.action,
                list(self.names),
                self.born,
                self.sex,
                self.nationality,
                [[document.number, document.issuing_state] for document in self.documents],
                self.reason,
                self.valid_from.isoformat() if self.valid_from else "",
                self.valid_until.isoformat() if self.valid_until else "",
            ],
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_canonical(cls, line: bytes) -> Entry:
        """Return an entry from its one spelling. Raises `WatchlistRefused`."""
        try:
            where, entry_id, action, names, born, sex, nationality, documents, reason, start, end = json.loads(line)
            return cls(
                str(where),
                str(entry_id),
                Action(action),
                tuple(map(str, names)),
                int(born),
                str(sex),
                str(nationality),
                tuple(ListedDocument(str(number), str(state)) for number, state in documents),
                str(reason),
                date.fromisoformat(start) if start else None,
                date.fromisoformat(end) if end else None,
            )
        except (ValueError, TypeError) as error:
            raise WatchlistRefused("a kept entry cannot be read") from error


@dataclass(frozen=True, slots=True)
class ListTerms:
    """A list by its name. `age_limit_h`: hours after which it proves nothing any more; None leaves that to the site."""

    name: str
    age_limit_h: float | None = None


def normalised(document_number: str) -> str:
    """Return a number as lists and documents compare: upper case, letters and digits only (fillers, blanks, hyphens vanish)."""
    return "".join(character for character in document_number.upper() if character.isalnum())


def normalised_state(issuing_state: str) -> str:
    """Return a state's code as lists and documents compare."""
    return issuing_state.upper().strip("< ")


def read_lists(body: Mapping[str, object]) -> Iterator[tuple[ListTerms, Iterator[Entry]]]:
    """Read every list of a body. Raises `WatchlistRefused`, which names the place; a body without `lists` is no empty watchlist."""
    lists = body.get("lists")
    if not isinstance(lists, list):
        raise WatchlistRefused("watchlist.lists: a list is expected")
    for place, listed in enumerate(lists):
        where = f"watchlist.lists[{place}]"
        if not isinstance(listed, Mapping) or not isinstance(listed.get("entries"), list):
            raise WatchlistRefused(f"{where}: a name and entries are expected")
        terms = read_terms(where, listed)
        yield (
            terms,
            (read_entry(f"{where}.entries[{at}]", terms.name, entry) for at, entry in enumerate(listed["entries"])),
        )


def read_terms(where: str, listed: Mapping[str, object]) -> ListTerms:
    """Read name and age limit of a list. Raises `WatchlistRefused`."""
    limit = listed.get("age_limit_h")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < 1e5):
        raise WatchlistRefused(f"{where}.age_limit_h: hours above zero are expected")
    return ListTerms(_text(f"{where}.name", listed.get("name")), limit if limit is None else float(limit))


def read_entry(where: str, list_name: str, entry: object) -> Entry:
    """Read one entry in either form. Raises `WatchlistRefused`, which names the place."""
    if not isinstance(entry, Mapping):
        raise WatchlistRefused(f"{where}: an entry is expected")
    unknown = sorted(str(name) for name in entry if name not in _KNOWN)
    if unknown:
        raise WatchlistRefused(f"{where}.{unknown[0]}: no entry has this")
    names = _names(f"{where}.names", entry.get("names"))
    documents = _documents(where, entry, needed=not names)
    sex = _optional(f"{where}.sex", entry.get("sex")).upper().strip("<")
    if sex not in _SEXES:
        raise WatchlistRefused(f"{where}.sex: M, F or X is expected")
    try:
        action = Action(entry.get("action") or Action.REFER)
    except ValueError as error:
        raise WatchlistRefused(f"{where}.action: stop, refer or inform is expected") from error
    first = _day(f"{where}.valid_from", entry.get("valid_from"))
    last = _day(f"{where}.valid_until", entry.get("valid_until"))
    if first is not None and last is not None and last < first:
        raise WatchlistRefused(f"{where}.valid_until: before valid_from")
    return Entry(
        list_name,
        _text(f"{where}.entry_id", entry.get("entry_id")),
        action,
        names,
        _born(f"{where}.date_of_birth", entry.get("date_of_birth")),
        sex,
        normalised_state(_optional(f"{where}.nationality", entry.get("nationality"))),
        documents,
        _optional(f"{where}.reason", entry.get("reason")),
        first,
        last,
    )


def _names(where: str, names: object) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list) or len(names) > MOST_NAMES:
        raise WatchlistRefused(f"{where}: a list of at most {MOST_NAMES} names is expected")
    return tuple(dict.fromkeys(_text(f"{where}[{place}]", name).strip() for place, name in enumerate(names)))


def _documents(where: str, entry: Mapping[str, object], *, needed: bool) -> tuple[ListedDocument, ...]:
    listed = entry.get("documents")
    if listed is None and "document_number" in entry:
        return (_document(where, "document_number", entry),)
    if listed is None or listed == []:
        if needed:
            raise WatchlistRefused(f"{where}.document_number: a document or a name is expected")
        return ()
    if not isinstance(listed, list) or len(listed) > MOST_NAMES:
        raise WatchlistRefused(f"{where}.documents: a list of at most {MOST_NAMES} documents is expected")
    return tuple(_document(f"{where}.documents[{place}]", "number", one) for place, one in enumerate(listed))


def _document(where: str, member: str, document: object) -> ListedDocument:
    if not isinstance(document, Mapping):
        raise WatchlistRefused(f"{where}: a number and an issuing state are expected")
    number = normalised(_text(f"{where}.{member}", document.get(member)))
    if not number:
        raise WatchlistRefused(f"{where}.{member}: letters or digits are expected")
    return ListedDocument(number, normalised_state(_optional(f"{where}.issuing_state", document.get("issuing_state"))))


def _born(where: str, text: object) -> int:
    match = _DATE.fullmatch(_optional(where, text))
    if match is None:
        if text in (None, ""):
            return 0
        raise WatchlistRefused(f"{where}: a date, a month (1985-03) or a year is expected")
    year, month, day = (int(part or 0) for part in match.groups())
    try:
        date(year, month or 1, day or 1)
    except ValueError as error:
        raise WatchlistRefused(f"{where}: there is no such day") from error
    return year * 10_000 + month * 100 + day


def _day(where: str, text: object) -> date | None:
    if text in (None, ""):
        return None
    try:
        return date.fromisoformat(_text(where, text))
    except ValueError as error:
        raise WatchlistRefused(f"{where}: a date is expected") from error


def _optional(where: str, value: object) -> str:
    if value is None or value == "":
        return ""
    return _text(where, value)


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        raise WatchlistRefused(f"{where}: a text of at most {LONGEST_TEXT} characters is expected")
    return value
