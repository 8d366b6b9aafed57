"""Check digits of phones and postal items: worked examples of the standards, and every single slip is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.imei import is_imei, luhn_check_digit
from gate_agent.domain.parcel import is_postal_item, s10_check_digit


@pytest.mark.parametrize("text", ["490154203237518", "352099001761481"])
def test_known_imei(text: str) -> None:
    assert is_imei(text)


@pytest.mark.parametrize(
    "text", ["", "490154203237517", "49015420323751", "4901542032375180", "٤90154203237518", "0" * 15]
)
def test_no_imei(text: str) -> None:
    assert not is_imei(text)


@given(st.text("0123456789", min_size=14, max_size=14).filter(lambda digits: digits.strip("0")), st.integers(0, 13))
def test_every_single_wrong_digit_of_an_imei_is_found(digits: str, place: int) -> None:
    whole = digits + luhn_check_digit(digits)
    assert is_imei(whole)
    for other in set("0123456789") - {whole[place]}:
        assert not is_imei(whole[:place] + other + whole[place + 1 :])


@pytest.mark.parametrize("text", ["RA473124829UT", "CA000000005UT"])
def test_known_postal_item(text: str) -> None:
    """The first is the standard's example with Utopia's letters; zeros give 11, which stands as 5."""
    assert is_postal_item(text)


@pytest.mark.parametrize(
    "text", ["", "RA473124828UT", "ra473124829ut", "RA473124829U", "R1473124829UT", "RA473124829UT "]
)
def test_no_postal_item(text: str) -> None:
    assert not is_postal_item(text)


@given(st.text("0123456789", min_size=8, max_size=8))
def test_check_digits_of_postal_items(serial: str) -> None:
    digit = s10_check_digit(serial)
    weighted = sum(weight * int(one) for weight, one in zip((8, 6, 4, 2, 3, 5, 9, 7), serial, strict=True))
    rest = 11 - weighted % 11
    assert digit == {10: "0", 11: "5"}.get(rest, str(rest))
    assert is_postal_item(f"CP{serial}{digit}UT")
