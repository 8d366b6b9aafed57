"""Names folded for comparison: what one name is written as in Latin, Cyrillic, Russian spelling and a machine readable zone becomes one text.

Two forms of the same length. The strong one keeps every vowel; the weak one, made letter by letter from it, merges O, U and A, and F
with P. Beside them stands a sound key for each name, in the manner of Double Metaphone: what stays of the consonants. Patronymics
are left out on both sides, endings of family names are those of a man, and further given names are optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from gate_agent.domain.transliteration import FILLER, read_name

FOLDING = 1
"""Version of these rules: an index made by other ones is of no use."""

LONGEST_FOLDED = 64
_MOST_SPELLINGS = 24
_MOST_VARIANTS = 6

_PARTS = re.compile(r"<<|\s{2,}|,")
_PLAIN = re.compile(r"[A-Z<]*")
_INNER_X = re.compile(r"(?<=[A-Z])X(?!X)")
_EMPTIED = frozenset({"UNKNOWN", "OTHER", "NA", "?", "_", "NONE", "UNK"})
"""What lists write for an unknown name (GTAS)."""
_OTHER_CYRILLIC = str.maketrans("ҶӢӮӘӨҮҰҢІҺЇЄҒҚҲЎӀҝ", "ЖИУАОУУНИХИЕГКХО-к")
_STEPS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"SHCH|SCH", "SH"),
        (r"DZH|ZH|DJ", "J"),
        (r"KH", "H"),
        (r"GH", "G"),
        (r"PH", "F"),
        (r"CH", "1"),
        (r"SH", "2"),
        (r"TS", "S"),
        (r"CK|[CQ]", "K"),
        (r"X", "H"),
        (r"W", "V"),
        (r"Y", "I"),
        (r"(.)\1+", r"\1"),
        (r"IE", "E"),
    )
)
_ENDING = re.compile(r"(?<=.)(OVA|EVA|SKAIA|SKOI|SKI)$")
_ENDINGS = {"OVA": "OV", "EVA": "EV", "SKAIA": "SKI", "SKOI": "SKI", "SKI": "SKI"}
_PATRONYMIC = re.compile(r"..+(OVI1|EVI1|OVNA|EVNA|I1NA)$")
_CHILD_OF = frozenset({"OGLI", "UGLI", "OGLU", "KIZI", "KIZ", "UGLU", "OGIL", "UULU", "ULI"})

_WEAK = str.maketrans("OUF", "AAP")
WEAK_BYTES = bytes(range(256)).translate(bytes.maketrans(b"OUF", b"AAP"))
"""The weak form of folded bytes, by table."""
_SOUND = str.maketrans("BFPVDTGKZS", "PPPFTTKKSS", "AEIOU")


@dataclass(frozen=True, slots=True)
class FoldedName:
    """One way to compare a name: strong form `PRIMARY GIVEN` and the key of its sounds, the same for either order of the two."""

    strong: str
    sound: str

    @property
    def weak(self) -> str:
        """The form in which vowels count less."""
        return self.strong.translate(_WEAK)


@lru_cache(maxsize=1 << 17)
def fold(part: str) -> str:
    """Return one word of Latin capitals folded, its family ending that of a man."""
    for pattern, replacement in _STEPS:
        part = pattern.sub(replacement, part)
    return _ENDING.sub(lambda match: _ENDINGS[match[0]], part)


@lru_cache(maxsize=1 << 17)
def sound_of(folded: str) -> str:
    """Return what a folded word sounds like: its consonants in classes, and whether it begins with a vowel."""
    opening = "A" if folded[:1] in "AEIOU" else ""
    sounds = folded.translate(_SOUND)
    return opening + re.sub(r"(.)\1+", r"\1", sounds)


def folded_names(primary: str, secondary: str) -> tuple[FoldedName, ...]:
    """Return the ways to compare a name in two identifiers; empty for one without a readable letter.

    Letters that issuers write in several ways (Ş, Ç, Ä, Ё, X) give several ways; so do further given names and double ones.
    """
    found: dict[FoldedName, None] = {}
    for first in _readings(primary):
        for second in _readings(secondary):
            for folded in _combined(first, second):
                found.setdefault(folded)
                if len(found) == _MOST_VARIANTS:
                    return tuple(found)
    return tuple(found)


def folded_spelling(name: str) -> tuple[FoldedName, ...]:
    """Return the ways to compare a listed spelling.

    `<<`, a comma or two blanks part family name and given names. Without them nobody says which comes first: both orders count.
    """
    parts = _PARTS.split(name.strip(), maxsplit=1)
    if len(parts) == 2:
        return folded_names(parts[0], parts[1])
    words = name.replace(FILLER, " ").split()
    if len(words) < 2:
        return folded_names(name, "")
    found: dict[FoldedName, None] = {}
    for order in ((words[0], words[1:]), (words[-1], words[:-1])):
        for folded in folded_names(order[0], " ".join(order[1])):
            found.setdefault(folded)
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def _readings(identifier: str) -> tuple[tuple[str, ...], ...]:
    """Return the folded words of one identifier, in each way that its letters are read; one empty reading for nothing."""
    upper = identifier.upper().strip()
    if not upper.strip("< ") or upper in _EMPTIED:
        return ((),)
    spelt = upper.replace(" ", FILLER)
    plain = (spelt,) if _PLAIN.fullmatch(spelt) else tuple(_spellings(upper))
    readings: dict[tuple[str, ...], None] = {}
    for one in plain:
        for variant in dict.fromkeys((one, _INNER_X.sub("KS", one))):
            readings.setdefault(tuple(fold(word) for word in variant.split(FILLER) if word))
    return tuple(islice(readings, _MOST_VARIANTS)) or ((),)


def _spellings(upper: str) -> Iterator[str]:
    written = read_name(upper) or read_name(upper.translate(_OTHER_CYRILLIC))
    return iter(()) if written is None else islice(written.spellings(), _MOST_SPELLINGS)


def _combined(first: tuple[str, ...], second: tuple[str, ...]) -> Iterator[FoldedName]:
    primary = "".join(_without_patronymic(first))
    given = _without_patronymic(second)
    if not primary:
        primary, given = "".join(given), ()
    if not primary:
        return
    for chosen in dict.fromkeys((given[0], "".join(given))) if given else ("",):
        strong = f"{primary} {chosen}".strip()[:LONGEST_FOLDED]
        yield FoldedName(strong, "/".join(sorted(sound_of(word) for word in (primary, chosen) if word)))


def _without_patronymic(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words but for patronymics; those that are all there is stay."""
    kept: list[str] = []
    for place, word in enumerate(words):
        if word in _CHILD_OF:
            if len(kept) > 1 or (kept and place > 1):
                kept.pop()
        elif not (kept and _PATRONYMIC.fullmatch(word)):
            kept.append(word)
    return tuple(kept) or words
