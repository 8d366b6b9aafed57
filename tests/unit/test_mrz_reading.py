"""The machine readable zone: every published specimen digit by digit, generated zones of each layout, and hostile text."""

import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.document_checks import check_expiry, check_mrz_digits
from gate_agent.domain.mrz import check_digit, read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.travel_document import MrzFormat

TODAY = date(2026, 6, 15)
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<"
PASSPORT = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")


# ---- published specimens ------------------------------------------------------------------------------------------------

FIELDS = {
    "doc": "document_number",
    "dob": "date_of_birth",
    "exp": "date_of_expiry",
    "opt": "optional_data",
    "comp": "composite",
}


@pytest.mark.shared_data
def test_every_digit_of_every_specimen(shared_data: Path) -> None:
    specimens = json.loads((shared_data / "documents" / "mrz.json").read_text())["mrz"]
    assert len(specimens) >= 10
    for specimen in specimens:
        reading = read_mrz(specimen["lines"], TODAY)
        expected = specimen["result"]
        assert reading.format is not None, specimen["src"]
        assert reading.format.value == specimen["kind"]
        found = {digit.field: digit.outcome is S for digit in reading.digits}
        for short, field in FIELDS.items():
            if short in expected:
                assert found[field] == expected[short], (specimen["src"], field)
        if "doc_long_std" in expected:
            assert reading.document is not None
            assert reading.document.document_number == expected["docnum"]
            assert found["document_number"] == (expected["doc_long_std"] or expected["doc_long_alt"])
            number = next(digit for digit in reading.digits if digit.field == "document_number")
            assert number.convention == ("standard" if expected["doc_long_std"] else "filler_counted")
        assert ("composite" in found) == ("comp" in expected), "visas have no composite"


# ---- generated zones ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Holder:
    number: str
    issuing_state: str
    nationality: str
    primary: str
    secondary: str
    born: date
    expires: date
    sex: str
    optional: str


words = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=8)
states = st.sampled_from(["UTO", "D", "XXA", "UNO"])
holders = st.builds(
    Holder,
    number=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=9),
    issuing_state=states,
    nationality=states,
    primary=words,
    secondary=st.lists(words, max_size=2).map(" ".join),
    born=st.dates(date(1927, 1, 1), date(2026, 6, 15)),
    expires=st.dates(date(2026, 1, 1), date(2041, 12, 31)),
    sex=st.sampled_from("MF<"),
    optional=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", max_size=5),
)
formats = st.sampled_from(list(MrzFormat))


def zone(layout: MrzFormat, holder: Holder) -> tuple[str, ...]:
    """A second, independent reading of ICAO 9303: build where the parser takes apart."""
    number = holder.number.ljust(9, "<")
    number += check_digit(number)
    birth, expiry = holder.born.strftime("%y%m%d"), holder.expires.strftime("%y%m%d")
    birth, expiry = birth + check_digit(birth), expiry + check_digit(expiry)
    names = holder.primary + ("<<" + holder.secondary.replace(" ", "<") if holder.secondary else "")
    state, nationality = holder.issuing_state.ljust(3, "<"), holder.nationality.ljust(3, "<")
    if layout is MrzFormat.TD1:
        first = f"I<{state}{number}{holder.optional}".ljust(30, "<")
        second = f"{birth}{holder.sex}{expiry}{nationality}".ljust(29, "<")
        second += check_digit(first[5:] + second[0:7] + second[8:15] + second[18:29])
        return first, second, names.ljust(30, "<")
    width = 44 if layout in {MrzFormat.TD3, MrzFormat.MRV_A} else 36
    code = {MrzFormat.TD3: "P", MrzFormat.TD2: "I"}.get(layout, "V")
    first = f"{code}<{state}{names}".ljust(width, "<")
    second = f"{number}{nationality}{birth}{holder.sex}{expiry}"
    if layout is MrzFormat.TD3:
        optional = holder.optional.ljust(14, "<")
        second += optional + check_digit(optional)
        second += check_digit(second[0:10] + second[13:20] + second[21:43])
    elif layout is MrzFormat.TD2:
        second += holder.optional.ljust(7, "<")
        second += check_digit(second[0:10] + second[13:20] + second[21:35])
    else:
        second += holder.optional
    return first, second.ljust(width, "<")


