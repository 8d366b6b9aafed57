"""Atlantis, which does not exist: other currencies, bases, kinds and calendars through the same code, and families on one declaration."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import (
    Declaration,
    DeclaredGoods,
    Direction,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import ReasonCode
from gate_agent.policy.cash import cash
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import duty
from gate_agent.policy.rulebook_changes import changes
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook

UZBEKISTAN = parse_rulebook(json.loads(packaged_rulebook_bytes()))
ATLANTIS = parse_rulebook(json.loads(packaged_rulebook_bytes("atlantis")))
ENTRY, AIR, DAY = Direction.ENTRY, TravelMode.AIR, date(2026, 5, 1)
MOMENT = datetime(2026, 5, 1, tzinfo=UTC)


def goods(value, kind="", quantity=None, currency="XTS", owner=0, kg=1):
    return DeclaredGoods("goods", Money(value * 100, currency), kg * 1000, kind, quantity, owner)


def in_atlantis(*lines, **more):
    return duty(ATLANTIS, ENTRY, AIR, DAY, lines, **more)


def named(answer):
    return {(line.name, line.goods): line.amount for line in answer.lines}


def test_whole_items_over_the_allowance_are_charged_at_their_own_rates():
    answer = in_atlantis(goods(700), goods(500, "pearls", 2), goods(300))
    assert answer.allowance == Money(80_000, "XTS")
    # Two pearls are within their number and count nothing; of 700 and 300 together 800 may come in: the 300 are charged whole.
    assert (answer.excess, answer.due) == (Money(30_000, "XTS"), Money(6_000, "XTS"))
    assert named(answer)["charge_on_excess", 2] == 6_000


def test_a_bottle_over_the_quantity_is_charged_whole_and_by_its_floor():
    answer = in_atlantis(goods(40, "nectar", 700, kg=1), goods(40, "nectar", 600, kg=2))
    assert answer.due == Money(2 * 1500, "XTS"), "fifteen a kilogram is more than a fifth of forty"
    assert named(answer)["charge_floor", 1] == 3_000
    assert {line.rule.rule_id for line in answer.lines if line.name == "quantity_allowance"} == {"at.limit.nectar"}


def test_keepsakes_count_nothing_and_other_currencies_are_valued():
    answer = in_atlantis(
        goods(5000, "keepsakes", 1), goods(300, currency="USD"), DeclaredGoods("g", Money(2_000, "JPY"), 1)
    )
    assert answer.value == Money(300 * 250 + 2_000 * 2, "XTS")  # the yen has no smaller unit
    assert named(answer)["goods_exempt", 0] == 500_000
    assert answer.due.amount_minor == 0
    assert in_atlantis(goods(1, currency="EUR")).without_rate == ("EUR",)


def test_a_limited_kind_without_a_quantity_is_for_an_officer():
    answer = in_atlantis(goods(10, "nectar"))
    assert answer.without_quantity == ("nectar",)
    assert answer.is_for_an_officer


def test_a_family_has_its_allowances_together_where_the_rulebook_pools_them():
    lines = (goods(700, owner=0), goods(600, owner=0), goods(100, owner=1))
    alone = in_atlantis(*lines)
    together = in_atlantis(*lines, travellers=2)
    assert (alone.due, together.due) == (Money(12_000 + 0, "XTS"), Money(0, "XTS"))
    assert together.allowance == Money(160_000, "XTS")
    assert ("allowances_pooled", None) in named(together)
    apart = replace(ATLANTIS, options={**ATLANTIS.options, "family_pooling": False})
    each = duty(apart, ENTRY, AIR, DAY, lines, travellers=2)
    assert each.due == Money(12_000, "XTS")
    assert ("allowances_pooled", None) not in named(each)


@pytest.mark.parametrize("travellers", [1, 2, 3])
def test_standing_together_never_costs_a_family_more(travellers):
    lines = [goods(500 + 90 * place, owner=place % travellers) for place in range(6)]
    pooled = in_atlantis(*lines, travellers=travellers)
    apart = duty(
        replace(ATLANTIS, options={**ATLANTIS.options, "family_pooling": False}),
        ENTRY,
        AIR,
        DAY,
        lines,
        travellers=travellers,
    )
    assert pooled.due.amount_minor <= apart.due.amount_minor


def test_cash_is_counted_in_the_countrys_own_currency():
    assert not cash(ATLANTIS, ENTRY, DAY, [Money(1_000_000, "XTS")]).is_over
    over = cash(ATLANTIS, ENTRY, DAY, [Money(1_000_000, "XTS"), Money(100, "USD")])
    assert (over.is_over, over.total) == (True, Money(1_000_250, "XTS"))


def judged(book, *lines, direction=ENTRY):
    declaration = Declaration(b"t", "r", MOMENT, MOMENT, direction, AIR, lines)
    answer = corridor(book, direction, AIR, DAY, declaration, days_abroad=9)
    return answer.corridor, [reason.code for reason in answer.reasons]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (DeclaredGoods("g", Money(100, "USD"), 1, "narcotics", 1), ReasonCode.GOODS_PROHIBITED),
        (DeclaredGoods("g", Money(100, "USD"), 1, "weapon", 1), ReasonCode.GOODS_PERMIT_REQUIRED),
        (DeclaredGoods("g", Money(100, "USD"), 1, "phone", 1), ReasonCode.GOODS_TO_BE_DECLARED),
        (DeclaredGoods("g", Money(100, "USD"), 1, "phone"), ReasonCode.GOODS_TO_BE_DECLARED),
        (DeclaredGoods("g", Money(100, "USD"), 1, "alcohol", 2001), ReasonCode.QUANTITY_OVER_ALLOWANCE),
    ],
    ids=lambda value: value.kind if isinstance(value, DeclaredGoods) else value.value,
)
def test_goods_that_a_rule_names_lead_to_the_desk(line, code):
    colour, codes = judged(UZBEKISTAN, line)
    assert (colour, codes[0]) == (Corridor.RED, code)
    assert ReasonCode.VALUE_OVER_ALLOWANCE not in codes, "a dollar's worth is over no allowance"


def test_goods_within_their_quantity_and_goods_without_one_do_not():
    within = DeclaredGoods("g", Money(100, "USD"), 1, "alcohol", 2000)
    assert ReasonCode.QUANTITY_OVER_ALLOWANCE not in judged(UZBEKISTAN, within)[1]
    unsaid = DeclaredGoods("g", Money(100, "USD"), 1, "alcohol")
    assert judged(UZBEKISTAN, unsaid) == (
        Corridor.YELLOW,
        [ReasonCode.GOODS_QUANTITY_MISSING, ReasonCode.RULE_CERTAINTY_LOW],
    )
    colour, codes = judged(UZBEKISTAN, DeclaredGoods("g", Money(100, "USD"), 1, "rice", 3001), direction=Direction.EXIT)
    assert (colour, codes[0]) == (Corridor.RED, ReasonCode.QUANTITY_OVER_ALLOWANCE)


def test_what_changed_is_told_by_name():
    body = json.loads(packaged_rulebook_bytes("atlantis"))
    body["version"] = 2
    body["rules"][0]["value"] = 90_000
    removed = body["rules"].pop(1)
    body["holidays"].append(
        {"date": "2026-12-24", "name": "Day of Rising", "source": "fictitious", "certainty": "high"}
    )
    found = changes(ATLANTIS, parse_rulebook(body))
    told = [
        (change.what, change.about, change.name, dict(change.after)) for change in found if change.what != "removed"
    ]
    assert told == [
        ("changed", "head", "", {"version": 2}),
        ("changed", "rules", "at.allowance", {"value": 90_000}),
        ("added", "holidays", "2026-12-24", {"name": "Day of Rising", "source": "fictitious", "certainty": "high"}),
    ]
    assert [change.name for change in found if change.what == "removed"] == [removed["id"]]
    assert changes(ATLANTIS, ATLANTIS) == []


def with_more(book, **more):
    declaration = Declaration(b"t", "r", MOMENT, MOMENT, ENTRY, AIR, **more)
    answer = corridor(book, ENTRY, AIR, DAY, declaration, days_abroad=9)
    return answer.corridor, [reason.code for reason in answer.reasons]


def test_a_vehicle_of_ones_own_and_a_phone_are_declared_whatever_their_number():
    vehicle = {"vehicles": (Vehicle("01A777AA", "UTO", "Lada"),)}
    assert with_more(UZBEKISTAN, **vehicle)[:2] == (Corridor.RED, [ReasonCode.GOODS_TO_BE_DECLARED])
    phone = {"phone_imeis": ("490154203237518",)}
    assert with_more(UZBEKISTAN, **phone)[1][0] == ReasonCode.GOODS_TO_BE_DECLARED
    assert with_more(ATLANTIS, **vehicle, **phone) == (Corridor.GREEN, [ReasonCode.DECLARED_WITHIN_ALLOWANCE])


def test_goods_that_follow_are_entered_at_the_desk_and_without_a_rule_an_officer_sets_the_day():
    away = {"unaccompanied": UnaccompaniedGoods("7K3M-92QF", ("g",))}
    assert with_more(ATLANTIS, **away) == (Corridor.YELLOW, [ReasonCode.GOODS_UNACCOMPANIED])
    assert with_more(UZBEKISTAN, **away) == (Corridor.YELLOW, [ReasonCode.RULE_NOT_FOUND])
