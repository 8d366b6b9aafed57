"""Numbers, amounts, masses, dates and times as people of each language write them.

How a language writes them is data, `locale/formats.json`, made from the CLDR by `tools/cldr_formats.py`. Dates name the month, for 04/08 is
two days; amounts have their ISO 4217 code behind them as in the forms, the national currency its own name where the language has one.
No-break spaces keep each on one line. Formats of an unknown language, such as the pseudo-locale, are the English ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from types import MappingProxyType

from gate_agent.domain.money import Money, minor_digits, read_plain
from gate_agent.web.languages import FACTS

_NO_BREAK = "\u00a0"
_ASCII_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class LanguageFormats:
    """One language's ways of writing; patterns are Python's."""

    months: tuple[str, ...]
    day: str
    time: str
    minute: str
    decimal: str
    group: str
    digits: str
    kilogram: str
    currencies: Mapping[str, str]


def _read() -> Mapping[str, LanguageFormats]:
    tables = json.loads((Path(__file__).parent / "locale" / "formats.json").read_text(encoding="utf-8"))
    assert tables.keys() == FACTS.keys()
    return MappingProxyType(
        {
            language: LanguageFormats(**{**table, "months": tuple(table["months"])})  # the names are the data file's
            for language, table in tables.items()
        }
    )


_FORMATS = _read()


def _of(language: str) -> LanguageFormats:
    return _FORMATS.get(language, _FORMATS["en"])


def digits_text(text: str, language: str) -> str:
    """Return ASCII digits in `text` as the digits of the language. Not for document numbers and references, which stay as printed."""
    return text.translate(str.maketrans(_ASCII_DIGITS, _of(language).digits))


def number_text(scaled: int, decimals: int, language: str, *, least_decimals: int = 0) -> str:
    """Return `scaled` (not negative) / 10^`decimals`, grouped by thousands, with as many decimals as it has, at least `least_decimals` if it has any."""
    formats = _of(language)
    whole, fraction = divmod(scaled, 10**decimals)
    text = f"{whole:,}".replace(",", formats.group)
    if fraction:
        text += formats.decimal + f"{fraction:0{decimals}d}".rstrip("0").ljust(least_decimals, "0")
    return digits_text(text, language)


def money_text(money: Money, language: str) -> str:
    """Return an amount with its currency, a whole one without a fraction: `1,200.50 USD` in English, `1 200,50 USD` in Russian."""
    digits = minor_digits(money.currency)
    number = number_text(money.amount_minor, digits, language, least_decimals=digits)
    return f"{number}{_NO_BREAK}{_of(language).currencies.get(money.currency, money.currency)}"


def mass_text(mass_g: int, language: str) -> str:
    """Return a mass in kilograms."""
    return _of(language).kilogram.format(number=number_text(mass_g, 3, language))


def kilogram_text(language: str) -> str:
    """Return the sign of the kilogram."""
    return _of(language).kilogram.format(number="").strip()


def day_text(day: date, language: str) -> str:
    """Return a date of the Gregorian calendar with the month's name."""
    formats = _of(language)
    text = formats.day.format(y=day.year, number=day.month, d=day.day, month=formats.months[day.month - 1])
    return digits_text(text, language)


def time_text(moment: time, language: str) -> str:
    """Return a time of day, of 24 hours."""
    return digits_text(_of(language).time.format(h=moment.hour, m=moment.minute), language)


def minute_text(instant: datetime, language: str) -> str:
    """Return day and minute, in the zone that `instant` has."""
    return _of(language).minute.format(day=day_text(instant.date(), language), time=time_text(instant.time(), language))


def value_text(value: str, language: str) -> str:
    """Return an ISO 8601 date or a plain amount (`domain.money`) as the language writes it, any other value as it is."""
    try:
        return day_text(date.fromisoformat(value), language)
    except ValueError:
        return amount_text(value, language)


def amount_text(value: str, language: str) -> str:
    """Return a plain amount (`domain.money`) as the language writes it, any other value as it is."""
    amount = read_plain(value)
    return value if amount is None else money_text(amount, language)
