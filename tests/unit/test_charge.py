"""What is charged of a basket: worked by hand for each basis, and what has to hold for every basket and every rulebook."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.policy.charge import SCALE, Item, amount, charged

BASES = ("excess", "whole_item", "whole_value")
ORDERS = ("highest_charge_first", "as_entered")


def due(
    items,
    allowance,
    basis="excess",
    order="highest_charge_first",
    counts=True,
    applies="to_each_item",
    mass="whole_mass",
):
    laid_out = charged(items, allowance, basis=basis, order=order, limited_goods_count=counts)
    return amount(items, laid_out, floor_applies=applies, floor_mass_basis=mass).due / Fraction(SCALE)


def item(value, share_bp=3000, floor=0, mass_g=0, **limited):
    return Item(value, mass_g, share_bp, floor, **limited)


@pytest.mark.parametrize(
    ("basis", "order", "expected"),
    [
        ("excess", "highest_charge_first", 10),  # the allowance covers the dear 100 wholly, then half of the cheap 200
        ("excess", "as_entered", 50),  # it covers the cheap 200 first
        ("whole_item", "highest_charge_first", 20),  # the dear one fits, the cheap one does not
        ("whole_item", "as_entered", 50),
        ("whole_value", "highest_charge_first", 70),
        ("whole_value", "as_entered", 70),
    ],
)
def test_two_items_of_different_rates_by_hand(basis, order, expected):
    cheap, dear = item(200, share_bp=1000), item(100, share_bp=5000)
    assert due([cheap, dear], 200, basis, order) == expected


def test_whole_items_are_chosen_and_not_taken_from_the_dearest_on():
    """The dearest fills the allowance alone; without it three others fit, and together they would cost more."""
    items = [item(100, 1000), item(50, 1800), item(40, 2250), item(10, 100)]  # cost 10, 9, 9 and 0.1 when charged whole
    assert due(items, 100, "whole_item") == 10


def test_what_costs_nothing_is_over_the_allowance_only_where_it_does_not_fit():
    """Whole items are chosen by what covering them spares; one that costs nothing was left out although it fitted."""
    free, dear = item(50, share_bp=0), item(60)
    for allowance, over in ((110, (0, 0)), (109, (1, 0)), (59, (0, 1)), (49, (1, 1))):
        laid_out = charged(
            [free, dear], allowance, basis="whole_item", order="highest_charge_first", limited_goods_count=True
        )
        assert laid_out.over_value == over


def test_quantities_go_first_and_go_by_the_order_of_entry():
    first, second = item(60, kind="nectar", quantity=700, limit=1000), item(40, kind="nectar", quantity=600, limit=1000)
    over = charged([first, second], 1000, basis="excess", order="as_entered", limited_goods_count=True).over_quantity
    assert over == (0, Fraction(300, 600))
    whole = charged([first, second], 1000, basis="whole_item", order="as_entered", limited_goods_count=True)
    assert whole.over_quantity == (0, 1)
    assert due([first, second], 1000) == 40 * Fraction(1, 2) * Fraction(3, 10)


def test_limited_goods_count_towards_the_value_or_do_not():
    wine, cloth = item(80, kind="wine", quantity=1, limit=2), item(100)
    assert due([wine, cloth], 100, counts=True) == 24
    assert due([wine, cloth], 100, counts=False) == 0


def test_the_floor_is_compared_on_the_total_or_item_by_item():
    light, heavy = item(1000, mass_g=0, floor=300), item(10, mass_g=1000, floor=300)
    assert due([light, heavy], 0, applies="to_each_item") == 300 + 300
    assert due([light, heavy], 0, applies="to_total") == 303
    assert due([light, heavy], 505, applies="to_total", mass="share_of_excess") == max(505 * 0.3, 150)


limited = st.fixed_dictionaries(
    {"kind": st.sampled_from(["wine", "pearls"]), "quantity": st.integers(0, 6), "limit": st.just(4)}
)
one_item = st.builds(
    lambda value, mass, share, floor, kind: Item(value, mass, share, floor, **kind),
    st.integers(0, 400),
    st.integers(0, 4000),
    st.sampled_from([0, 1000, 3000, 5500]),
    st.sampled_from([0, 20, 90]),
    st.just({}) | limited,
)
same_charge = st.builds(
    lambda value, mass, kind: Item(value, mass, 3000, 30, **kind),
    st.integers(0, 400),
    st.integers(0, 4000),
    st.just({}) | limited,
)
baskets, plain_baskets = st.lists(one_item, min_size=1, max_size=6), st.lists(same_charge, min_size=1, max_size=6)
allowances = st.integers(0, 600)


@given(baskets, allowances, st.sampled_from(BASES), st.booleans(), st.data())
def test_more_goods_never_cost_less(items, allowance, basis, counts, data):
    place = data.draw(st.integers(0, len(items) - 1))
    less = items[:place] + items[place + 1 :]
    assert due(less, allowance, basis, "highest_charge_first", counts) <= due(
        items, allowance, basis, "highest_charge_first", counts
    )
    # In the order of entry what is added last is what "more" means: something put before others takes their place.
    assert due(items[:-1], allowance, basis, "as_entered", counts) <= due(items, allowance, basis, "as_entered", counts)


@given(
    plain_baskets,
    allowances,
    st.sampled_from(["excess", "whole_value"]),
    st.booleans(),
    st.sampled_from(["share_of_excess", "whole_mass"]),
)
def test_more_goods_never_cost_less_with_a_floor_on_the_total(items, allowance, basis, counts, mass):
    """Of goods whose charge is the same; whole items are not among them (`rulebook_format` refuses those with such a floor)."""

    def whole(some):
        return due(some, allowance, basis, "highest_charge_first", counts, "to_total", mass)

    assert whole(items[:-1]) <= whole(items)


@given(baskets, allowances, st.sampled_from(BASES), st.booleans())
def test_highest_charge_first_never_costs_more_than_the_order_of_entry(items, allowance, basis, counts):
    assert due(items, allowance, basis, "highest_charge_first", counts) <= due(
        items, allowance, basis, "as_entered", counts
    )


@given(baskets, allowances, st.sampled_from(BASES), st.sampled_from(ORDERS), st.booleans())
def test_a_larger_allowance_never_costs_more_and_none_covers_more_than_it_holds(items, allowance, basis, order, counts):
    assert due(items, allowance + 50, basis, order, counts) <= due(items, allowance, basis, order, counts)
    laid_out = charged(items, allowance, basis=basis, order=order, limited_goods_count=counts)
    assert all(0 <= part <= 1 for part in laid_out.parts)
    covered = sum(
        one.value * (1 - part) for one, part in zip(items, laid_out.parts, strict=True) if counts or one.limit is None
    )
    assert covered <= allowance
    for kind in ("wine", "pearls"):
        kept = sum(
            one.quantity * (1 - over)
            for one, over in zip(items, laid_out.over_quantity, strict=True)
            if one.kind == kind
        )
        assert kept <= 4


def plainly_due(items, allowance, basis, order, counts, applies, mass):
    """Return due, share and floor in fractions throughout, step by step as docs/rules.md has it and without any short cut."""
    used: dict[str, int] = {}
    over = []
    for one in items:
        beyond = Fraction(0)
        if one.limit is not None and one.quantity:
            room = max(0, one.limit - used.get(one.kind, 0))
            used[one.kind] = used.get(one.kind, 0) + one.quantity
            beyond = Fraction(max(0, one.quantity - room), one.quantity)
        over.append(beyond if basis == "excess" else Fraction(beyond > 0))
    does_count = [counts or one.limit is None for one in items]
    counted = [1 - part if counting else Fraction(0) for part, counting in zip(over, does_count, strict=True)]
    charges = [Fraction(max(one.value * one.share_bp, one.mass_g * one.floor_per_kg * 10), SCALE) for one in items]
    numbers = range(len(items))
    if basis == "whole_value":
        is_over = sum(one.value for one, counting in zip(items, does_count, strict=True) if counting) > allowance
        beyond_value = [part * is_over for part in counted]
    elif basis == "excess":
        dearest = sorted(numbers, key=lambda n: -charges[n] / items[n].value if items[n].value else 0)
        left, beyond_value = Fraction(allowance), [Fraction(0)] * len(items)
        for n in dearest if order == "highest_charge_first" else numbers:
            value = items[n].value * counted[n]
            covered = min(left, value)
            left -= covered
            beyond_value[n] = counted[n] * (value - covered) / value if value else Fraction(0)
    else:
        fitting = [
            kept
            for size in range(len(items) + 1)
            for kept in combinations(numbers, size)
            if sum(items[n].value * counted[n] for n in kept) <= allowance
        ]
        if order == "as_entered":
            fitting = [kept for kept in fitting if kept == tuple(range(len(kept)))]
            fitting = [max(fitting, key=len)]
        best = max(fitting, key=lambda kept: sum(charges[n] * counted[n] for n in kept))
        beyond_value = [Fraction(0) if n in best else counted[n] for n in numbers]
    parts = [first + second for first, second in zip(over, beyond_value, strict=True)]
    share = sum(Fraction(one.value * one.share_bp, SCALE) * part for one, part in zip(items, parts, strict=True))
    if applies == "to_each_item":
        floor = sum(
            Fraction(one.mass_g * one.floor_per_kg, 1000) * part for one, part in zip(items, parts, strict=True)
        )
        return sum(charge * part for charge, part in zip(charges, parts, strict=True)), share, floor
    mass_g = Fraction(0)
    if any(parts):
        value = sum(one.value * part for one, part in zip(items, counted, strict=True))
        excess = sum(one.value * part for one, part in zip(items, beyond_value, strict=True))
        within = excess / value if value else Fraction(0)
        mass_g = sum(one.mass_g * (a + b * within) for one, a, b in zip(items, over, counted, strict=True))
        mass_g = sum(one.mass_g for one in items) if mass == "whole_mass" else mass_g
    floor = max((one.floor_per_kg for one in items), default=0) * mass_g / 1000
    return max(share, floor), share, floor


@given(
    st.lists(one_item, max_size=6),
    allowances,
    st.sampled_from(BASES),
    st.sampled_from(ORDERS),
    st.booleans(),
    st.sampled_from(["to_total", "to_each_item"]),
    st.sampled_from(["share_of_excess", "whole_mass"]),
)
def test_every_short_cut_comes_to_what_the_plain_formula_says(items, allowance, basis, order, counts, applies, mass):
    if basis == "whole_item":
        applies = "to_each_item"  # as every rulebook with whole items has it
    laid_out = charged(items, allowance, basis=basis, order=order, limited_goods_count=counts)
    found = amount(items, laid_out, floor_applies=applies, floor_mass_basis=mass)
    expected = plainly_due(items, allowance, basis, order, counts, applies, mass)
    assert found.due == expected[0] * SCALE
    if basis != "whole_item":  # of choices that are as good another may be taken: its due is the same
        assert (found.share, found.floor) == (expected[1] * SCALE, expected[2] * SCALE)
