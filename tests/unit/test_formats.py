"""What is made of the CLDR's data is what Babel makes of it; where ours differ, it is said here."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.money import Money, plain_text, read_plain
from gate_agent.web import formats, i18n
from gate_agent.web.catalogue_findings import AUDIENCES
from gate_agent.web.languages import FACTS
from tools import cldr_formats

LANGUAGES = tuple(FACTS)
AS_BABEL = [one for one in LANGUAGES if one not in {"kaa-Latn", "tg"}]


def locale_of(language: str) -> Locale:
    return Locale.parse(cldr_formats.LOCALES[language])


def test_the_file_is_what_the_tool_writes() -> None:
    assert cldr_formats.TARGET.read_text(encoding="utf-8") == cldr_formats.whole()


@pytest.mark.parametrize("language", AS_BABEL)
@given(day=st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_dates_are_those_of_the_cldr(language: str, day: date) -> None:
    expected = formats.digits_text(format_date(day, "long", locale=locale_of(language)), language)
    assert formats.day_text(day, language) == expected


@pytest.mark.parametrize("language", LANGUAGES)
@given(moment=st.times())
def test_times_are_those_of_the_cldr(language: str, moment: time) -> None:
    expected = formats.digits_text(format_time(moment, "short", locale=locale_of(language)), language)
    assert formats.time_text(moment, language) == expected


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "kaa-Latn"])
@given(scaled=st.integers(0, 10**12), decimals=st.integers(0, 3))
def test_numbers_are_those_of_the_cldr(language: str, scaled: int, decimals: int) -> None:
    system = "default" if language == "fa-AF" else "latn"
    number = Decimal(scaled).scaleb(-decimals)
    expected = format_decimal(number, format="#,##0.###", locale=locale_of(language), numbering_system=system)
    assert formats.number_text(scaled, decimals, language) == formats.digits_text(expected, language)


@pytest.mark.parametrize(
    ("language", "day", "amount", "som", "mass"),
    [
        ("uz-Latn", "4-avgust, 2026", "1 200,50 USD", "5 000 soʻm", "1,25 kg"),
        ("uz-Cyrl", "4 август, 2026", "1 200,50 USD", "5 000 сўм", "1,25 кг"),
        ("kaa-Latn", "2026-jıl 4-avgust", "1 200,50 USD", "5 000 UZS", "1,25 kg"),
        ("ru", "4 августа 2026 г.", "1 200,50 USD", "5 000 UZS", "1,25 кг"),
        ("en", "4 August 2026", "1,200.50 USD", "5,000 UZS", "1.25 kg"),
        ("tg", "4 август 2026", "1 200,50 USD", "5 000 UZS", "1,25 кг"),
        ("ky", "2026-ж., 4-август", "1 200,50 USD", "5 000 UZS", "1,25 кг"),
        ("kk", "2026 ж. 4 тамыз", "1 200,50 USD", "5 000 UZS", "1,25 кг"),
        ("fa-AF", "۴ اگست ۲۰۲۶", "۱٬۲۰۰٫۵۰ USD", "۵٬۰۰۰ UZS", "۱٫۲۵ کیلوگرم"),
        ("zh-Hans", "2026年8月4日", "1,200.50 USD", "5,000 UZS", "1.25 kg"),
    ],
)
def test_each_language_by_hand(language: str, day: str, amount: str, som: str, mass: str) -> None:
    def plain(text: str) -> str:
        return text.replace("\u00a0", " ").replace("\u202f", " ")

    assert plain(formats.day_text(date(2026, 8, 4), language)) == day
    assert plain(formats.money_text(Money(120_050, "USD"), language)) == amount
    assert plain(formats.money_text(Money(500_000, "UZS"), language)) == som
    assert plain(formats.mass_text(1_250, language)) == mass


def test_dates_and_amounts_are_put_into_a_language_and_all_else_stays_as_it_is() -> None:
    for text in ("UTO-3F8Q-11", "camera SN 4711", "12.5 USD", "1.50 JPY", "USD"):
        assert formats.value_text(text, "fa-AF") == text
    assert formats.value_text(plain_text(Money(123_456_700, "UZS")), "uz-Latn") == "1\u00a0234\u00a0567\u00a0soʻm"
    assert formats.amount_text("15000 USD", "en") == "15,000\u00a0USD"
    assert formats.amount_text("2026-08-04", "en") == "2026-08-04"
    assert formats.value_text("2026-08-04", "xx") == "4 August 2026"
    assert formats.minute_text(datetime(2026, 8, 4, 7, 5), "ru").endswith(", 07:05")
    assert formats.kilogram_text("ru") == "кг"


@given(st.integers(0, 10**14), st.sampled_from(["USD", "UZS", "JPY"]))
def test_a_plain_amount_is_read_back(amount_minor: int, currency: str) -> None:
    assert read_plain(plain_text(Money(amount_minor, currency))) == Money(amount_minor, currency)


def forms_of(language: str) -> list[int]:
    """Which form each number from 0 on takes by the CLDR, counted from the first form that a whole number has."""
    rule = locale_of(language).plural_form
    tags = [rule(number) for number in range(1_000)]
    order = [tag for tag in ("zero", "one", "two", "few", "many", "other") if tag in tags]
    return [order.index(tag) for tag in tags]


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=lambda one: one.name)
def test_plural_rules_of_the_catalogues_are_those_of_the_cldr(audience) -> None:
    for language, catalogue in i18n.load_catalogues(audience.name, audience.languages, audience.folder).items():
        assert [catalogue.form_of(number) for number in range(1_000)] == forms_of(language), language
