"""What is charged of a basket: quantity limits first, then the value allowance, then the charge on what is left over.

All of it is exact: parts of goods are fractions, and the sum is rounded once. For every basis of the excess two things hold, and a property
test says so: more goods never cost less, and "highest charge first" never costs more than the order of entry. The second is why the
allowance of whole items is laid out by the best choice there is, and not simply from the dearest item on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Exact = int | Fraction
"""Never a float. What is whole stays an int, because a fraction costs twenty times as much."""
SCALE = 10_000
"""Charges are counted in ten-thousandths of a minor unit: a value times its basis points, and whole for a floor per kilogram."""
_SCALED_PER_GRAM = 10


@dataclass(frozen=True, slots=True)
class Item:
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


@dataclass(frozen=True, slots=True)
class Charged:
    """Parts of each item, 0 to 1: over its kind's quantity, counted against the value allowance, and over that."""

    over_quantity: tuple[Exact, ...]
    counted: tuple[Exact, ...]
    over_value: tuple[Exact, ...]

    def parts(self) -> tuple[Exact, ...]:
        """Return the part of each item that is charged for either reason."""
        return tuple(first + second for first, second in zip(self.over_quantity, self.over_value, strict=True))


def charged(items: Sequence[Item], allowance: int, *, basis: str, order: str, limited_goods_count: bool) -> Charged:
    """Lay out limits and allowance. Quantity limits go to items as they were entered, the value allowance by `order`."""
    over = _over_quantity(items, is_whole=basis != "excess")
    counted: list[Exact] = [
        0 if item.limit is not None and not limited_goods_count else 1 - part
        for item, part in zip(items, over, strict=True)
    ]
    if basis == "whole_value":
        # What is over its quantity is part of the whole value too; else the first bottle taken out could cost more.
        is_over = sum(item.value for item in items if item.limit is None or limited_goods_count) > allowance
        return Charged(over, tuple(counted), tuple(part if is_over else 0 for part in counted))
    if basis == "whole_item":
        kept = (
            _best_choice(items, counted, allowance)
            if order == "highest_charge_first"
            else _from_the_first(items, counted, allowance)
        )
        return Charged(over, tuple(counted), tuple(0 if place in kept else part for place, part in enumerate(counted)))
    return Charged(over, tuple(counted), _excess(items, counted, allowance, order))


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


def _excess(items: Sequence[Item], counted: Sequence[Exact], allowance: int, order: str) -> tuple[Exact, ...]:
    places = list(range(len(items)))
    if order == "highest_charge_first":  # what costs most for its value: the best use of a value that can be divided
        places.sort(key=lambda place: (-_per_value(items[place]), place))
    left: Exact = allowance
    parts: list[Exact] = [0] * len(items)
    for place in places:
        value = items[place].value * counted[place]
        covered = min(left, value)
        left -= covered
        if covered != value:
            parts[place] = counted[place] if not covered else counted[place] * Fraction(value - covered) / value
    return tuple(parts)


def _per_value(item: Item) -> Exact:
    return Fraction(item.scaled_charge, item.value) if item.value else 0


def _from_the_first(items: Sequence[Item], counted: Sequence[Exact], allowance: int) -> set[int]:
    """Return the items that the allowance covers in the order of entry, up to the first that does not fit."""
    left: Exact = allowance
    kept = set()
    for place, item in enumerate(items):
        left -= item.value * counted[place]
        if left < 0:
            break
        kept.add(place)
    return kept


def _best_choice(items: Sequence[Item], counted: Sequence[Exact], allowance: int) -> set[int]:
    """Return the items to cover so that the charge on the others is least (the knapsack problem, by its undominated choices)."""
    choices: list[tuple[Exact, Exact, frozenset[int]]] = [(0, 0, frozenset())]
    for place, item in enumerate(items):
        value, saved = item.value * counted[place], item.scaled_charge * counted[place]
        with_it = [
            (used + value, spared + saved, kept | {place})
            for used, spared, kept in choices
            if used + value <= allowance
        ]
        choices = _undominated(choices + with_it)
    return set(choices[-1][2])


def _undominated(choices: list[tuple[Exact, Exact, frozenset[int]]]) -> list[tuple[Exact, Exact, frozenset[int]]]:
    """Return the choices that spare more than every other that uses no more; of equal ones the first by its items."""
    best: Exact = -1
    found = []
    for choice in sorted(choices, key=lambda choice: (choice[0], -choice[1], sorted(choice[2]))):
        if choice[1] > best:
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
    parts = laid_out.parts()
    share: Exact = sum(item.value * item.share_bp * part for item, part in zip(items, parts, strict=True))
    if floor_applies == "to_each_item":
        floor: Exact = sum(
            item.mass_g * item.floor_per_kg * _SCALED_PER_GRAM * part for item, part in zip(items, parts, strict=True)
        )
        due: Exact = sum(item.scaled_charge * part for item, part in zip(items, parts, strict=True))
        return Amount(due, share, floor)
    per_kg = max((item.floor_per_kg for item in items), default=0)
    floor = per_kg * _SCALED_PER_GRAM * _mass_g(items, laid_out, parts, floor_mass_basis)
    return Amount(max(share, floor), share, floor)


def _mass_g(items: Sequence[Item], laid_out: Charged, parts: Sequence[Exact], basis: str) -> Exact:
    """Return the mass that the floor on the total counts: all of it, or in proportion to the value in excess."""
    if not any(parts):
        return 0
    if basis == "whole_mass":
        return sum(item.mass_g for item in items)
    over_g: Exact = 0
    within_g: Exact = 0
    within_value: Exact = 0
    excess: Exact = 0
    for item, beyond, counted, part in zip(
        items, laid_out.over_quantity, laid_out.counted, laid_out.over_value, strict=True
    ):
        over_g += item.mass_g * beyond
        within_g += item.mass_g * counted
        within_value += item.value * counted
        excess += item.value * part
    return over_g + within_g * Fraction(excess, within_value) if within_value and excess else over_g
