"""Who on a list a traveller may be: the order of GTAS QuickMatch, over folded names and with birth dates that may be partial.

| kind | condition | score |
|---|---|---|
| exact | folded names and whole birth dates equal | 1.0 |
| sound | every name sounds the same, Jaro-Winkler >= 0.95, birth years differ by at most 3 | 0.9 |
| spelling | Jaro-Winkler >= 0.95 and the very same birth date | 0.8 |
| sound_and_date | every name sounds the same, Jaro-Winkler >= 0.75, whole birth dates equal (ours) | 0.7 |

Of partial dates the parts that both sides have are compared; a missing date rules nobody out of `sound`, and proves nothing for
`spelling`, which needs a year in common. Sexes that contradict each other rule out everything but `exact`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from gate_agent.inspection.watchlist_index import Index, as_number, key_of
from gate_agent.inspection.watchlist_names import WEAK_BYTES, FoldedName
from gate_agent.inspection.watchlist_scores import Floats, Rows, close_to

YEARS_APART = 3
ALIKE = 0.95
ALIKE_ON_ONE_DAY = 0.75
_WEAK = np.frombuffer(WEAK_BYTES, dtype=np.uint8)
_YEAR, _MONTH = 10_000, 100


class MatchKind(StrEnum):
    """How an entry was found."""

    DOCUMENT = "document"
    EXACT = "exact"
    SOUND = "sound"
    SPELLING = "spelling"
    SOUND_AND_DATE = "sound_and_date"


SCORES = {
    MatchKind.DOCUMENT: 1.0,
    MatchKind.EXACT: 1.0,
    MatchKind.SOUND: 0.9,
    MatchKind.SPELLING: 0.8,
    MatchKind.SOUND_AND_DATE: 0.7,
}


@dataclass(frozen=True, slots=True)
class Sought:
    """What is known of a traveller: ways to compare his name, birth date as a number (0 where a part is unknown), sex or nothing."""

    names: tuple[FoldedName, ...]
    born: int
    sex: str


def born_of(known: date | None, six: str, today: date) -> int:
    """Return a birth date of a machine readable zone as a number. `six`: its characters, fillers where a part is unknown.

    The century is the latest that is not in the future; a month without its year says nothing.
    """
    if known is not None:
        return as_number(known)
    if not six[:2].isdecimal():
        return 0
    year = today.year - (today.year - int(six[:2])) % 100
    month = int(six[2:4]) if six[2:4].isdecimal() and 1 <= int(six[2:4]) <= 12 else 0
    day = int(six[4:6]) if month and six[4:6].isdecimal() and 1 <= int(six[4:6]) <= 31 else 0
    return year * _YEAR + month * _MONTH + day


def matches(index: Index, sought: Sought, years_apart: int = YEARS_APART) -> dict[int, tuple[MatchKind, float]]:
    """Return the entries that a traveller may be, each with its best kind and the Jaro-Winkler score.

    `years_apart`: so far may birth years differ where names sound the same.
    """
    found: dict[int, tuple[MatchKind, float]] = {}
    columns = index.columns
    for name in sought.names:
        sounding = _sounding(index, name.sound, sought.born, years_apart)
        alike_rows = set(sounding.tolist())
        rows = np.union1d(sounding, _of_the_day(index, sought.born))
        may_be_less = np.isin(rows, sounding) & (columns["row_born"][rows] == sought.born)
        for row, score in _alike(index, name, rows, np.where(may_be_less, ALIKE_ON_ONE_DAY, ALIKE)):
            entry = int(columns["row_entry"][row])
            kind = _kind(
                is_same_name=_strong(index, row) == name.strong,
                is_sounding=row in alike_rows,
                years_apart=years_apart,
                score=score,
                dates=(sought.born, int(columns["row_born"][row])),
                is_other_sex=_contradicts(sought.sex, int(columns["entry_sex"][entry])),
            )
            if kind is not None and (entry not in found or SCORES[kind] > SCORES[found[entry][0]]):
                found[entry] = (kind, score)
    return found


def _kind(
    *,
    is_same_name: bool,
    is_sounding: bool,
    years_apart: int,
    score: float,
    dates: tuple[int, int],
    is_other_sex: bool,
) -> MatchKind | None:
    is_one_day = dates[0] == dates[1] and dates[0] % _MONTH > 0
    if is_same_name and is_one_day:
        return MatchKind.EXACT
    if is_other_sex:
        return None
    if is_sounding and score >= ALIKE and _are_near(*dates, years_apart):
        return MatchKind.SOUND
    if score >= ALIKE and _agree(*dates):
        return MatchKind.SPELLING
    return MatchKind.SOUND_AND_DATE if is_sounding and is_one_day else None


def _are_near(one: int, other: int, years_apart: int) -> bool:
    return not one or not other or abs(one // _YEAR - other // _YEAR) <= years_apart


def _agree(one: int, other: int) -> bool:
    """Return whether two dates are the same in every part that both have, a year at least."""
    if not one or not other:
        return False
    if one // _YEAR != other // _YEAR:
        return False
    months, days = (one // _MONTH % 100, other // _MONTH % 100), (one % _MONTH, other % _MONTH)
    return (months[0] == months[1] or not all(months)) and (days[0] == days[1] or not all(days))


def _contradicts(one: str, other: int) -> bool:
    return one in ("M", "F") and chr(other) in ("M", "F") and one != chr(other)


def _sounding(index: Index, sound: str, born: int, years_apart: int) -> Rows:
    """Return the rows that sound like this and whose birth year is near, or not known."""
    keys, key = index.columns["sound_key"], np.uint64(key_of(sound))
    start, end = int(np.searchsorted(keys, key, "left")), int(np.searchsorted(keys, key, "right"))
    rows: Rows = index.columns["sound_row"][start:end]
    if not born or not len(rows):
        return rows
    year = born // _YEAR
    dates = index.columns["row_born"]
    undated = _place(dates, _YEAR)
    first, last = _place(dates, (year - years_apart) * _YEAR), _place(dates, (year + years_apart + 1) * _YEAR)
    low, high = np.searchsorted(rows, (first, last)).tolist()
    kept: Rows = np.concatenate((rows[: int(np.searchsorted(rows, undated))], rows[low:high]))
    return kept


def _of_the_day(index: Index, born: int) -> Rows:
    """Return the rows whose birth date is this one in every part that both have."""
    if not born:
        return np.empty(0, dtype=np.uint32)
    year, month, day = born // _YEAR, born // _MONTH % 100, born % _MONTH
    if not month:
        spans = [(year * _YEAR, (year + 1) * _YEAR)]
    else:
        of_month = year * _YEAR + month * _MONTH
        whole = (born, born + 1) if day else (of_month, of_month + _MONTH)
        spans = [(year * _YEAR, year * _YEAR + 1), (of_month, of_month + 1), whole]
    dates = index.columns["row_born"]
    places = [(_place(dates, first), _place(dates, last)) for first, last in dict.fromkeys(spans)]
    return np.concatenate([np.arange(first, last, dtype=np.uint32) for first, last in places])


def _place(dates: Rows, born: int) -> int:
    return int(np.searchsorted(dates, np.uint32(max(born, 0))))


def _alike(index: Index, name: FoldedName, rows: Rows, thresholds: Floats) -> Iterator[tuple[int, float]]:
    """Yield the rows whose weak form is alike enough, each by its own threshold, with the score."""
    if not len(rows):
        return
    columns = index.columns
    lengths = columns["row_length"][rows]
    places = columns["row_start"][rows].astype(np.int64)[:, None] + np.arange(int(lengths.max()))
    np.minimum(places, len(columns["letters"]) - 1, out=places)
    letters = _WEAK[columns["letters"][places]]
    letters[np.arange(letters.shape[1]) >= lengths[:, None]] = 0
    asked = name.weak.encode("ascii", "replace")
    for at, score in close_to(asked, letters, lengths, thresholds).items():
        yield int(rows[at]), score


def _strong(index: Index, row: int) -> str:
    start = int(index.columns["row_start"][row])
    text = index.columns["letters"][start : start + int(index.columns["row_length"][row])]
    return text.tobytes().decode("ascii", "replace")
