"""Write gate_agent/web/locale/formats.json: how each language writes numbers, dates and times, from the CLDR as Babel has it.

Usage: python tools/cldr_formats.py [-]      (`-` prints instead of writing)

The gate reads the file and not Babel: no rule of writing changes on a gate unless somebody sees it change here. Where the CLDR is thin
or not what travellers are used to, `_OWN` says so and why. Tests compare the file and what is made of it with Babel.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from babel import Locale
from babel.units import format_unit

TARGET = Path(__file__).resolve().parents[1] / "gate_agent" / "web" / "locale" / "formats.json"

LOCALES = {
    "uz-Latn": "uz_Latn", "uz-Cyrl": "uz_Cyrl", "kaa-Latn": "kaa_Latn", "ru": "ru", "en": "en_GB", "tg": "tg", "ky": "ky", "kk": "kk",
    "fa-AF": "fa_AF", "zh-Hans": "zh_Hans",
}  # fmt: skip
"""The CLDR's names; English as outside of the United States, day before month."""

_LOCAL_DIGITS = {"arabext": "۰۱۲۳۴۵۶۷۸۹", "latn": "0123456789"}
_NATIONAL = "UZS"

_OWN: dict[str, dict[str, Any]] = {
    "kaa-Latn": {  # the CLDR has "M08" for a month and 1,234.5 for a number: names of the alphabet of 2016, numbers as all around it
        "months": [
            "yanvar", "fevral", "mart", "aprel", "may", "iyun", "iyul", "avgust", "sentyabr", "oktyabr", "noyabr", "dekabr",
        ],
        "day": "{y}-jıl {d}-{month}",
        "minute": "{day}, {time}",
        "decimal": ",",
        "group": "\u00a0",
        "kilogram": "{number}\u00a0kg",
    },
    "tg": {  # the CLDR has month names with a capital letter, 04 for a 4th and kg in Latin letters: Tajik has none of these
        "months": ["январ", "феврал", "март", "апрел", "май", "июн", "июл", "август", "сентябр", "октябр", "ноябр", "декабр"],
        "day": "{d} {month} {y}",
        "kilogram": "{number}\u00a0кг",
    },
}  # fmt: skip


def language_formats(language: str) -> dict[str, Any]:
    """Return one language's entry."""
    locale = Locale.parse(LOCALES[language])
    system = locale.default_numbering_system if locale.default_numbering_system in _LOCAL_DIGITS else "latn"
    symbols = locale.number_symbols.get(system) or locale.number_symbols["latn"]
    symbol = locale.currency_symbols.get(_NATIONAL, _NATIONAL)
    entry = {
        "months": [locale.months["format"]["wide"][month] for month in range(1, 13)],
        "day": _pattern(locale.date_formats["long"].pattern),
        "time": _pattern(locale.time_formats["short"].pattern),
        "minute": str(locale.datetime_formats["medium"]).replace("{1}", "{day}").replace("{0}", "{time}"),
        "decimal": symbols["decimal"],
        "group": symbols["group"],
        "digits": _LOCAL_DIGITS[system],
        "kilogram": format_unit(0, "mass-kilogram", "short", locale=locale)
        .replace("0", "{number}")
        .replace(" ", "\u00a0"),
        "currencies": {} if re.fullmatch("[A-Z]+", symbol) else {_NATIONAL: symbol},
    }
    return entry | _OWN.get(language, {})


_FIELDS = {
    "d": "{d}",
    "dd": "{d:02}",
    "MMMM": "{month}",
    "M": "{number}",
    "y": "{y}",
    "HH": "{h:02}",
    "H": "{h}",
    "mm": "{m:02}",
}


def _pattern(pattern: str) -> str:
    """Return a CLDR pattern as one of Python's. Raises `KeyError` for a field that no language of ours had so far."""
    parts = re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", pattern)
    return "".join(quoted or (_FIELDS[letters] if letters else between) for quoted, letters, between in parts)


def whole() -> str:
    """Return the file's text."""
    return json.dumps({one: language_formats(one) for one in LOCALES}, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write or print."""
    if sys.argv[1:] == ["-"]:
        print(whole(), end="")
    else:
        TARGET.write_text(whole(), encoding="utf-8")


if __name__ == "__main__":
    main()