@given(formats, holders)
def test_a_built_zone_reads_back(layout: MrzFormat, holder: Holder) -> None:
    reading = read_mrz(zone(layout, holder), TODAY)
    document = reading.document
    assert document is not None
    assert reading.format is layout
    assert {digit.outcome for digit in reading.digits} == {S}
    assert document.document_number == holder.number
    assert (document.issuing_state, document.nationality) == (holder.issuing_state, holder.nationality)
    assert (document.primary_identifier, document.secondary_identifier) == (holder.primary, holder.secondary)
    assert document.date_of_birth == holder.born
    assert document.date_of_expiry == holder.expires
    assert document.sex == holder.sex.replace("<", "")
    assert document.optional_data == holder.optional
    assert check_mrz_digits(reading).outcome is S


# Zero-based positions that a digit protects: (line, from, to) for each layout.
PROTECTED = {
    MrzFormat.TD1: [(0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 30)],
    MrzFormat.TD2: [(1, 0, 10), (1, 13, 20), (1, 21, 36)],
    MrzFormat.TD3: [(1, 0, 10), (1, 13, 20), (1, 21, 44)],
    MrzFormat.MRV_A: [(1, 0, 10), (1, 13, 20), (1, 21, 28)],
    MrzFormat.MRV_B: [(1, 0, 10), (1, 13, 20), (1, 21, 28)],
}


@given(formats, holders, st.data())
def test_one_changed_character_in_a_checked_field_is_reported(
    layout: MrzFormat, holder: Holder, draw: st.DataObject
) -> None:
    lines = list(zone(layout, holder))
    places = [(line, place) for line, start, end in PROTECTED[layout] for place in range(start, end)]
    line, place = draw.draw(st.sampled_from(places))
    before = lines[line][place]
    after = draw.draw(st.sampled_from(ALPHABET))
    # 7, 3 and 1 have no common factor with 10, so only characters of equal value mod 10 collide.
    assume(
        "<0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(after) != "<0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(before)
    )
    assume(check_digit(after + "<<") != check_digit(before + "<<"))
    lines[line] = lines[line][:place] + after + lines[line][place + 1 :]
    result = check_mrz_digits(read_mrz(lines, TODAY))
    assert result.outcome is F
    assert ReasonCode.MRZ_CHECK_DIGIT_WRONG in {reason.code for reason in result.reasons}
    assert all(compared.found != compared.expected for compared in result.compared)


# ---- single facts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("digit", "convention"), [("4", "standard"), ("8", "filler_counted")])
def test_both_conventions_of_a_long_number(digit: str, convention: str) -> None:
    first = f"I<UTOXK7766550<412{digit}".ljust(30, "<")
    number = next(d for d in read_mrz((first, "7408122F3204159UTO<<<<<<<<<<<0", "A<<B".ljust(30, "<")), TODAY).digits)
    assert (number.outcome, number.convention) == (S, convention)


@pytest.mark.parametrize("digit", list("01235679"))
def test_any_third_digit_of_a_long_number_is_wrong(digit: str) -> None:
    first = f"I<UTOXK7766550<412{digit}".ljust(30, "<")
    reading = read_mrz((first, "7408122F3204159UTO<<<<<<<<<<<0", "A<<B".ljust(30, "<")), TODAY)
    assert reading.digits[0].outcome is F
    assert reading.document is not None
    assert reading.document.document_number == "XK7766550412"


@pytest.mark.parametrize("digit", ["<", "0"])
def test_the_digit_of_an_empty_optional_field(digit: str) -> None:
    second = PASSPORT[1][:28] + "<" * 14 + digit
    second += check_digit(second[0:10] + second[13:20] + second[21:43])
    assert check_mrz_digits(read_mrz((PASSPORT[0], second), TODAY)).outcome is S


