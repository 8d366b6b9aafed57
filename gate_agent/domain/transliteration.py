"""Written names in the letters of a machine readable zone (ICAO Doc 9303-3 §4.6 and §6): every spelling that an issuer may have chosen.

The standard recommends several spellings for some letters, and issuers differ. So a written name stands for a set of spellings, of which
one is recommended; whoever compares asks whether a zone holds any of them. A letter that stands in no table says nothing: it has no
spelling, and its name cannot be compared. Letters that the standard leaves out (Uzbek Cyrillic, Azerbaijani) have those seen in documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from types import MappingProxyType

FILLER = "<"
LONGEST_NAME_CHARACTERS = 256


class Alphabet(StrEnum):
    """How a name is written. Latin and Russian follow the standard's tables A and B; Uzbek has spellings of its own before them."""

    LATIN = "latin"
    UZBEK_LATIN = "uzbek_latin"
    RUSSIAN_CYRILLIC = "russian_cyrillic"
    UZBEK_CYRILLIC = "uzbek_cyrillic"


_LATIN = (
    "ÀÁÂÃĀĂĄ=A Ä=AE,A Å=AA,A Æ=AE ÇĆĈĊČ=C ÐĎĐ=D ÈÉÊËĒĔĖĘĚ=E ĜĞĠĢ=G ĤĦ=H ÌÍÎÏĨĪĬĮİ=I Ĳ=IJ Ĵ=J Ķ=K ĹĻĽĿŁ=L "
    "Ñ=N,NXX ŃŅŇŊ=N ÒÓÔÕŌŎŐ=O Ö=OE,O Ø=OE Œ=OE ŔŖŘ=R ŚŜŞŠ=S ŢŤŦ=T Þ=TH ÙÚÛŨŪŬŮŰŲ=U Ü=UE,UXX,U Ŵ=W ÝŶŸ=Y "
    "ŹŻŽ=Z ẞ=SS Ə=A,E"
)
"""Table A; `Ə` is left to the issuing state and met as either letter."""

_UZBEK_LATIN = "Oʻ=O Gʻ=G,GH Ö=O,OE Ğ=G,GH Ş=S,SH Ç=C,CH X=X,KH"
"""The alphabet in force and the one that follows it; `X` also as in an English rendering."""

_RUSSIAN = (
    "А=A Б=B В=V Г=G Д=D Е=E Ё=E Ж=ZH З=Z И=I Й=I К=K Л=L М=M Н=N О=O П=P Р=R С=S Т=T У=U Ф=F Х=KH Ц=TS Ч=CH "
    "Ш=SH Щ=SHCH Ъ=IE Ы=Y Ь= Э=E Ю=IU Я=IA"
)
"""Table B for Russian; the soft sign has no spelling there and vanishes."""

_UZBEK_CYRILLIC = "Е=E,YE Ё=YO,E Ж=J,ZH Й=Y,I Х=X,KH Ц=S,TS Ъ=,IE Ы=I,Y Ю=YU,IU Я=YA,IA Ў=O,U Қ=Q,K Ғ=G,GH Ҳ=H,KH"
"""As the Uzbek Latin alphabet writes it, then as the standard or Russian documents do."""

_VOWELS = frozenset("АЕЁИОУЭЮЯЎ")
_OPENS_YE = _VOWELS | {"Й", "Ъ", "Ь", FILLER}
_APOSTROPHES = "ʻʼʽʹ'‘’`´\uff07"
"""What people type for the Uzbek letters and the hard stop."""
_TURNED_COMMA = re.compile(f"([OG])[{_APOSTROPHES}]")


def _parsed(table: str) -> dict[str, tuple[str, ...]]:
    entries = [entry.partition("=") for entry in table.split()]
    two = {letters: tuple(spellings.split(",")) for letters, _, spellings in entries if letters.endswith("ʻ")}
    one = {
        letter: tuple(spellings.split(","))
        for letters, _, spellings in entries
        if letters not in two
        for letter in letters
    }
    return one | two


_BASIC = {chr(code): (chr(code),) for code in range(ord("A"), ord("Z") + 1)} | {"Oʻ": ("O",), "Gʻ": ("G",)}
TABLES: Mapping[Alphabet, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        Alphabet.LATIN: _BASIC | _parsed(_LATIN),
        Alphabet.UZBEK_LATIN: _BASIC | _parsed(_LATIN) | _parsed(_UZBEK_LATIN),
        Alphabet.RUSSIAN_CYRILLIC: _parsed(_RUSSIAN),
        Alphabet.UZBEK_CYRILLIC: _parsed(_RUSSIAN) | _parsed(_UZBEK_CYRILLIC),
    }
)
"""Spellings of each upper-case letter, the recommended one first."""


