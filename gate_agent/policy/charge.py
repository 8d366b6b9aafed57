"""What is charged of a basket: quantity limits first, then the value allowance, then the charge on what is left over.

All of it is exact: parts of goods are fractions, and the sum is rounded once. For every basis of the excess two things hold, and a property
test says so: more goods never cost less, and "highest charge first" never costs more than the order of entry. The second is why the
allowance of whole items is laid out by the best choice there is, and not simply from the dearest item on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

Exact = int | Fraction
"""Never a float. What is whole stays an int, because a fraction costs twenty times as much."""
SCALE = 10_000
"""Charges are counted in ten-thousandths of a minor unit: a value times its basis points, and whole for a floor per kilogram."""
_SCALED_PER_GRAM = 10


class Item(NamedTuple):  # a third of what a frozen dataclass costs to make, and every line of every basket is one
    """One line of goods as the charge sees it; `quantity` counts against its kind's `limit` (None: there is no limit).

    `value` in minor units of the valuation currency; `share_bp` and `floor_per_kg` are the charge's two sides.
    """

    value: int
    mass_g: int
    share_bp: int
    floor_per_kg: int
    kind: str = ""
    quantity: int = 0
    limit: int | None = None

    @property
    def scaled_charge(self) -> int:
        """What the whole item costs when it is charged by itself."""
        return max(self.value * self.share_bp, self.mass_g * self.floor_per_kg * _SCALED_PER_GRAM)


class Charged(NamedTuple):
    """Parts of each item, 0 to 1: over its kind's quantity, counted against the value allowance, over that; and charged for either reason.

    `within` is the value that counts, `excess` what of it is over the allowance.
    """

    over_quantity: tuple[Exact, ...]
    counted: tuple[Exact, ...]
    over_value: tuple[Exact, ...]
    parts: tuple[Exact, ...]
    within: Exact
    excess: Exact


def charged(items: Sequence[Item], allowance: int, *, basis: str, order: str, limited_goods_count: bool) -> Charged:
    """Lay out limits and allowance. Quantity limits go to items as they were entered, the value allowance by `order`."""
    over = _over_quantity(items, is_whole=basis != "excess")
    counted: list[Exact] = [
        0 if item.limit is not None and not limited_goods_count else 1 - part
        for item, part in zip(items, over, strict=True)
    ]
    values = [item.value * part for item, part in zip(items, counted, strict=True)]
    within = sum(values)
    excess: Exact = 0
    if basis == "excess":
        over_value = _excess(items, counted, values, allowance, order)
        excess = max(0, within - allowance)
    else:
        over_value = _whole(items, counted, values, allowance, basis, order, limited_goods_count=limited_goods_count)
        excess = sum([value for value, part in zip(values, over_value, strict=True) if part])
    # most are 0, and a sum of fractions is dear
    parts = tuple(
        first + second if first and second else first or second for first, second in zip(over, over_value, strict=True)
    )
    return Charged(over, tuple(counted), over_value, parts, within, excess)


def _whole(
    items: Sequence[Item],
    counted: Sequence[Exact],
    values: Sequence[Exact],
    allowance: int,
    basis: str,
    order: str,
    *,
    limited_goods_count: bool,
) -> tuple[Exact, ...]:
    if basis == "whole_value":
        # What is over its quantity is part of the whole value too; else the first bottle taken out could cost more.
        is_over = sum(item.value for item in items if item.limit is None or limited_goods_count) > allowance
        return tuple(part if is_over else 0 for part in counted)
    kept = (
        _best_choice(items, counted, values, allowance)
        if order == "highest_charge_first"
        else _from_the_first(values, allowance)
    )
    return tuple(0 if place in kept else part for place, part in enumerate(counted))


def _over_quantity(items: Sequence[Item], *, is_whole: bool) -> tuple[Exact, ...]:
    """Return the part of each item that is over its kind's limit; a whole item counts as over from the first that does not fit."""
    used: dict[str, int] = {}
    parts: list[Exact] = []
    for item in items:
        if item.limit is None or item.quantity == 0:
            parts.append(0)
            continue
        room = max(0, item.limit - used.get(item.kind, 0))
        used[item.kind] = used.get(item.kind, 0) + item.quantity
        over = max(0, item.quantity - room)
        parts.append(int(over > 0) if is_whole or over in {0, item.quantity} else Fraction(over, item.quantity))
    return tuple(parts)


