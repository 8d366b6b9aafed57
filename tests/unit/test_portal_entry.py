"""Numbers and texts as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gate_agent.cli.portal import notifiers_of
from gate_agent.domain.money import Money
from gate_agent.errors import SettingsFault
from gate_agent.settings import PortalSettings, Settings
from gate_agent.web import number_entry
from gate_agent.web.formats import mass_text, money_text
from gate_agent.web.number_entry import EntryRefused, scaled_number, typed_money, typed_number
from gate_agent.web.portal import entry


@pytest.mark.parametrize(
    ("text", "scaled"),
    [
        ("1200", 120_000), ("1 200", 120_000), ("1\u00a0200,50", 120_050), ("1,200.50", 120_050), ("1.200,50", 120_050),
        ("1,200,300", 120_030_000), ("1.200.300", 120_030_000), ("0.5", 50), ("0,500", 50), ("1200.00", 120_000),
        ("1200.500", 120_050), ("1'200.50", 120_050), ("1’200.5", 120_050), ("007", 700), (" 12 ", 1200), ("12.0", 1200),
    ],
)  # fmt: skip
def test_amounts_people_write(text: str, scaled: int) -> None:
    assert scaled_number(text, 2) == scaled


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "number_missing"), ("  ", "number_missing"), ("1,200", "number_unclear"), ("12.345", "number_unclear"),
        ("1.2345", "number_fine"), ("0.005", "number_fine"), ("-5", "number_malformed"), ("+5", "number_malformed"), ("1e9", "number_malformed"),
        ("12,34,56", "number_malformed"), ("1.2.3", "number_malformed"), ("1,200.300.400", "number_malformed"), ("5 USD", "number_malformed"),
        ("²", "number_malformed"), (".5", "number_malformed"), ("5.", "number_malformed"), ("9" * 25, "number_malformed"),
        ("<b>1</b>", "number_malformed"), ("1,20.5", "number_malformed"),
    ],
)  # fmt: skip
def test_amounts_that_are_asked_again(text: str, key: str) -> None:
    with pytest.raises(EntryRefused) as caught:
        scaled_number(text, 2)
    assert caught.value.key == key


@given(st.integers(1, 10**13))
def test_shown_amounts_are_read_back(amount_minor: int) -> None:
    for language in ("en", "ru", "uz-Latn", "fa-AF"):
        shown = money_text(Money(amount_minor, "USD"), language).removesuffix("\u00a0USD")
        if shown.count(",") == 1 and "." not in shown and language == "en":
            shown += ".00"  # "1,200" alone could be two amounts
        assert scaled_number(shown, 2) == amount_minor


@given(st.integers(1, 10**13), st.sampled_from(["USD", "UZS", "JPY"]))
def test_what_the_page_writes_into_a_field_is_read_back(number: int, currency: str) -> None:
    """A page that comes again shows what was typed before, and must not ask about its own writing."""
    assert number_entry.money(typed_money(Money(number, currency)), currency) == Money(number, currency)
    assert entry.quantity(typed_number(number % 10**8 + 1, 3), "ml") == number % 10**8 + 1


@given(st.text(max_size=60))
def test_no_text_breaks_an_entry(text: str) -> None:
    for read in (
        entry.description, entry.issuing_state, entry.document_number, entry.seal_id, entry.person_name, number_entry.mass_g,
        lambda one: number_entry.money(one, "UZS"),
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


def test_digits_of_a_persian_keyboard_are_taken() -> None:
    assert scaled_number("۱٬۲۰۰٫۵۰", 2) == 120_050
    assert scaled_number("۱۲۰۰", 2) == 120_000
    assert scaled_number("٣", 2) == 300  # an Arabic one
    assert entry.document_number("P۰۱۲۳۴۵۶") == "P0123456"


def test_minor_units_and_masses() -> None:
    assert number_entry.money("1500", "JPY") == Money(1500, "JPY")
    assert money_text(Money(1500, "JPY"), "en") == "1,500\u00a0JPY"
    with pytest.raises(EntryRefused):
        number_entry.money("1.5", "JPY")
    with pytest.raises(EntryRefused):
        number_entry.money("5", "XXX")
    with pytest.raises(EntryRefused):
        number_entry.money("0", "USD")
    assert number_entry.mass_g("0,25") == 250
    assert mass_text(1250, "ru") == "1,25\u00a0кг"


@pytest.mark.parametrize(
    ("text", "chat"),
    [("12345", "12345"), (" 123 456 789 ", "123456789"), ("-1001234567890", "-1001234567890"), ("\u2212100 1234", "-1001234")],
)  # fmt: skip
def test_a_chat_is_the_one_that_was_typed(text: str, chat: str) -> None:
    assert entry.chat(text) == chat


@pytest.mark.parametrize(
    "text", ["", "123", "-", "12-345", "(12345)", "–100123456", "0012345", "--12345", "+12345", "chat"]
)
def test_a_chat_that_could_be_anothers_is_asked_again(text: str) -> None:
    with pytest.raises(EntryRefused) as caught:
        entry.chat(text)
    assert caught.value.key == "chat_malformed"


@pytest.mark.parametrize(
    ("text", "prefixes", "key"),
    [
        ("+998 (90) 000-00-00", ("+998",), ""), ("+998900000000", ("+7", "+998"), ""), ("+19005550100", ("+",), ""),
        ("+19005550100", ("+998",), "telephone_elsewhere"), ("+998900000000", (), "telephone_elsewhere"),
        ("998900000000", ("+998",), "telephone_malformed"), ("+0998900000", ("+",), "telephone_malformed"),
    ],
)  # fmt: skip
def test_a_telephone_number_is_one_that_the_site_sends_to(text: str, prefixes: tuple[str, ...], key: str) -> None:
    if not key:
        assert entry.telephone(text, prefixes) == "+" + "".join(filter(str.isdigit, text))
        return
    with pytest.raises(EntryRefused) as caught:
        entry.telephone(text, prefixes)
    assert caught.value.key == key


def test_messages_do_not_travel_in_the_open_beyond_this_machine() -> None:
    for good in ("https://sms.example/send", "http://127.0.0.1:9000/send", "http://localhost/send", "http://[::1]:1/"):
        assert PortalSettings(sms_url=good, telegram_url=good).sms_url == good
    for bad in (
        "http://sms.example/send", "http://127.0.0.1.example/", "http://127.0.0.1@sms.example/", "ftp://127.0.0.1/", "https://", "sms",
    ):  # fmt: skip
        for key in ("sms_url", "telegram_url"):
            with pytest.raises(ValidationError):
                PortalSettings(**{key: bad})
    with pytest.raises(ValidationError):
        PortalSettings(sms_prefixes=("998",))


def test_text_messages_need_the_numbers_that_they_may_go_to(tmp_path: Path) -> None:
    (tmp_path / "sms.token").write_text("SECRET", encoding="ascii")
    settings = Settings()
    portal = PortalSettings(notifiers=("sms",), sms_url="https://sms.example/send")
    settings = settings.model_copy(
        update={"paths": settings.paths.model_copy(update={"keys": tmp_path}), "portal": portal}
    )
    with pytest.raises(SettingsFault, match="sms_prefixes"):
        notifiers_of(settings)
    named = settings.model_copy(update={"portal": portal.model_copy(update={"sms_prefixes": ("+998",)})})
    assert [one.channel for one in notifiers_of(named)] == ["sms"]
