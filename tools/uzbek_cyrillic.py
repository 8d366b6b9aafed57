"""Uzbek in Cyrillic letters, derived from the Latin: `python tools/texts.py derive` writes the uz-Cyrl catalogues with it.

Letters follow the correspondence of the two alphabets (law of 2 September 1993, spelling rules of 24 August 1995). What Latin spelling no
longer shows, `ц` and the soft sign of loan words, comes from `_LOANS`; so a new loan word with either needs a line there.

Left as they are: `{places}`, abbreviations in capitals, words with digits, file names and what stands in `_FOREIGN`.
"""

from __future__ import annotations

import re

_FOREIGN = frozenset(
    [
        "allow",
        "check",
        "config",
        "connections",
        "device",
        "devices",
        "doctor",
        "field",
        "lock",
        "pcsc",
        "pcscd",
        "protocol",
        "recordings",
        "requirements",
        "scanimage",
        "upsc",
        "voice",
        "wav",
        "egate",
        "espeak-ng",
        "telegram",
    ]
)
"""Names of programs, files and settings: written as they are typed."""

_LOANS = {
    "abonent": "абонент", "albom": "альбом", "alkogol": "алкоголь", "aprel": "апрель", "avtomobil": "автомобиль", "dekabr": "декабрь",
    "detal": "деталь", "dollar": "доллар", "fakultet": "факультет", "fevral": "февраль", "filtr": "фильтр", "iyul": "июль", "iyun": "июнь",
    "kabel": "кабель", "kalibr": "калибр", "konsol": "консоль", "kontrol": "контроль", "konsert": "концерт", "kvitansiya": "квитанция",
    "lisenziya": "лицензия", "litsenziya": "лицензия", "mebel": "мебель", "mobil": "мобиль", "model": "модель", "modul": "модуль",
    "noyabr": "ноябрь", "obyekt": "объект", "ofitser": "офицер", "oktabr": "октябрь", "palto": "пальто", "parol": "пароль",
    "pechat": "печать", "politsiya": "полиция", "profil": "профиль", "protsent": "процент", "pult": "пульт", "rol": "роль",
    "sentabr": "сентябрь", "signal": "сигнал", "sirk": "цирк", "subyekt": "субъект", "yanvar": "январь",
}  # fmt: skip
"""Beginnings of words; what follows is spelt by the rules, and a soft sign at the end falls away before it."""
_BY_LENGTH = sorted(_LOANS, key=len, reverse=True)
_PAIRS = {
    "yoʻ": "йў", "oʻ": "ў", "gʻ": "ғ", "sʼh": "сҳ", "tsiya": "ция", "ksiya": "кция", "sh": "ш", "ch": "ч", "yo": "ё", "yu": "ю", "ya": "я",
    "ye": "е", "ʼ": "ъ",
}  # fmt: skip
_LETTERS = dict(zip("abdfghijklmnopqrstuvxyz", "абдфгҳижклмнопқрстувхйз", strict=True))
_VOWELS = frozenset("aeiouʻ")
_WORD = re.compile(r"\{[^}]*\}|[A-Za-z.]*\d[\w.]*|[A-Za-z_/-]+[._][A-Za-z_./-]+|[A-Za-zʻʼ]+")


def cyrillic(text: str) -> str:
    """Return Uzbek text in Cyrillic letters."""
    return _WORD.sub(lambda found: _word(found.group()), text)


def _word(word: str) -> str:
    if word.startswith("AQSH"):
        return "АҚШ" + _spelt(word[4:].lower())
    is_name = re.search(r"[{}_/.0-9]", word) is not None or word.lower() in _FOREIGN
    if is_name or re.match(r"[A-Z][A-Z]+\Z", word) or re.match(r"[WwCc](?![hH])", word):
        return word
    abbreviation = re.match(r"[A-Z]{2,}(?=[a-z])", word)
    if abbreviation:  # with an ending behind it
        return abbreviation.group() + _spelt(word[abbreviation.end() :])
    spelt = _spelt(word.lower())
    return spelt[:1].upper() + spelt[1:] if word[:1].isupper() else spelt


def _spelt(word: str) -> str:
    for beginning in _BY_LENGTH:
        if word.startswith(beginning):
            rest, loan = word[len(beginning) :], _LOANS[beginning]
            return (loan.removesuffix("ь") if rest else loan) + _letters(rest, after=beginning[-1])
    return _letters(word, after="")


def _letters(word: str, after: str) -> str:
    written = ""
    place = 0
    while place < len(word):
        pair = next((pair for pair in _PAIRS if word.startswith(pair, place)), "")
        if pair:
            written += _PAIRS[pair]
            place += len(pair)
            continue
        letter = word[place]
        before = word[place - 1] if place else after
        written += ("э" if not before or before in _VOWELS else "е") if letter == "e" else _LETTERS.get(letter, letter)
        place += 1
    return written
