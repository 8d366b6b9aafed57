"""Machine readable zones: published specimens, composed zones of all five formats, single wrong characters, and nonsense."""

import json
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.document_checks import check_expiry, check_mrz_digits
from gate_agent.domain.mrz import check_digit, read_mrz
from gate_agent.domain.mrz_digits import FILLER_COUNTED, STANDARD
from gate_agent.domain.reasons import ReasonCode

TODAY = date(2026, 6, 15)
SPECIMENS = Path(__file__).parents[2].parent / "shared" / "data" / "documents" / "mrz.json"
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
FORMATS = ("TD1", "TD2", "TD3", "MRVA", "MRVB")
WIDTHS = {"TD1": 30, "TD2": 36, "TD3": 44, "MRVA": 44, "MRVB": 36}


def specimens():
    return json.loads(SPECIMENS.read_text(encoding="utf-8"))["mrz"] if SPECIMENS.is_file() else []


def outcomes(reading):
    return {digit.field: digit.outcome for digit in reading.digits}


def digit_of(reading, field):
    return next(digit for digit in reading.digits if digit.field == field)


# --- published specimens -------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_the_specimens_are_there():
    assert len(specimens()) >= 10


@pytest.mark.shared_data
@pytest.mark.parametrize("specimen", specimens(), ids=lambda entry: entry["src"])
def test_specimen(specimen):
    reading = read_mrz(specimen["lines"], TODAY)
    assert reading.format is not None
    assert reading.format.value == specimen["kind"]
    assert reading.document is not None
    expected, found = specimen["result"], outcomes(reading)
    names = {
        "doc": "document_number",
        "dob": "date_of_birth",
        "exp": "date_of_expiry",
        "opt": "optional_data",
        "comp": "composite",
    }
    for short, field in names.items():
        assert (field in found) is (short in expected or (short == "doc" and "doc_long_std" in expected))
        if short in expected:
            assert (found[field] is S) is expected[short], field
    if "docnum" in expected:
        assert reading.document.document_number == expected["docnum"]
        digit = digit_of(reading, "document_number")
        assert (digit.outcome is S) is (expected["doc_long_std"] or expected["doc_long_alt"])
        assert digit.convention == (STANDARD if expected["doc_long_std"] else FILLER_COUNTED)
        logged = ReasonCode.MRZ_LONG_NUMBER_CONVENTION in {reason.code for reason in reading.problems}
        assert logged is not expected["doc_long_std"]
    all_right = all(value for key, value in expected.items() if not key.startswith("doc"))
    assert check_mrz_digits(reading).outcome is (S if all_right else F)


@pytest.mark.shared_data
def test_issuer_of_one_letter_is_read_as_printed():
    lines = next(entry["lines"] for entry in specimens() if "D<<" in entry["src"])
    document = read_mrz(lines, TODAY).document
    assert document is not None
    assert (document.issuing_state, document.nationality) == ("D", "D")
    assert (document.primary_identifier, document.secondary_identifier) == ("MUSTERMANN", "ERIKA")


# --- composed zones ------------------------------------------------------------------------------------------------------

alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
letters = alphanumeric[:26]
states = st.sampled_from(["UTO", "D", "XXA"]) | st.text(letters, min_size=3, max_size=3)
names = st.lists(st.text(letters, min_size=1, max_size=5), min_size=1, max_size=2).map(" ".join)
zone_fields = st.fixed_dictionaries(
    {
        "format": st.sampled_from(FORMATS),
        "issuing_state": states,
        "nationality": states,
        "document_number": st.text(alphanumeric, min_size=1, max_size=9),
        "primary_identifier": names,
        "secondary_identifier": names | st.just(""),
        "date_of_birth": st.dates(date(1927, 1, 1), TODAY),
        "date_of_expiry": st.dates(date(1950, 1, 1), date(2041, 12, 31)),
        "sex": st.sampled_from(["M", "F", ""]),
        "optional_data": st.text(alphanumeric, max_size=7),
        "optional_data_2": st.text(alphanumeric, max_size=11),
    }
)


def expiry_is_in_the_window(day):
    return TODAY.year <= day.year <= TODAY.year + 15 or (day.year < TODAY.year and (day.year - TODAY.year) % 100 > 15)


