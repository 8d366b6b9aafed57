"""Fictitious people in the manner of Central Asia, seeded: how names, dates and documents of long lists are spread."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

from gate_agent.inspection.watchlist_entries import Action, Entry, ListedDocument

_FAMILY_ROOTS = [
    "Karim",
    "Yusup",
    "Rahim",
    "Yoʻldosh",
    "Abdulla",
    "Ahmed",
    "Ibrohim",
    "Ismoil",
    "Mirzo",
    "Sobir",
    "Tursun",
    "Umar",
    "Hakim",
    "Sodiq",
    "Qodir",
    "Gʻafur",
    "Nazar",
    "Olim",
    "Safar",
    "Toshmat",
    "Ergash",
    "Haydar",
    "Jabbor",
    "Komil",
    "Latif",
    "Mahmud",
    "Niyoz",
    "Orif",
    "Pulat",
    "Qurbon",
    "Rustam",
    "Salim",
    "Temir",
    "Usmon",
    "Valij",
    "Xudoyberd",
    "Zokir",
    "Shomurod",
    "Choriy",
    "Bobo",
]
_OPENINGS = [
    "Al",
    "Bek",
    "Dil",
    "Er",
    "Far",
    "Gul",
    "Has",
    "Is",
    "Jam",
    "Ka",
    "La",
    "Mir",
    "Nor",
    "Ol",
    "Par",
    "Qo",
    "Ra",
    "Sar",
    "To",
    "Ul",
    "Vos",
    "Xur",
    "Yor",
    "Za",
    "Sher",
    "Choʻl",
    "Oʻk",
    "Gʻay",
]
_MIDDLES = ["a", "i", "u", "o", "e", "ma", "bo", "di", "ra", "sha", "qi", "lo", "ni", "zo"]
_ENDINGS = [
    "mat",
    "bek",
    "jon",
    "xon",
    "murod",
    "iddin",
    "ullo",
    "yor",
    "nor",
    "tam",
    "rat",
    "sur",
    "shid",
    "boy",
    "dor",
    "man",
]
_WOMEN = ["zoda", "xon", "oy", "gul", "noz", "bonu", "niso", "ra"]
_FIRST_DAY = date(1940, 1, 1)
_DAYS = 25_000


def _weighted(count: int) -> list[float]:
    return [1.0 / (place + 8) for place in range(count)]


class Population:
    """People drawn from a seed. Frequent names are frequent: about one in sixty people has the first of the 15,000 family names."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        draw = self._random.choice
        made = {f"{root}{end}" for root in _FAMILY_ROOTS for end in ("ov", "yev")}
        while len(made) < 15_000:
            made.add(f"{draw(_OPENINGS)}{draw(_MIDDLES)}{draw(_ENDINGS)}{draw(('ov', 'yev', 'iy', 'zoda'))}")
        self.family = sorted(made)
        given = set()
        while len(given) < 4_000:
            given.add(f"{draw(_OPENINGS)}{draw(_MIDDLES)}{draw((*_ENDINGS, *_WOMEN))}")
        self.given = sorted(given)
        self._random.shuffle(self.family)
        self._random.shuffle(self.given)
        self._family_weights = _cumulated(_weighted(len(self.family)))
        self._given_weights = _cumulated(_weighted(len(self.given)))

    def name(self) -> tuple[str, str]:
        """Return family name and given name."""
        family = self._random.choices(self.family, cum_weights=self._family_weights)[0]
        given = self._random.choices(self.given, cum_weights=self._given_weights)[0]
        return family, given

    def born(self) -> date:
        return _FIRST_DAY + timedelta(days=self._random.randrange(_DAYS))

    def entries(self, count: int, list_name: str = "fictitious") -> Iterator[Entry]:
        """Yield entries: one in 12 knows the year only, one in 50 no date, one in 5 a second spelling, three in 5 a document."""
        chance = self._random.random
        for number in range(count):
            family, given = self.name()
            day = self.born()
            born = day.year * 10_000 + day.month * 100 + day.day
            share = chance()
            if share < 0.02:
                born = 0
            elif share < 0.1:
                born = day.year * 10_000
            names = [f"{family}, {given}"]
            if chance() < 0.2:
                names.append(f"{family} {given}")
            documents = (ListedDocument(f"UT{number:07}", "UTO"),) if chance() < 0.6 else ()
            yield Entry(
                list_name, f"F-{number}", Action.REFER, tuple(names), born, "M" if chance() < 0.7 else "F", "UTO",
                documents, "fictitious", None, None,
            )  # fmt: skip


def _cumulated(weights: list[float]) -> list[float]:
    total, found = 0.0, []
    for weight in weights:
        total += weight
        found.append(total)
    return found