def _excess(
    items: Sequence[Item], counted: Sequence[Exact], values: Sequence[Exact], allowance: int, order: str
) -> tuple[Exact, ...]:
    places = list(range(len(items)))
    if order == "highest_charge_first":  # what costs most for its value: the best use of a value that can be divided
        places.sort(key=lambda place: _per_value(items[place]), reverse=True)  # of equal ones the first stays first
    left: Exact = allowance
    parts: list[Exact] = [0] * len(items)
    for place in places:
        value = values[place]
        covered = min(left, value)
        left -= covered
        if covered != value:
            parts[place] = Fraction(value - covered, items[place].value) if covered else counted[place]
    return tuple(parts)


def _per_value(item: Item) -> Exact:
    if not item.value:
        return 0
    by_mass = item.mass_g * item.floor_per_kg * _SCALED_PER_GRAM
    return item.share_bp if by_mass <= item.value * item.share_bp else Fraction(by_mass, item.value)


def _from_the_first(values: Sequence[Exact], allowance: int) -> set[int]:
    """Return the items that the allowance covers in the order of entry, up to the first that does not fit."""
    left: Exact = allowance
    kept = set()
    for place, value in enumerate(values):
        left -= value
        if left < 0:
            break
        kept.add(place)
    return kept


_Choice = tuple[Exact, Exact, tuple[int, ...]]
"""Value used, charge spared as a number below zero, and the items kept: in this order the better of two comes first."""


def _best_choice(items: Sequence[Item], counted: Sequence[Exact], values: Sequence[Exact], allowance: int) -> set[int]:
    """Return the items to cover so that the charge on the others is least (the knapsack problem, by its undominated choices)."""
    choices: list[_Choice] = [(0, 0, ())]
    for place, item in enumerate(items):
        value, saved = values[place], item.scaled_charge * counted[place]
        with_it = [
            (used + value, spared - saved, (*kept, place))
            for used, spared, kept in choices
            if used + value <= allowance
        ]
        choices = _undominated(choices + with_it)
    used, _, best = choices[-1]
    kept = set(best)
    for place, value in enumerate(
        values
    ):  # what is left over covers what costs nothing: that is not over the allowance
        if place not in kept and used + value <= allowance:
            used += value
            kept.add(place)
    return kept


def _undominated(choices: list[_Choice]) -> list[_Choice]:
    """Return the choices that spare more than every other that uses no more; of equal ones the first by its items."""
    best: Exact = 1
    found = []
    for choice in sorted(choices):
        if choice[1] < best:
            best = choice[1]
            found.append(choice)
    return found


@dataclass(frozen=True, slots=True)
class Amount:
    """What is due, its share of the value and its floor by mass, all scaled by `SCALE`."""

    due: Exact
    share: Exact
    floor: Exact

    def __add__(self, other: Amount) -> Amount:
        """Add the amounts of two members of a family."""
        return Amount(self.due + other.due, self.share + other.share, self.floor + other.floor)


def amount(items: Sequence[Item], laid_out: Charged, *, floor_applies: str, floor_mass_basis: str) -> Amount:
    """Return what the charged parts come to; the larger of share and floor is due, on the total or item by item."""
    parts = laid_out.parts
    share = total([item.value * item.share_bp for item in items], parts)
    if floor_applies == "to_each_item":
        floor = total([item.mass_g * item.floor_per_kg * _SCALED_PER_GRAM for item in items], parts)
        return Amount(total([item.scaled_charge for item in items], parts), share, floor)
    floor = _floor_by_mass(items, laid_out, floor_mass_basis)
    return Amount(max(share, floor), share, floor)


def total(numbers: Sequence[int], parts: Sequence[Exact]) -> Exact:
    """Return what these parts of whole numbers come to: one fraction is made of all that is broken, and none where nothing is."""
    if not any(parts):
        return 0
    whole = above = 0
    below = 1
    for number, part in zip(numbers, parts, strict=True):
        if not part:
            continue
        if isinstance(part, int):
            whole += number * part
        else:
            above = above * part.denominator + number * part.numerator * below
            below *= part.denominator
    more, rest = divmod(above, below)
    return Fraction(whole * below + above, below) if rest else whole + more


def _floor_by_mass(items: Sequence[Item], laid_out: Charged, basis: str) -> Exact:
    """Return the floor on the total: by all the mass, or by what is in proportion to the value in excess."""
    if not any(laid_out.parts):
        return 0
    per_gram = max([item.floor_per_kg for item in items]) * _SCALED_PER_GRAM
    masses = [item.mass_g for item in items]
    if basis == "whole_mass":
        return per_gram * sum(masses)
    over_g = total(masses, laid_out.over_quantity)
    if not laid_out.excess:
        return per_gram * over_g
    within_g = total(masses, laid_out.counted)
    return _quotient(per_gram * (over_g * laid_out.within + within_g * laid_out.excess), laid_out.within)


def _quotient(above: Exact, below: Exact) -> Exact:
    whole, rest = divmod(above, below)
    return Fraction(above, below) if rest else whole
