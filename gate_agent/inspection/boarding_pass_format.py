"""The characters of a boarding pass taken apart (IATA resolution 792, bar coded boarding pass, versions 1 to 8).

Fixed columns, then blocks whose lengths stand before them in hex. What can be read is returned together with the first thing that is
wrong and where; nothing raises, because lengths that do not add up, cut blocks and blank fields are everyday.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

PASS_LIMIT_CHARACTERS = 1024
_HEAD, _LEG = 23, 37
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_AIRPORT = re.compile(r"[A-Z]{3}")
_CARRIER = re.compile(r"[A-Z0-9]{2,3}")
_FLIGHT = re.compile(r"\d{1,5}[A-Z]?|")
_DAY = re.compile(r"\d{3}")
_SEAT = re.compile(r"[A-Z0-9]{1,4}|")
_SEQUENCE = re.compile(r"[A-Z0-9]{1,5}|")
_HEX = re.compile(r"[0-9A-F]{2}")
_ISSUE_DATE = re.compile(r"\d{4}")
_BAG_TAG_CHARACTERS, _BAG_TAGS = 13, 3

_UNIQUE_ITEMS = (
    ("passenger_description", 1),
    ("check_in_source", 1),
    ("issuance_source", 1),
    ("date_of_issue", 4),
    ("document_type", 1),
    ("issuing_carrier", 3),
)
_LEG_ITEMS = (
    ("airline_numeric_code", 3),
    ("document_serial_number", 10),
    ("selectee_indicator", 1),
    ("document_verification", 1),
    ("marketing_carrier", 3),
    ("frequent_flyer_carrier", 3),
    ("frequent_flyer_number", 16),
    ("discount_indicator", 1),
    ("baggage_allowance", 3),
    ("fast_track", 1),
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One flight. `flight_date` None: the day exists in no year near today. Blank items are empty; `items` holds the conditional ones."""

    booking_reference: str
    from_airport: str
    to_airport: str
    operating_carrier: str
    flight_number: str
    day_of_year: int
    flight_date: date | None
    compartment: str
    seat: str
    check_in_sequence: str
    passenger_status: str
    items: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoardingPass:
    """What a pass says. `problem` is empty, or the first thing that is wrong and where (no content); what precedes it was read.

    `security_characters`: the length of the security data, 0 when there are none. Names are cut at 20 characters by the format.
    """

    primary_identifier: str = ""
    secondary_identifier: str = ""
    is_electronic_ticket: bool = False
    legs: tuple[Leg, ...] = ()
    version: str = ""
    date_of_issue: date | None = None
    items: Mapping[str, str] = field(default_factory=dict)
    bag_tags: tuple[str, ...] = ()
    security_type: str = ""
    security_characters: int = 0
    problem: str = ""


class _Wrong(Exception):
    """What is wrong and where; never leaves this module."""


def parse_boarding_pass(payload: bytes | str, today: date) -> BoardingPass:
    """Read the characters of one symbol; dates without a year are those nearest to `today`. Never raises."""
    reading = _Reading(today)
    try:
        reading.read(_text(payload))
    except _Wrong as wrong:
        reading.problem = str(wrong)
    return BoardingPass(
        reading.names[0],
        reading.names[1],
        reading.is_electronic_ticket,
        tuple(reading.legs),
        reading.version,
        issue_date(reading.items.get("date_of_issue", ""), today),
        {name: text for name, text in reading.items.items() if name != "date_of_issue"},
        tuple(reading.bag_tags),
        reading.security_type,
        reading.security_characters,
        reading.problem,
    )


def flight_date(day_of_year: int, today: date) -> date | None:
    """Return the day of the year nearest to `today`, in last year, this or next; None when it exists in none (day 366)."""
    days = [_day(year, day_of_year) for year in (today.year - 1, today.year, today.year + 1)]
    near = [day for day in days if day is not None]
    return min(near, key=lambda day: (abs(day - today), day < today), default=None)


def issue_date(text: str, today: date) -> date | None:
    """Return the day that a year's last digit and a day of the year mean: the latest that is not after tomorrow."""
    if not _ISSUE_DATE.fullmatch(text):
        return None
    years = [year for year in range(today.year + 1, today.year - 11, -1) if year % 10 == int(text[0])]
    days = [_day(year, int(text[1:])) for year in years]
    return next((day for day in days if day is not None and day <= today + timedelta(days=1)), None)


def _day(year: int, day_of_year: int) -> date | None:
    if not 1 <= day_of_year <= 366 or not 1 <= year <= 9999:
        return None
    day = date(year, 1, 1) + timedelta(days=day_of_year - 1)
    return day if day.year == year else None


def _text(payload: bytes | str) -> str:
    if len(payload) > PASS_LIMIT_CHARACTERS:
        raise _Wrong(f"longer than {PASS_LIMIT_CHARACTERS} characters")
    text = payload if isinstance(payload, str) else payload.decode("latin-1")
    text = text.rstrip("\r\n")  # readers end a line
    if not _PRINTABLE.fullmatch(text):
        raise _Wrong("a character outside printable ASCII")
    return text