@dataclass(frozen=True, slots=True)
class WrittenName:
    """One name part, letter by letter: each with its spellings, a filler between components."""

    letters: tuple[tuple[str, ...], ...]

    @property
    def recommended(self) -> str:
        """The spelling of recommended letters."""
        return "".join(spellings[0] for spellings in self.letters)

    def spellings(self) -> Iterator[str]:
        """Yield every spelling, the recommended one first; long names have very many, and some of them come twice."""
        return ("".join(choice) for choice in product(*self.letters))

    def is_spelt(self, zone: str) -> bool:
        """Return whether a zone's text (components parted by fillers) is one of the spellings."""
        return len(zone) in self._ends(zone)[0]

    def is_cut_to(self, zone: str) -> bool:
        """Return whether a zone's text is the beginning of a spelling."""
        ends, runs_past = self._ends(zone)
        return runs_past or len(zone) in ends

    def begins(self, zone: str) -> bool:
        """Return whether a spelling is the beginning of a zone's text."""
        return bool(self._ends(zone)[0])

    def components(self) -> tuple[WrittenName, ...]:
        """Return the components between the fillers."""
        found: list[list[tuple[str, ...]]] = [[]]
        for letter in self.letters:
            if letter == (FILLER,):
                found.append([])
            else:
                found[-1].append(letter)
        return tuple(WrittenName(tuple(letters)) for letters in found)

    def _ends(self, zone: str) -> tuple[set[int], bool]:
        """Return where in the zone spellings of the whole name end, and whether the zone ended before some spelling did."""
        places, runs_past = {0}, False
        for letter in self.letters:
            runs_past = runs_past or any(
                spelling.startswith(zone[place:]) for place in places for spelling in letter if spelling
            )
            places = {place + len(one) for place in places for one in letter if zone.startswith(one, place)}
        return places, runs_past


def read_name(text: str, alphabets: Sequence[Alphabet] = tuple(Alphabet)) -> WrittenName | None:
    """Read a written name in any of `alphabets`, the first that knows a letter giving its recommended spelling.

    Case does not matter. Hyphens, commas, blanks and fillers part components; apostrophes and other punctuation vanish (9303-3 §4.6).
    None: a letter stands in none of the tables, or the text is longer than any name.
    """
    if len(text) > LONGEST_NAME_CHARACTERS:
        return None
    letters: list[tuple[str, ...]] = []
    before = FILLER
    for letter in _units(text):
        if letter == FILLER:
            if letters and letters[-1] != (FILLER,):
                letters.append((FILLER,))
        elif (spellings := _spellings(letter, before, alphabets)) is not None:
            letters.append(spellings)
        else:
            return None
        before = letter
    while letters and letters[-1] == (FILLER,):
        letters.pop()
    return WrittenName(tuple(letters))


def _units(text: str) -> Iterator[str]:
    """Yield letters in upper case and fillers; what vanishes is left out, `Oʻ` and `Gʻ` are letters."""
    upper = unicodedata.normalize("NFC", text.upper())
    at = 0
    while at < len(upper):
        pair = _TURNED_COMMA.match(upper, at)
        if pair is not None:
            yield pair[1] + "ʻ"
            at = pair.end()
            continue
        character = upper[at]
        at += 1
        category = unicodedata.category(character)
        if character in (FILLER, ",") or character.isspace() or category == "Pd":
            yield FILLER
        elif character not in _APOSTROPHES and category[0] not in "PM" and category not in ("Sk", "Lm", "Cf"):
            yield character


def _spellings(letter: str, before: str, alphabets: Sequence[Alphabet]) -> tuple[str, ...] | None:
    found: dict[str, None] = {}
    for alphabet in alphabets:
        spellings = TABLES[alphabet].get(letter, ())
        if alphabet is Alphabet.UZBEK_CYRILLIC and _is_second_better(letter, before):
            spellings = spellings[::-1]
        found |= dict.fromkeys(spellings)
    if found:
        return tuple(found)
    bare = unicodedata.normalize("NFD", letter)[0]
    is_accented = bare != letter and any(bare in TABLES[alphabet] for alphabet in alphabets)
    return (bare,) if is_accented and bare.isascii() else None


def _is_second_better(letter: str, before: str) -> bool:
    """Return whether the Uzbek spelling of this letter is its second one here: a ye that opens a syllable, a ts after a vowel."""
    return (letter == "Е" and before in _OPENS_YE) or (letter == "Ц" and before in _VOWELS)
