"""What people type into the declaration pages, turned into values or into the name of the sentence that says what is wrong.

Numbers are taken as people write them: with spaces, with a comma or a point. Only where a text could mean two amounts
("1,200") is the traveller asked to write it another way.
"""

from __future__ import annotations

import re
import unicodedata

from gate_agent.domain.money import Money

CURRENCIES = ("UZS", "USD", "EUR", "RUB", "KZT", "KGS", "TJS", "TMT", "AED", "CNY", "GBP", "JPY", "KRW", "TRY")
"""Currencies that the pages offer."""

CURRENCIES_WITHOUT_MINOR_UNIT = frozenset({"JPY", "KRW"})
LONGEST_NUMBER = 24

_STATE = re.compile(r"[A-Z]{1,3}")
_DOCUMENT_NUMBER = re.compile(r"[A-Z0-9]{5,20}")
_SEAL = re.compile(r"[A-Z0-9-]{4,24}")
_DIGITS_AND_SEPARATORS = re.compile(r"[0-9]+(?:[.,'][0-9]+)*")
_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,'])[0-9]{3})(?:\1[0-9]{3})*")


class EntryRefused(ValueError):
    """The text is not what the question asks for. `key` names the sentence (`error.<key>`)."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def tidy(text: str) -> str:
    """Return one line of text: composed (NFC), without control and direction characters, single spaces."""
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(
        " " if character in "\t\r\n" else character
        for character in composed
        if character in "\t\r\n" or not unicodedata.category(character).startswith("C")
    )
    return " ".join(kept.split())


def scaled_number(text: str, decimals: int) -> int:
    """Return the number times ten to `decimals`. Raises `EntryRefused`: number_missing, number_unclear, number_malformed, number_fine.

    Accepted: `1200`, `1 200`, `1 200,50`, `1,200.50`, `1.200.300`. Not accepted, because it could be two numbers: `1,200`.
    """
    plain = "".join(text.split()).replace("\u2019", "'")
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
    decimals = 0 if currency in CURRENCIES_WITHOUT_MINOR_UNIT else 2
    amount_minor = scaled_number(text, decimals)
    if not 0 < amount_minor <= 10**14:
        raise EntryRefused("number_range")
    return Money(amount_minor, currency)


def mass_g(text: str) -> int:
    """Return grams of a mass in kilograms, more than nothing and at most ten tonnes. Raises `EntryRefused`."""
    grams = scaled_number(text, 3)
    if not 0 < grams <= 10_000_000:
        raise EntryRefused("number_range")
    return grams


def description(text: str) -> str:
    """Return the description of goods, at most 40 characters. Raises `EntryRefused`."""
    clean = tidy(text)
    if not clean:
        raise EntryRefused("description_missing")
    if len(clean) > 40:
        raise EntryRefused("description_long")
    return clean


def issuing_state(text: str) -> str:
    """Return the code of the issuing state in capitals, as the document prints it. Raises `EntryRefused`."""
    code = tidy(text).upper().replace("<", "")
    if not _STATE.fullmatch(code):
        raise EntryRefused("state_malformed")
    return code


def document_number(text: str) -> str:
    """Return the document number in capitals without spaces, hyphens and fillers. Raises `EntryRefused`."""
    number = "".join(character for character in tidy(text).upper() if character not in " -<")
    if not _DOCUMENT_NUMBER.fullmatch(number):
        raise EntryRefused("document_number_malformed")
    return number


def seal_id(text: str) -> str:
    """Return the number of an electronic seal. Raises `EntryRefused`."""
    seal = tidy(text).upper().replace(" ", "")
    if not _SEAL.fullmatch(seal):
        raise EntryRefused("seal_malformed")
    return seal


def small_children(text: str) -> int:
    """Return a number of children from 0 to 20. Raises `EntryRefused`."""
    clean = tidy(text)
    if not (clean.isascii() and clean.isdecimal() and len(clean) <= 2 and int(clean) <= 20):
        raise EntryRefused("children_malformed")
    return int(clean)