def compose(fields):
    """Return the lines of a correct zone: an independent writer of ICAO Doc 9303-4 to -7."""

    def digit(text):
        values = [0 if c == "<" else int(c, 36) for c in text]
        return str(sum(value * (7, 3, 1)[place % 3] for place, value in enumerate(values)) % 10)

    kind = fields["format"]
    code = {"TD1": "I", "TD2": "I", "TD3": "P", "MRVA": "V", "MRVB": "V"}[kind]
    head = code.ljust(2, "<") + fields["issuing_state"].ljust(3, "<")
    name = fields["primary_identifier"].replace(" ", "<")
    if fields["secondary_identifier"]:
        name += "<<" + fields["secondary_identifier"].replace(" ", "<")
    number = fields["document_number"].ljust(9, "<")
    number += digit(number)
    birth = fields["date_of_birth"].strftime("%y%m%d")
    birth += digit(birth)
    expiry = fields["date_of_expiry"].strftime("%y%m%d")
    expiry += digit(expiry)
    sex, nationality, optional = fields["sex"] or "<", fields["nationality"].ljust(3, "<"), fields["optional_data"]
    width = WIDTHS[kind]
    if kind == "TD1":
        first = (head + number + optional).ljust(30, "<")
        second = (birth + sex + expiry + nationality + fields["optional_data_2"]).ljust(29, "<")
        return [first, second + digit(first[5:] + birth + expiry + second[18:29]), name.ljust(30, "<")]
    first = (head + name).ljust(width, "<")
    second = number + nationality + birth + sex + expiry
    if kind in {"MRVA", "MRVB"}:
        return [first, (second + optional).ljust(width, "<")]
    if kind == "TD2":
        second = (second + optional).ljust(35, "<")
        return [first, second + digit(second[0:10] + second[13:20] + second[21:35])]
    optional = optional.ljust(14, "<")
    second += optional + digit(optional)
    return [first, second + digit(second[0:10] + second[13:20] + second[21:43])]


@given(zone_fields)
def test_a_composed_zone_reads_back(fields):
    assume(expiry_is_in_the_window(fields["date_of_expiry"]))
    reading = read_mrz(compose(fields), TODAY)
    assert reading.document is not None
    assert reading.document.format.value == fields["format"]
    expected = dict(fields)
    del expected["format"]
    if fields["format"] != "TD1":
        expected["optional_data_2"] = ""
    assert {name: getattr(reading.document, name) for name in expected} == expected
    assert not reading.document.name_may_be_truncated
    assert reading.problems == ()
    assert set(outcomes(reading).values()) == {S}


CHECKED = {  # (line, first place, end): what digits protect, themselves included
    "TD1": [(0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 30)],
    "TD2": [(1, 0, 10), (1, 13, 20), (1, 21, 36)],
    "TD3": [(1, 0, 10), (1, 13, 20), (1, 21, 44)],
    "MRVA": [(1, 0, 10), (1, 13, 20), (1, 21, 28)],
    "MRVB": [(1, 0, 10), (1, 13, 20), (1, 21, 28)],
}


@given(zone_fields, st.randoms(use_true_random=False))
def test_every_single_changed_checked_character_is_reported_unless_its_value_collides(fields, random):
    lines = compose(fields)
    for line, start, end in CHECKED[fields["format"]]:
        for place in range(start, end):
            old = lines[line][place]
            new = random.choice(alphanumeric + "<")
            value = lambda c: 0 if c == "<" else int(c, 36)
            if (value(new) - value(old)) % 10 == 0:
                continue  # the weights cannot see it: the limit of the standard's own digits
            changed = list(lines)
            changed[line] = lines[line][:place] + new + lines[line][place + 1 :]
            reading = read_mrz(changed, TODAY)
            assert F in outcomes(reading).values(), (line, place, old, new)
            assert ReasonCode.MRZ_CHECK_DIGIT_WRONG in {reason.code for reason in reading.problems}
            assert check_mrz_digits(reading).outcome is F


@given(zone_fields)
def test_letters_never_stand_for_a_check_digit(fields):
    assume(fields["format"] != "TD1")
    lines = compose(fields)
    changed = lines[1][:19] + "O" + lines[1][20:]
    assert outcomes(read_mrz([lines[0], changed], TODAY))["date_of_birth"] is F


# --- nonsense ------------------------------------------------------------------------------------------------------------

