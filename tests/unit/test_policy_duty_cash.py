"""Value allowance, charge and cash: the worked examples on both sides of each boundary, and what must hold for every basket."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.cash import cash
from gate_agent.policy.duty import duty
from gate_agent.policy.rulebook import Rule, RuleNotFound
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook

BOOK = parse_rulebook(json.loads(packaged_rulebook_bytes()))
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def goods(usd, kg, name="goods"):
    return DeclaredGoods(name, Money(round(usd * 100), "USD"), round(kg * 1000))


def usd(answer):
    return tuple(money.amount_minor / 100 for money in (answer.allowance, answer.excess, answer.due))


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2025, 4, 30), (2000, 0, 0)), (date(2025, 5, 1), (1000, 200, 60))],
)
def test_worked_example_on_both_sides_of_the_change(day, expected):
    assert usd(duty(BOOK, ENTRY, TravelMode.AIR, day, [goods(1200, 10)], 5)) == expected


def test_the_explanation_names_rules_and_parts():
    answer = duty(BOOK, ENTRY, TravelMode.AIR, date(2025, 5, 1), [goods(1200, 10)], 5)
    lines = {line.name: (line.amount, line.unit, line.rule.rule_id if line.rule else None) for line in answer.lines}
    assert lines == {
        "customs_value": (120_000, "valuation_minor", None),
        "mass": (10_000, "g", None),
        "value_allowance": (100_000, "valuation_minor", "uz.allowance.air.2025"),
        "excess": (20_000, "valuation_minor", None),
        "charge_on_excess": (6_000, "valuation_minor", "uz.charge.2020"),
        "charge_floor": (500, "valuation_minor", "uz.floor.2020"),
        "due": (6_000, "valuation_minor", None),
    }
    assert [rule.rule_id for rule in answer.rules] == ["uz.allowance.air.2025", "uz.charge.2020", "uz.floor.2020"]


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("air", 2000, 1000), ("rail", 1000, 500), ("river", 1000, 500), ("road", 300, 300), ("foot", 300, 300)],
)
def test_allowance_by_mode(mode, before, after):
    for day, limit in ((date(2018, 2, 1), before), (date(2025, 4, 30), before), (date(2025, 5, 1), after)):
        at_the_limit = duty(BOOK, ENTRY, TravelMode(mode), day, [goods(limit, 1)])
        assert usd(at_the_limit) == (limit, 0, 0)
        assert duty(BOOK, ENTRY, TravelMode(mode), day, [goods(limit + 0.01, 1)]).excess == Money(1, "USD")


@pytest.mark.parametrize(
    ("mode", "day", "days_abroad", "allowance"),
    [
        ("air", date(2025, 7, 20), 2, 0),
        ("air", date(2025, 7, 20), 3, 1000),
        ("air", date(2025, 7, 19), 2, 1000),
        ("rail", date(2025, 7, 20), 1, 0),
        ("rail", date(2025, 7, 20), 2, 500),
        ("foot", date(2025, 7, 20), 0, 0),
        ("foot", date(2025, 7, 20), None, 300),
    ],
)
def test_minimum_absence(mode, day, days_abroad, allowance):
    answer = duty(BOOK, ENTRY, TravelMode(mode), day, [goods(100, 1)], days_abroad)
    assert answer.allowance == Money(allowance * 100, "USD")
    assert answer.excess == Money(10_000 if allowance == 0 else 0, "USD")


def test_the_floor_by_mass_wins_for_heavy_goods():
    answer = duty(BOOK, ENTRY, TravelMode.AIR, date(2025, 8, 1), [goods(1200, 600)], 5)
    assert usd(answer) == (1000, 200, 300)


def test_no_rule_means_an_officer_never_zero_never_unlimited():
    before = duty(BOOK, ENTRY, TravelMode.AIR, date(2017, 12, 31), [goods(1, 1)])
    assert before.missing == (RuleNotFound("value_allowance"),)
    uncharged = duty(BOOK, ENTRY, TravelMode.AIR, date(2019, 12, 31), [goods(2001, 1)])
    assert {rule.subject for rule in uncharged.missing} == {"charge_on_excess", "charge_floor"}
    assert uncharged.excess == Money(100, "USD")


def test_goods_in_another_currency_are_valued_at_the_rate_or_named():
    day = date(2026, 1, 1)
    in_uzs = duty(BOOK, ENTRY, TravelMode.AIR, day, [DeclaredGoods("g", Money(1_292_717 * 1200, "UZS"), 10_000)], 5)
    assert usd(in_uzs) == (1000, 200, 60)
    assert [rate.currency for rate in in_uzs.rates] == ["USD"]
    unknown = duty(BOOK, ENTRY, TravelMode.AIR, day, [DeclaredGoods("g", Money(1, "EUR"), 1), goods(1200, 10)], 5)
    assert unknown.without_rate == ("EUR",)
    assert unknown.is_for_an_officer
    assert usd(unknown) == (1000, 200, 60)


baskets = st.lists(
    st.builds(
        DeclaredGoods, st.just("g"), st.builds(Money, st.integers(0, 300_000), st.just("USD")), st.integers(0, 90_000)
    ),
    min_size=1,
    max_size=6,
)
options = st.fixed_dictionaries(
    {
        "excess_basis": st.sampled_from(["excess", "whole_value"]),
        "floor_mass_basis": st.sampled_from(["share_of_excess", "whole_mass"]),
    }
)
modes, days_abroad = st.sampled_from(list(TravelMode)), st.none() | st.integers(0, 5)


@given(baskets, modes, days_abroad, options, st.data())
def test_the_total_never_rises_when_an_item_is_removed(basket, mode, days, chosen, data):
    book = replace(BOOK, options={**BOOK.options, **chosen})
    whole = duty(book, ENTRY, mode, date(2026, 1, 1), basket, days)
    place = data.draw(st.integers(0, len(basket) - 1))
    less = duty(book, ENTRY, mode, date(2026, 1, 1), basket[:place] + basket[place + 1 :], days)
    assert less.due.amount_minor <= whole.due.amount_minor
    assert less.excess.amount_minor <= whole.excess.amount_minor


@given(baskets, modes, days_abroad)
def test_charge_is_the_larger_of_share_and_floor_and_order_does_not_matter(basket, mode, days):
    answer = duty(BOOK, ENTRY, mode, date(2026, 1, 1), basket, days)
    amounts = {line.name: line.amount for line in answer.lines}
    assert answer.due.amount_minor == max(amounts.get("charge_on_excess", 0), amounts.get("charge_floor", 0))
    assert (
        amounts["excess"]
        == answer.excess.amount_minor
        == max(0, amounts["customs_value"] - answer.allowance.amount_minor)
    )
    assert duty(BOOK, ENTRY, mode, date(2026, 1, 1), basket[::-1], days).due == answer.due


# --- cash ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
@pytest.mark.parametrize(
    ("day", "sum_uzs", "is_over"),
    [
        (date(2023, 12, 5), 70_000_000, False),
        (date(2023, 12, 5), 70_000_001, True),
        (date(2023, 12, 6), 100_000_000, False),
        (date(2023, 12, 6), 100_000_001, True),
        (date(2023, 12, 6), 70_000_001, False),
    ],
)
def test_cash_limit_is_more_than_not_from(direction, day, sum_uzs, is_over):
    answer = cash(BOOK, direction, day, [Money(sum_uzs * 100, "UZS")])
    assert isinstance(answer.limit, Rule)
    assert (answer.is_over, answer.total) == (is_over, Money(sum_uzs * 100, "UZS"))


def test_one_tiyin_more_is_over():
    assert cash(BOOK, ENTRY, date(2024, 1, 1), [Money(10_000_000_001, "UZS")]).is_over


def test_national_and_foreign_cash_add_at_the_newest_rate_not_after_the_day():
    amounts = [Money(1_000_000, "USD"), Money(5_000_000, "UZS")]
    answer = cash(BOOK, ENTRY, date(2025, 4, 26), amounts)
    assert answer.total == Money(1_000_000 * 1_292_717 // 100 + 5_000_000, "UZS")
    assert [rate.on for rate in answer.rates] == [date(2025, 4, 25)]
    assert cash(BOOK, ENTRY, date(2025, 4, 24), amounts).currencies_without_rate == ("USD",)
    assert cash(BOOK, ENTRY, date(2025, 4, 25), amounts).rates == answer.rates


def test_a_currency_without_rate_is_named_once_and_hides_nothing():
    amounts = [Money(5, "XXX"), Money(10_000_000_001, "UZS"), Money(7, "XXX")]
    answer = cash(BOOK, ENTRY, date(2024, 1, 1), amounts)
    assert answer.currencies_without_rate == ("XXX",)
    assert answer.is_over


def test_no_limit_before_the_first_rule():
    answer = cash(BOOK, ENTRY, date(2020, 7, 31), [Money(1, "UZS")])
    assert (answer.limit, answer.is_over) == (RuleNotFound("cash_declaration"), False)


@given(st.lists(st.builds(Money, st.integers(0, 10**12), st.sampled_from(["UZS", "USD", "XXX"])), max_size=5))
def test_more_cash_never_lifts_the_duty_to_declare(amounts):
    answer = cash(BOOK, EXIT, date(2026, 1, 1), amounts)
    fewer = cash(BOOK, EXIT, date(2026, 1, 1), amounts[1:])
    assert answer.is_over >= fewer.is_over
    assert answer.is_over is (answer.total.amount_minor > 10_000_000_000)
