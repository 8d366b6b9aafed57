"""Text that anybody can print: machine readable zones and boarding passes."""

from __future__ import annotations

import re
from datetime import date, timedelta

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.mrz import EXPIRY_WINDOW_YEARS, read_mrz
from gate_agent.domain.mrz_comparison import compare_mrz_with_dg1
from gate_agent.domain.mrz_digits import FILLER_COUNTED
from gate_agent.domain.mrz_information import mrz_information
from gate_agent.inspection.boarding_pass import inspect_boarding_pass
from tests.fuzz.chip_files import ZONES
from tests.fuzz.target import Target, layers
from tests.unit import seal_builders as build

TODAY = date(2026, 3, 2)
_VALUES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LINES = {"TD1": 3, "TD2": 2, "TD3": 2, "MRVA": 2, "MRVB": 2}


def machine_readable_zone() -> Target:
    """The lines as a reader sends them (UTF-8, one per line), and lines of the right shape made of the alphabet only."""
    visas = (
        ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"),
        ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<"),
    )
    long_number = ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<")
    zones = (*ZONES, *visas, long_number)
    return layers(
        (_text, ["\n".join(lines).encode() for lines in zones]),
        (_alphabet, [bytes((len(lines), *"".join(lines).encode())) for lines in zones]),
        limit_bytes=256,
    )


def _text(content: bytes) -> bool:
    return _zone(content.decode("utf-8", "surrogateescape").split("\n"))


def _alphabet(content: bytes) -> bool:
    """Bend any bytes into a zone of two or three lines, so that most inputs reach the fields."""
    if not content:
        return False
    letters = "".join(chr(one) if chr(one) in _VALUES + "<" else (_VALUES + "<")[one % 37] for one in content[1:])
    count, width = ((3, 30), (2, 36), (2, 44))[content[0] % 3]
    letters = letters.ljust(count * width, "<")[: count * width]
    return _zone([letters[at : at + width] for at in range(0, len(letters), width)])


def _zone(lines: list[str]) -> bool:
    reading = read_mrz(lines, TODAY)
    document = reading.document
    if document is None:
        assert reading.problems
        assert not reading.digits
        return False
    assert reading.format is document.format
    assert document.lines == tuple(line.strip(" \r\n\t") for line in lines)
    assert read_mrz(document.lines, TODAY) == reading, "reading is repeatable"
    for digit in reading.digits:
        is_right = digit.outcome is CheckOutcome.SUCCESSFUL
        assert is_right or digit.found != digit.expected
        assert not is_right or digit.found == digit.expected or (digit.field, digit.found) == ("optional_data", "<")
        assert digit.expected in set("0123456789")
    wrong = [digit for digit in reading.digits if digit.outcome is not CheckOutcome.SUCCESSFUL]
    assert len([one for one in reading.problems if one.code == "mrz_check_digit_wrong"]) == len(wrong)
    number = next(digit for digit in reading.digits if digit.field == "document_number")
    if number.outcome is CheckOutcome.SUCCESSFUL and number.convention != FILLER_COUNTED and number.found.isdigit():
        assert _digit(document.document_number) == number.found, (
            "a digit that holds, holds for the number that is shown"
        )
    if document.date_of_birth is not None:
        assert TODAY.replace(year=TODAY.year - 100) <= document.date_of_birth <= TODAY or (
            f"{document.date_of_birth:%m%d}" == "0229"
        )
        assert f"{document.date_of_birth:%y%m%d}" == document.date_of_birth_text
    if document.date_of_expiry is not None:
        years = document.date_of_expiry.year - TODAY.year
        assert EXPIRY_WINDOW_YEARS - 100 < years <= EXPIRY_WINDOW_YEARS
    for text in (document.primary_identifier, document.secondary_identifier, document.document_number):
        assert text.isascii()
        assert "<" not in text.rstrip("<") or text == document.document_number
    mrz_information(document)
    itself = compare_mrz_with_dg1(document.lines, document.lines, used_card_access_number=False)
    assert itself.outcome is CheckOutcome.SUCCESSFUL, "a zone never differs from itself"
    return True


def _digit(text: str) -> str:
    """The check digit, by a second reading of Doc 9303-3 §4.9."""
    return str(sum((7, 3, 1)[at % 3] * (0 if one == "<" else _VALUES.index(one)) for at, one in enumerate(text)) % 10)


def boarding_pass() -> Target:
    block = build.conditional()
    passes = (
        build.boarding_pass(),
        build.boarding_pass(build.leg(block=block), build.leg(route="FRAJFK", block="06ABCDEF")),
        build.boarding_pass(build.leg(block=build.conditional("1WW6225BHY 00370123456780013")), security="A" * 100),
        build.boarding_pass(build.leg(day="366")),
        build.boarding_pass(build.leg(seat="", sequence="")),
    )
    return Target(tuple(one.encode() for one in passes), _pass, 1200)


def _pass(content: bytes) -> bool:
    inspection = inspect_boarding_pass(content, TODAY)
    found, result = inspection.boarding_pass, inspection.result
    expected = CheckOutcome.FAILED if found.problem else CheckOutcome.UNDETERMINED
    assert result.outcome is expected, "nobody signs a boarding pass: it is never successful"
    assert not re.search(r"[A-Z]{2}", found.problem.replace("ASCII", "")), "a problem tells no content"
    assert len(found.problem) < 160
    assert len(found.legs) <= 4
    assert len(found.bag_tags) <= 3
    for leg in found.legs:
        assert 1 <= leg.day_of_year <= 366
        if leg.flight_date is not None:
            assert leg.flight_date.timetuple().tm_yday == leg.day_of_year
            assert abs(leg.flight_date - TODAY) <= timedelta(days=4 * 366)
        assert (leg.from_airport + leg.to_airport).isalpha()
    assert found.date_of_issue is None or found.date_of_issue <= TODAY + timedelta(days=1)
    if not found.problem:
        assert len(found.legs) == int(chr(content[1]))
        assert found.primary_identifier
        assert inspect_boarding_pass(content.rstrip(b"\r\n") + b"\r\n", TODAY).boarding_pass == found
    return not found.problem
