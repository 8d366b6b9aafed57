"""Amounts as people of each language read them; no-break spaces keep them on one line."""

from __future__ import annotations

from datetime import date, datetime

from gate_agent.domain.money import Money
from gate_agent.web.portal.entry import CURRENCIES_WITHOUT_MINOR_UNIT

_NO_BREAK = "\u00a0"


def money_text(money: Money, language: str) -> str:
    """Return `1,200.50 USD` in English, `1 200,50 USD` in Russian and Uzbek; whole amounts without a fraction."""
    minor_per_unit = 1 if money.currency in CURRENCIES_WITHOUT_MINOR_UNIT else 100
    whole, fraction = divmod(money.amount_minor, minor_per_unit)
    text = _grouped(whole, language)
    if fraction:
        text += ("." if language == "en" else ",") + f"{fraction:02d}"
    return f"{text}{_NO_BREAK}{money.currency}"


def mass_text(mass_g: int, language: str) -> str:
    """Return a mass in kilograms with as many decimals as it has."""
    whole, fraction = divmod(mass_g, 1000)
    text = _grouped(whole, language)
    if fraction:
        text += ("." if language == "en" else ",") + f"{fraction:03d}".rstrip("0")
    return f"{text}{_NO_BREAK}kg" if language != "ru" else f"{text}{_NO_BREAK}кг"


def day_text(day: date) -> str:
    """Return a date that reads the same in every language."""
    return day.isoformat()


def minute_text(instant: datetime) -> str:
    """Return day and minute."""
    return instant.strftime("%Y-%m-%d %H:%M")


def _grouped(whole: int, language: str) -> str:
    return f"{whole:,}".replace(",", "," if language == "en" else _NO_BREAK)
