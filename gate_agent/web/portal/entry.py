"""What people type into the declaration pages, turned into values or into the name of the sentence that says what is wrong.

How numbers, amounts and masses are read is `web.number_entry`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from gate_agent.domain.imei import is_imei
from gate_agent.domain.parcel import is_postal_item
from gate_agent.web.number_entry import EntryRefused, scaled_number, tidy

_STATE = re.compile(r"[A-Z]{1,3}")
_DOCUMENT_NUMBER = re.compile(r"[A-Z0-9]{5,20}")
_SEAL = re.compile(r"[A-Z0-9-]{4,24}")
_CODE = re.compile(r"[0-9A-Z]{8}U?")
_TELEPHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_CHAT = re.compile(r"-?[1-9][0-9]{3,15}")
_PLATE = re.compile(r"[0-9A-Z\u0400-\u042f]{2,12}")


def description(text: str) -> str:
    """Return the description of goods, at most 40 characters. Raises `EntryRefused`."""
    return _short_text(text, "description")


def mark(text: str) -> str:
    """Return a serial number or another mark by which a thing is known again. Raises `EntryRefused`."""
    return _short_text(text, "mark")


def make(text: str) -> str:
    """Return the make of a vehicle. Raises `EntryRefused`."""
    return _short_text(text, "make")


def _short_text(text: str, what: str) -> str:
    clean = tidy(text)
    if not clean:
        raise EntryRefused(f"{what}_missing")
    if len(clean) > 40:
        raise EntryRefused(f"{what}_long")
    return clean


def plate(text: str) -> str:
    """Return a number plate in capitals, without spaces and hyphens; Latin or Cyrillic letters. Raises `EntryRefused`."""
    clean = "".join(character for character in tidy(text).upper() if character not in " -")
    if not _PLATE.fullmatch(clean):
        raise EntryRefused("plate_malformed")
    return clean


def imei(text: str) -> str:
    """Return the 15 digits of a phone's IMEI, whose last is a check digit. Raises `EntryRefused`."""
    digits = "".join(character for character in tidy(text) if character not in " -/")
    if not (digits.isascii() and digits.isdecimal() and len(digits) == 15):
        raise EntryRefused("imei_malformed")
    if not is_imei(digits):
        raise EntryRefused("imei_check")
    return digits


def postal_item(text: str) -> str:
    """Return the number under a parcel's barcode (UPU S10), whose ninth digit is a check digit. Raises `EntryRefused`."""
    item = "".join(tidy(text).upper().split())
    if not is_postal_item(item):
        raise EntryRefused("parcel_malformed")
    return item


def quantity(text: str, unit: str) -> int:
    """Return a quantity above zero in a unit of the rulebook; millilitres are asked for in litres. Raises `EntryRefused`."""
    number = scaled_number(text, 3 if unit == "ml" else 0)
    if not 0 < number <= 10**8:
        raise EntryRefused("number_range")
    return number


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


def spoken_code(text: str) -> str:
    """Return a code as it was given out: capitals, with its hyphens. Raises `EntryRefused`."""
    letters = "".join(character for character in tidy(text).upper() if character.isalnum())
    if not _CODE.fullmatch(letters):
        raise EntryRefused("code_malformed")
    return "-".join(filter(None, (letters[:4], letters[4:8], letters[8:])))


def telephone(text: str, prefixes: Sequence[str]) -> str:
    """Return a telephone number (ITU-T E.164) that begins like one of `prefixes`, such as `+998`. Raises `EntryRefused`."""
    clean = "".join(character for character in tidy(text) if character not in " -()")
    if not _TELEPHONE.fullmatch(clean):
        raise EntryRefused("telephone_malformed")
    if not clean.startswith(tuple(prefixes)):
        raise EntryRefused("telephone_elsewhere")
    return clean


def chat(text: str) -> str:
    """Return the number of a Telegram chat; a group's begins with a minus, without which it would be a stranger's. Raises `EntryRefused`."""
    clean = tidy(text).replace(" ", "").replace("\N{MINUS SIGN}", "-")
    if not _CHAT.fullmatch(clean):
        raise EntryRefused("chat_malformed")
    return clean


def day_of(day: str, month: str, year: str) -> date:
    """Return a date typed into three fields, in this century. Raises `EntryRefused`."""
    return _date((year, month, day), range(2000, 2100), "date_malformed")


def date_of_birth(day: str, month: str, year: str) -> date:
    """Return a date of birth typed into three fields. Raises `EntryRefused`."""
    return _date((year, month, day), range(1900, 2100), "birth_malformed")


def _date(fields: Sequence[str], years: range, refusal: str) -> date:
    parts = [tidy(field) for field in fields]
    if not all(part.isascii() and part.isdecimal() and len(part) <= 4 for part in parts):
        raise EntryRefused(refusal)
    try:
        found = date(*map(int, parts))
    except ValueError as error:
        raise EntryRefused(refusal) from error
    if found.year not in years:
        raise EntryRefused(refusal)
    return found


def person_name(text: str) -> str:
    """Return a person's name as in the passport, at most 40 characters, in capitals. Raises `EntryRefused`."""
    clean = tidy(text).upper()
    if not clean:
        raise EntryRefused("name_missing")
    if len(clean) > 40:
        raise EntryRefused("name_long")
    return clean