def test_a_filler_is_no_digit_of_a_filled_optional_field() -> None:
    second = PASSPORT[1][:42] + "<"
    second += check_digit(second[0:10] + second[13:20] + second[21:43])
    wrong = [digit.field for digit in read_mrz((PASSPORT[0], second), TODAY).digits if digit.outcome is F]
    assert wrong == ["optional_data"]


def test_a_name_that_fills_the_line_may_be_cut() -> None:
    cut = read_mrz(("P<UTO" + "A" * 20 + "<<" + "B" * 17, PASSPORT[1]), TODAY)
    assert cut.document is not None
    assert cut.document.name_may_be_truncated
    whole = read_mrz(PASSPORT, TODAY).document
    assert whole is not None
    assert not whole.name_may_be_truncated


@pytest.mark.parametrize(
    ("text", "expiry", "outcome"),
    [
        ("410101", date(2041, 1, 1), S),
        ("420101", date(1942, 1, 1), F),
        ("260615", date(2026, 6, 15), S),
        ("260614", date(2026, 6, 14), F),
        ("260230", None, U),
        ("<<<<<<", None, U),
        ("2606<<", None, U),
    ],
)
def test_the_window_of_expiry(text: str, expiry: date | None, outcome: CheckOutcome) -> None:
    second = PASSPORT[1][:21] + text + check_digit(text) + PASSPORT[1][28:43]
    document = read_mrz(
        (PASSPORT[0], second + check_digit(second[0:10] + second[13:20] + second[21:43])), TODAY
    ).document
    assert document is not None
    assert document.date_of_expiry == expiry
    assert check_expiry(document, TODAY).outcome is outcome


@pytest.mark.parametrize(
    ("text", "born"),
    [
        ("260615", date(2026, 6, 15)),
        ("260616", date(1926, 6, 16)),
        ("270101", date(1927, 1, 1)),
        ("7408<<", None),
        ("74<<<<", None),
        ("740231", None),
    ],
)
def test_the_century_of_birth(text: str, born: date | None) -> None:
    second = PASSPORT[1][:13] + text + check_digit(text) + PASSPORT[1][20:43]
    reading = read_mrz((PASSPORT[0], second + check_digit(second[0:10] + second[13:20] + second[21:43])), TODAY)
    assert reading.document is not None
    assert (reading.document.date_of_birth, reading.document.date_of_birth_text) == (born, text)
    assert check_mrz_digits(reading).outcome is S


# ---- hostile text -------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=60), max_size=5))
def test_arbitrary_text_never_raises(lines: list[str]) -> None:
    reading = read_mrz(lines, TODAY)
    assert check_mrz_digits(reading).outcome in {S, F, U}
    assert reading.document is not None or reading.problems


@given(st.lists(st.text(ALPHABET, min_size=44, max_size=44), min_size=2, max_size=2))
def test_any_zone_of_the_right_shape_is_judged(lines: list[str]) -> None:
    reading = read_mrz(lines, TODAY)
    assert reading.document is not None
    assert check_expiry(reading.document, TODAY).outcome in {S, F, U}


@pytest.mark.parametrize("character", ["e", " ", "«", "０", "-", "\x00", "\ud800", "İ"])
def test_a_character_that_cannot_stand_there_is_named_unreadable(character: str) -> None:
    broken = PASSPORT[0][:8] + character + PASSPORT[0][9:]
    reading = read_mrz((broken, PASSPORT[1]), TODAY)
    assert reading.document is None
    assert [reason.code for reason in reading.problems] == [ReasonCode.MRZ_UNREADABLE]
    assert check_mrz_digits(reading).outcome is U


def test_huge_input_is_refused_at_once() -> None:
    begun_s = time.monotonic()
    assert read_mrz(["P<UTO" * 4] * 10_000, TODAY).document is None
    assert read_mrz(["<" * 4_000_000] * 2, TODAY).document is None
    assert time.monotonic() - begun_s < 0.5
