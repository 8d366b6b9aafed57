"""Numbers, amounts and masses as people type them on any page, read and written; and one line of any text made tidy.

Numbers are taken as people write them: with spaces, with a comma or a point. Only where a text could mean two amounts
("1,200") is the writer asked to write it another way.
"""

from __future__ import annotations

import re
import unicodedata

from gate_agent.domain.money import Money, minor_digits

CURRENCIES = ("UZS", "USD", "EUR", "RUB", "KZT", "KGS", "TJS", "TMT", "AED", "CNY", "GBP", "JPY", "KRW", "TRY")
"""Currencies that the pages offer."""

LONGEST_NUMBER = 24

_DIGITS_AND_SEPARATORS = re.compile(r"[0-9]+(?:[.,'][0-9]+)*")
_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,'])[0-9]{3})(?:\1[0-9]{3})*")
_MARKS = {0x066B: ".", 0x066C: None}
"""The Arabic decimal separator, and the thousands separator, which separates nothing else."""


class EntryRefused(ValueError):
    """The text is not what the question asks for. `key` names the sentence (`error.<key>`)."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def tidy(text: str) -> str:
    """Return one line of text: composed (NFC), digits as 0 to 9, without control and direction characters, single spaces."""
    composed = _plain_digits(unicodedata.normalize("NFC", text))
    kept = "".join(
        " " if character in "\t\r\n" else character
        for character in composed
        if character in "\t\r\n" or not unicodedata.category(character).startswith("C")
    )
    return " ".join(kept.split())


def _plain_digits(text: str) -> str:
    """Return decimal digits of any script as 0 to 9, and the marks that Persian writing has between them as ours."""
    digits = (str(unicodedata.decimal(one, one)) for one in text)
    return "".join(digits).translate(_MARKS)


def scaled_number(text: str, decimals: int) -> int:
    """Return the number times ten to `decimals`. Raises `EntryRefused`: number_missing, number_unclear, number_malformed, number_fine.

    Accepted: `1200`, `1 200`, `1 200,50`, `1,200.50`, `1.200.300`. Not accepted, because it could be two numbers: `1,200`.
    """
    plain = "".join(_plain_digits(text).split()).replace("\u2019", "'")
    if not plain:
        raise EntryRefused("number_missing")
    if len(plain) > LONGEST_NUMBER or not _DIGITS_AND_SEPARATORS.fullmatch(plain):
        raise EntryRefused("number_malformed")
    whole, fraction = _split(plain)
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise EntryRefused("number_fine")
    return int(whole + fraction.ljust(decimals, "0"))


def _split(plain: str) -> tuple[str, str]:
    marks = [character for character in plain if not character.isdigit()]
    if not marks:
        return plain, ""
    last = marks[-1]
    head, _mark, tail = plain.rpartition(last)
    if len(marks) == 1 and last in ".,":
        if len(tail) == 3 and head != "0" and len(head) <= 3:
            raise EntryRefused("number_unclear")
        return head, tail
    if len(set(marks)) == 1:
        if not _GROUPED.fullmatch(plain):
            raise EntryRefused("number_malformed")
        return plain.replace(last, ""), ""
    # Groups with one mark, the fraction after another: 1,200.50
    if last not in ".," or marks.count(last) != 1 or not _GROUPED.fullmatch(head):
        raise EntryRefused("number_malformed")
    return head.replace(marks[0], ""), tail


def money(text: str, currency: str) -> Money:
    """Return an amount above zero in one of `CURRENCIES`. Raises `EntryRefused`."""
    if currency not in CURRENCIES:
        raise EntryRefused("currency_missing")
    amount_minor = scaled_number(text, minor_digits(currency))
    if not 0 < amount_minor <= 10**14:
        raise EntryRefused("number_range")
    return Money(amount_minor, currency)


def mass_g(text: str) -> int:
    """Return grams of a mass in kilograms, more than nothing and at most ten tonnes. Raises `EntryRefused`."""
    grams = scaled_number(text, 3)
    if not 0 < grams <= 10_000_000:
        raise EntryRefused("number_range")
    return grams


def typed_number(scaled: int, decimals: int, least_decimals: int = 0) -> str:
    """Return a scaled number as `scaled_number` takes it: no groups, a point, no more zeros than `least_decimals` asks for.

    3333 g are `3.3330` kg, for `3.333` could be three tonnes, too.
    """
    whole, fraction = divmod(scaled, 10**decimals)
    if not fraction:
        return str(whole)
    text = f"{fraction:0{decimals}d}".rstrip("0").ljust(least_decimals, "0")
    return f"{whole}.{text}0" if len(text) == 3 and whole else f"{whole}.{text}"


def typed_money(amount: Money) -> str:
    """Return an amount as `money` takes it, without its currency."""
    digits = minor_digits(amount.currency)
    return typed_number(amount.amount_minor, digits, digits)


def typed_mass(grams: int) -> str:
    """Return a mass in kilograms as `mass_g` takes it."""
    return typed_number(grams, 3)