zone_like = st.sampled_from([(3, 30), (2, 36), (2, 44)]).flatmap(
    lambda shape: st.lists(
        st.text(alphanumeric + "<", min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


@given(st.lists(st.text(max_size=70), max_size=5) | zone_like, st.dates())
def test_arbitrary_text_never_raises(lines, today):
    reading = read_mrz(lines, today)
    check_mrz_digits(reading)
    if reading.document is None:
        assert reading.problems
        assert check_mrz_digits(reading).outcome is not S
    else:
        check_expiry(reading.document, today)
        assert reading.document.date_of_birth is None or reading.document.date_of_birth <= today


@pytest.mark.parametrize(
    "lines",
    [["A" * 10_000_000], ["<" * 30] * 1_000_000, ["P<" * 5_000_000, "0" * 44], [" " * 10_000_000, "\ud800" * 44]],
    ids=["long line", "many lines", "long first line", "blanks"],
)
def test_huge_input_is_quick(lines):
    start = time.perf_counter()
    reading = read_mrz(lines, TODAY)
    assert time.perf_counter() - start < 0.5
    assert reading.document is None
    assert [reason.code for reason in reading.problems] == [ReasonCode.MRZ_FORMAT_UNKNOWN]


@pytest.mark.parametrize("lines", [[], [""], ["", "", ""], ["A" * 44], ["A" * 44, "A" * 36], ["A" * 30, "A" * 30]])
def test_no_format(lines):
    assert read_mrz(lines, TODAY).format is None


@pytest.mark.parametrize("character", ["a", "!", "É", "٣", "К", " ", "\u200b"])
def test_a_character_that_cannot_stand_in_a_zone_makes_it_unreadable(character):
    lines = compose(plain())
    lines[0] = lines[0][:10] + character + lines[0][11:]
    reading = read_mrz(lines, TODAY)
    assert (reading.format is not None, reading.document) == (True, None)
    assert [reason.code for reason in reading.problems] == [ReasonCode.MRZ_UNREADABLE]


def test_line_ends_and_surrounding_blanks_are_ignored():
    first, second = compose(plain())
    assert outcomes(read_mrz([first + "\r\n", "  " + second + " \n"], TODAY)) == outcomes(
        read_mrz([first, second], TODAY)
    )


# --- single facts of Doc 9303 ----------------------------------------------------------------------------------------------


def plain(**changes):
    return {
        "format": "TD3",
        "issuing_state": "UTO",
        "nationality": "UTO",
        "document_number": "L898902C3",
        "primary_identifier": "SPECIMEN",
        "secondary_identifier": "ANNA",
        "date_of_birth": date(1974, 8, 12),
        "date_of_expiry": date(2030, 4, 15),
        "sex": "F",
        "optional_data": "",
        "optional_data_2": "",
    } | changes


def test_check_digit_of_the_standard():
    assert check_digit("520727") == "3"  # ICAO Doc 9303-3 §4.9, worked example 1
    assert check_digit("AB2134<<<") == "5"  # worked example 2
    with pytest.raises(ValueError, match="'a'"):
        check_digit("a")


def with_births(text):
    first, second = compose(plain())
    second = second[:13] + text + check_digit(text) + second[20:43]
    return [first, second + check_digit(second[0:10] + second[13:20] + second[21:43])]


@pytest.mark.parametrize("text", ["74<<<<", "7408<<", "<<<<<<", "740230", "74O812"])
def test_a_birth_date_with_unknown_parts_stays_unknown_and_keeps_its_text(text):
    reading = read_mrz(with_births(text), TODAY)
    assert reading.document is not None
    assert reading.document.date_of_birth is None
    assert reading.document.date_of_birth_text == text
    assert check_mrz_digits(reading).outcome is S


@pytest.mark.parametrize(
    ("text", "today", "expected"),
    [
        ("260615", TODAY, date(2026, 6, 15)),
        ("260616", TODAY, date(1926, 6, 16)),
        ("270101", TODAY, date(1927, 1, 1)),
        ("000229", TODAY, date(2000, 2, 29)),
        ("000229", date(2100, 5, 1), date(2000, 2, 29)),
        ("990101", date(2000, 1, 1), date(1999, 1, 1)),
    ],
)
def test_the_century_of_birth_is_the_latest_that_is_not_in_the_future(text, today, expected):
    document = read_mrz(with_births(text), today).document
    assert document is not None
    assert document.date_of_birth == expected


@pytest.mark.parametrize(
    ("text", "expected", "outcome"),
    [
        ("410101", date(2041, 1, 1), S),
        ("420101", date(1942, 1, 1), F),
        ("260615", date(2026, 6, 15), S),
        ("260614", date(2026, 6, 14), F),
        ("260230", None, U),
        ("26<<<<", None, U),
        ("<<<<<<", None, U),
        ("250615", date(2025, 6, 15), F),
        ("411231", date(2041, 12, 31), S),
    ],
)
def test_expiry_window(text, expected, outcome):
    """TR-03135-1 §5.7.1 with today = 2026-06-15."""
    first, second = compose(plain())
    second = second[:21] + text + check_digit(text) + second[28:43]
    reading = read_mrz([first, second + check_digit(second[0:10] + second[13:20] + second[21:43])], TODAY)
    assert reading.document is not None
    assert check_mrz_digits(reading).outcome is S
    assert reading.document.date_of_expiry == expected
    assert check_expiry(reading.document, TODAY).outcome is outcome


def test_the_expiry_window_crosses_a_century():
    document = read_mrz(compose(plain(date_of_expiry=date(2001, 1, 1))), date(1999, 6, 15)).document
    assert document is not None
    assert document.date_of_expiry == date(2001, 1, 1)


def long_td1(rest_and_digit):
    first = "I<UTOXK7766550<" + rest_and_digit.ljust(15, "<")
    second = "7408122F3004153UTO".ljust(29, "<")
    second = "740812" + check_digit("740812") + "F" + "300415" + check_digit("300415") + second[15:]
    composite = check_digit(first[5:] + second[0:7] + second[8:15] + second[18:29])
    return [first, second + composite, "SPECIMEN<<ANNA".ljust(30, "<")]


@pytest.mark.parametrize("found", list("0123456789"))
def test_both_conventions_for_long_numbers_and_no_third(found):
    reading = read_mrz(long_td1("412" + found), TODAY)
    assert reading.document is not None
    assert reading.document.document_number == "XK7766550412"
    assert reading.document.optional_data == ""
    digit = digit_of(reading, "document_number")
    expected = {"4": (S, STANDARD), "8": (S, FILLER_COUNTED)}.get(found, (F, STANDARD))
    assert (digit.outcome, digit.convention) == expected
    assert check_mrz_digits(reading).outcome is expected[0]
    assert (ReasonCode.MRZ_LONG_NUMBER_CONVENTION in {r.code for r in reading.problems}) is (found == "8")


def test_optional_data_after_a_long_number_is_kept():
    document = read_mrz(long_td1("4124<AB12"), TODAY).document
    assert document is not None
    assert (document.document_number, document.optional_data) == ("XK7766550412", "AB12")


def test_a_filler_as_digit_without_continuation_is_wrong():
    reading = read_mrz(long_td1(""), TODAY)
    assert outcomes(reading)["document_number"] is F
    assert outcomes(reading)["composite"] is S


def test_the_digit_of_an_empty_optional_field_may_be_a_filler_and_of_a_filled_one_not():
    first, second = compose(plain())
    second = second[:42] + "<" + second[43]
    assert outcomes(read_mrz([first, second], TODAY))["optional_data"] is S
    first, second = compose(plain(optional_data="0"))
    assert outcomes(read_mrz([first, second[:42] + "<" + second[43]], TODAY))["optional_data"] is F


@pytest.mark.parametrize("kind", FORMATS)
def test_a_name_without_secondary_identifier_is_legal(kind):
    document = read_mrz(compose(plain(format=kind, secondary_identifier="")), TODAY).document
    assert document is not None
    assert (document.primary_identifier, document.secondary_identifier) == ("SPECIMEN", "")


def test_a_name_that_fills_its_field_may_be_truncated_and_is_no_finding():
    reading = read_mrz(compose(plain(primary_identifier="S" * 34, secondary_identifier="ANN")), TODAY)
    assert reading.document is not None
    assert reading.document.name_may_be_truncated
    assert [reason.code for reason in reading.problems] == [ReasonCode.MRZ_NAME_TRUNCATED]
    assert check_mrz_digits(reading).outcome is S


def test_wrong_digits_are_named_with_what_was_found_and_expected():
    first, second = compose(plain())
    wrong = str((int(second[9]) + 1) % 10)
    result = check_mrz_digits(read_mrz([first, second[:9] + wrong + second[10:]], TODAY))
    assert result.outcome is F
    number = next(entry for entry in result.compared if entry.name == "document_number")
    assert (number.found, number.expected) == (wrong, second[9])
    assert {reason.code for reason in result.reasons} == {ReasonCode.MRZ_CHECK_DIGIT_WRONG}
