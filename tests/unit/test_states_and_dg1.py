"""State codes, and the printed zone against the chip's."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.mrz_comparison import compare_mrz_with_dg1
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.states import (
    NATIONALITY_CODES,
    STATE_CODES,
    is_nationality,
    same_state,
    three_letter,
    two_letter,
)

TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD1 = ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")


@pytest.mark.parametrize(
    ("code", "certificate", "same"),
    [
        ("UZB", "UZ", True), ("UZB", "uz", True), ("D<<", "DE", True), ("D", "de", True), ("DEU", "DE", True),
        ("GBD", "GB", True), ("BMU", "GB", True), ("BMU", "BM", True), ("HKG", "HK", True), ("HKG", "CN", True),
        ("UNO", "UN", True), ("UNO", "ZZ", True), ("EUE", "EU", True), ("RKS", "KS", True), ("RKS", "XK", True),
        ("UTO", "UT", True), ("UZB", "KZ", False), ("CHN", "HK", False), ("GBR", "BM", False), ("D<<", "FR", False),
        ("QQQ", "UZ", None), ("UZB", "QQ", None), ("", "UZ", None), ("UZB", "", None), ("XXA", "UZ", None), ("XXX", "XX", None),
    ],
)  # fmt: skip
def test_same_state(code: str, certificate: str, same: bool | None) -> None:
    assert same_state(code, certificate) is same


def test_the_table_is_whole() -> None:
    assert {"UZB", "KAZ", "KGZ", "TJK", "TKM", "AFG", "RUS", "D", "UTO"} <= STATE_CODES
    assert len(STATE_CODES) > 260
    assert {"XXA", "XXB", "XXC", "XXX"} == NATIONALITY_CODES - STATE_CODES
    assert is_nationality("D<<")
    assert is_nationality("XXB")
    assert not is_nationality("QQQ")
    assert "GBR" in three_letter("GB")
    assert "BMU" in three_letter("GB")
    assert "UZB" not in three_letter("GB")
    for code in STATE_CODES:
        assert all(same_state(code, letters) for letters in two_letter(code))


@given(st.text(max_size=6), st.text(max_size=6))
def test_any_text_is_answered(one: str, other: str) -> None:
    assert same_state(one, other) in {True, False, None}


@pytest.mark.parametrize("lines", [TD1, TD2, TD3])
def test_equal_zones(lines: tuple[str, ...]) -> None:
    assert compare_mrz_with_dg1(lines, lines, used_card_access_number=False).outcome is CheckOutcome.SUCCESSFUL


def replaced(lines: tuple[str, ...], line: int, at: int, text: str) -> tuple[str, ...]:
    changed = lines[line][:at] + text + lines[line][at + len(text) :]
    return (*lines[:line], changed, *lines[line + 1 :])


PLACES = {
    "document_code": (0, 1, "S"), "issuing_state": (0, 2, "UZB"), "primary_identifier": (0, 5, "X"),
    "secondary_identifier": (0, 15, "X"), "document_number": (1, 0, "X"), "nationality": (1, 10, "UZB"),
    "date_of_birth": (1, 18, "3"), "sex": (1, 20, "M"), "date_of_expiry": (1, 21, "3"), "optional_data": (1, 28, "A"),
}  # fmt: skip


@pytest.mark.parametrize("chosen", [set(), *({name} for name in PLACES), *({a, "optional_data"} for a in PLACES)])
@pytest.mark.parametrize("can", [False, True])
def test_table_5_46(chosen: set[str], can: bool) -> None:
    chip = TD3
    for name in chosen:
        chip = replaced(chip, *PLACES[name])
    result = compare_mrz_with_dg1(TD3, chip, used_card_access_number=can)
    if can:
        assert result.outcome is CheckOutcome.NOT_SUPPORTED
    elif chosen - {"optional_data"}:
        assert result.outcome is CheckOutcome.FAILED
        assert {reason.parameters["field"] for reason in result.reasons} == chosen - {"optional_data"}
    elif chosen:
        assert result.outcome is CheckOutcome.UNDETERMINED
        assert result.reasons[0].code is ReasonCode.DG1_OPTIONAL_DATA_DIFFERS
    else:
        assert result.outcome is CheckOutcome.SUCCESSFUL
    assert {item.name for item in result.compared} == (set() if can else chosen)


def test_unknown_parts_of_a_birth_date_are_exempt_and_the_others_count() -> None:
    unknown = replaced(TD3, 1, 15, "<<<<")
    for one, other in ((TD3, unknown), (unknown, TD3)):
        assert compare_mrz_with_dg1(one, other, used_card_access_number=False).outcome is CheckOutcome.SUCCESSFUL
    other_year = replaced(unknown, 1, 13, "75")
    assert compare_mrz_with_dg1(TD3, other_year, used_card_access_number=False).outcome is CheckOutcome.FAILED


def test_a_long_number_is_a_number_and_not_optional_data() -> None:
    other = replaced(TD1, 0, 16, "4")
    result = compare_mrz_with_dg1(TD1, other, used_card_access_number=False)
    assert result.outcome is CheckOutcome.FAILED
    assert [item.name for item in result.compared] == ["document_number"]


def test_no_shape_and_two_shapes() -> None:
    for one, other in product((TD1, TD2, TD3), repeat=2):
        if one is not other:
            assert compare_mrz_with_dg1(one, other, used_card_access_number=False).outcome is CheckOutcome.FAILED
    assert compare_mrz_with_dg1((), TD3, used_card_access_number=False).outcome is CheckOutcome.UNDETERMINED
    assert compare_mrz_with_dg1(("A", "BB"), TD3, used_card_access_number=False).outcome is CheckOutcome.UNDETERMINED