class _Reading:
    """Reads from left to right and keeps what was read when something is wrong."""

    def __init__(self, today: date) -> None:
        self._today = today
        self.names = ("", "")
        self.is_electronic_ticket = False
        self.legs: list[Leg] = []
        self.version = ""
        self.items: dict[str, str] = {}
        self.bag_tags: list[str] = []
        self.security_type = ""
        self.security_characters = 0
        self.problem = ""

    def read(self, text: str) -> None:
        if text[:1] != "M":
            raise _Wrong("format code at character 1 is not M")
        if len(text) < 2 or text[1] not in "1234":
            raise _Wrong("number of legs at character 2 is not 1 to 4")
        if len(text) < _HEAD:
            raise _Wrong(f"ends at character {len(text)}, before the first leg")
        primary, _, secondary = text[2:22].strip().partition("/")
        if not primary.strip():
            raise _Wrong("passenger name at character 3 is blank")
        self.names = (primary.strip().upper(), secondary.strip().upper())
        self.is_electronic_ticket = text[22].upper() == "E"
        position = _HEAD
        for number in range(1, int(text[1]) + 1):
            position = self._leg(text, position, number)
        self._security(text, position)

    def _leg(self, text: str, position: int, number: int) -> int:
        """Read one leg and return where the next thing begins."""
        columns = text[position : position + _LEG].upper()
        if len(columns) < _LEG:
            raise _Wrong(f"ends at character {len(text)}, in leg {number}")
        items: dict[str, str] = {}
        leg = Leg(
            booking_reference=columns[0:7].strip(),
            from_airport=_matched(_AIRPORT, columns[7:10], "departure", number, position + 8),
            to_airport=_matched(_AIRPORT, columns[10:13], "arrival", number, position + 11),
            operating_carrier=_matched(_CARRIER, columns[13:16].strip(), "carrier", number, position + 14),
            flight_number=_matched(_FLIGHT, columns[16:21].strip(), "flight", number, position + 17),
            day_of_year=int(_matched(_DAY, columns[21:24], "day", number, position + 22)),
            flight_date=None,
            compartment=columns[24].strip(),
            seat=_matched(_SEAT, columns[25:29].strip(), "seat", number, position + 26),
            check_in_sequence=_matched(_SEQUENCE, columns[29:34].strip(), "sequence", number, position + 30),
            passenger_status=columns[34].strip(),
            items=items,
        )
        if not 1 <= leg.day_of_year <= 366:
            raise _Wrong(f"day of leg {number} at character {position + 22} is none of a year")
        self.legs.append(replace(leg, flight_date=flight_date(leg.day_of_year, self._today)))
        start = position + _LEG
        length = int(_matched(_HEX, columns[35:37], "length of the conditional block", number, position + 36), 16)
        block = text[start : start + length]
        self._conditional(block.upper(), number, start, items)
        if len(block) < length:
            raise _Wrong(
                f"conditional block of leg {number} at character {start + 1} ends after {len(block)} of {length}"
            )
        if self.legs[-1].flight_date is None:
            raise _Wrong(f"day 366 of leg {number} is in no leap year near")
        return start + length

    def _conditional(self, block: str, number: int, start: int, items: dict[str, str]) -> None:
        """Read a leg's block: version and unique items (first leg only), the leg's items; the rest is the airline's own."""
        position = 0
        if number == 1 and block[:1] == ">":
            self.version = block[1:2].strip()
            unique, position = _counted(block, 2, "unique items", number, start)
            self._unique(unique)
        if position < len(block) and (number > 1 or self.version):
            repeated, _ = _counted(block, position, "items", number, start)
            items |= _columns(repeated, _LEG_ITEMS)

    def _unique(self, block: str) -> None:
        self.items = _columns(block, _UNIQUE_ITEMS)
        tags = block[sum(width for _, width in _UNIQUE_ITEMS) :]
        parts = [tags[at : at + _BAG_TAG_CHARACTERS].strip() for at in range(0, len(tags), _BAG_TAG_CHARACTERS)]
        self.bag_tags = [part for part in parts[:_BAG_TAGS] if part]

    def _security(self, text: str, position: int) -> None:
        rest = text[position:]
        if not rest.strip():
            return
        if rest[0] != "^":
            raise _Wrong(f"{len(rest)} characters behind the last leg at character {position + 1}")
        if len(rest) < 4 or not _HEX.fullmatch(rest[2:4].upper()):
            raise _Wrong(f"length of the security data at character {position + 3} is no number")
        self.security_type = rest[1]
        self.security_characters = len(rest) - 4
        declared = int(rest[2:4], 16)
        if len(rest[4:].rstrip()) > declared or len(rest) - 4 < declared:
            raise _Wrong(f"security data at character {position + 5} have {len(rest) - 4} of {declared} characters")


def _matched(pattern: re.Pattern[str], text: str, what: str, number: int, character: int) -> str:
    if not pattern.fullmatch(text):
        raise _Wrong(f"{what} of leg {number} at character {character} has another form")
    return text


def _counted(block: str, position: int, what: str, number: int, start: int) -> tuple[str, int]:
    """Return the part whose length stands in hex at `position`, and where it ends."""
    where = f"{what} of leg {number} at character {start + position + 1}"
    digits = block[position : position + 2]
    if not _HEX.fullmatch(digits):
        raise _Wrong(f"length of the {where} is no number")
    begin = position + 2
    end = begin + int(digits, 16)
    if end > len(block):
        raise _Wrong(f"{where} end after {len(block) - begin} of {end - begin}")
    return block[begin:end], end


def _columns(block: str, items: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Cut a block into items; those that are blank, and those behind its end, are left out."""
    found: dict[str, str] = {}
    position = 0
    for name, width in items:
        text = block[position : position + width].strip()
        position += width
        if text:
            found[name] = text
    return found
