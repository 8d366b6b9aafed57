"""Numbers and texts as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.money import Money
from gate_agent.web.portal import entry
from gate_agent.web.portal.entry import EntryRefused
from gate_agent.web.portal.numbers import mass_text, money_text


@pytest.mark.parametrize(
    ("text", "scaled"),
    [
        ("1200", 120_000), ("1 200", 120_000), ("1\u00a0200,50", 120_050), ("1,200.50", 120_050), ("1.200,50", 120_050),
        ("1,200,300", 120_030_000), ("1.200.300", 120_030_000), ("0.5", 50), ("0,500", 50), ("1200.00", 120_000),
        ("1200.500", 120_050), ("1'200.50", 120_050), ("1’200.5", 120_050), ("007", 700), (" 12 ", 1200), ("12.0", 1200),
    ],
)  # fmt: skip
def test_amounts_people_write(text: str, scaled: int) -> None:
    assert entry.scaled_number(text, 2) == scaled


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "number_missing"), ("  ", "number_missing"), ("1,200", "number_unclear"), ("12.345", "number_unclear"),
        ("1.2345", "number_fine"), ("0.005", "number_fine"), ("-5", "number_malformed"), ("+5", "number_malformed"), ("1e9", "number_malformed"),
        ("12,34,56", "number_malformed"), ("1.2.3", "number_malformed"), ("1,200.300.400", "number_malformed"), ("5 USD", "number_malformed"),
        ("٣", "number_malformed"), ("²", "number_malformed"), (".5", "number_malformed"), ("5.", "number_malformed"), ("9" * 25, "number_malformed"),
        ("<b>1</b>", "number_malformed"), ("1,20.5", "number_malformed"),
    ],
)  # fmt: skip
def test_amounts_that_are_asked_again(text: str, key: str) -> None:
    with pytest.raises(EntryRefused) as caught:
        entry.scaled_number(text, 2)
    assert caught.value.key == key


@given(st.integers(1, 10**13))
def test_shown_amounts_are_read_back(amount_minor: int) -> None:
    for language in ("en", "ru", "uz-Latn"):
        shown = money_text(Money(amount_minor, "USD"), language).removesuffix("\u00a0USD")
        if shown.count(",") == 1 and "." not in shown and language == "en":
            shown += ".00"  # "1,200" alone could be two amounts
        assert entry.scaled_number(shown, 2) == amount_minor


@given(st.text(max_size=60))
def test_no_text_breaks_an_entry(text: str) -> None:
    for read in (
        entry.description, entry.issuing_state, entry.document_number, entry.seal_id, entry.small_children, entry.mass_g,
        lambda one: entry.money(one, "UZS"),
    ):  # fmt: skip
        try:
            read(text)
        except EntryRefused:
            continue


def test_texts_lose_what_cannot_be_seen() -> None:
    assert entry.description(" gi\u202elam\x1b[31m\u0000  katta\n") == "gilam[31m katta"
    assert entry.document_number(" aa 123-4567< ") == "AA1234567"
    assert entry.issuing_state("d<<") == "D"
    with pytest.raises(EntryRefused):
        entry.description("\u200f\u200f")


def test_minor_units_and_masses() -> None:
    assert entry.money("1500", "JPY") == Money(1500, "JPY")
    assert money_text(Money(1500, "JPY"), "en") == "1,500\u00a0JPY"
    with pytest.raises(EntryRefused):
        entry.money("1.5", "JPY")
    with pytest.raises(EntryRefused):
        entry.money("5", "XXX")
    with pytest.raises(EntryRefused):
        entry.money("0", "USD")
    assert entry.mass_g("0,25") == 250
    assert mass_text(1250, "ru") == "1,25\u00a0кг"
