"""Value allowance and charge on the excess: integer money, one rounding, every line with the rule it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound

_BASIS_POINTS = 10_000
_GRAMS_PER_KG = 1000


@dataclass(frozen=True, slots=True)
class DutyLine:
    """One line of the explanation: what it is, its amount, and the rule behind it (None for sums of what was declared)."""

    name: str
    amount: int
    unit: str
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class DutyAnswer:
    """What is over the allowance and what is due, in US cents, with its explanation; `missing` names rules that were not found."""

    value: Money
    allowance: Money
    excess: Money
    due: Money
    lines: tuple[DutyLine, ...]
    missing: tuple[RuleNotFound, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules used."""
        return tuple(line.rule for line in self.lines if line.rule is not None)


def duty(
    rulebook: Rulebook,
    direction: Direction,
    mode: TravelMode,
    on: date,
    goods: Sequence[DeclaredGoods],
    days_abroad: int | None = None,
) -> DutyAnswer:
    """Return allowance, excess and charge for goods valued in USD. `days_abroad` None: the minimum absence is not judged.

    Raises `ValueError` for goods in another currency.
    """
    value = sum((line.value for line in goods), Money(0, "USD"))
    mass_g = sum(line.mass_g for line in goods)
    where = {"direction": direction.value, "mode": mode.value}
    lines = [DutyLine("customs_value", value.amount_minor, "usd_cents"), DutyLine("mass", mass_g, "g")]
    limit = rulebook.find("value_allowance", on, **where)
    if isinstance(limit, RuleNotFound):
        nothing = Money(0, "USD")
        return DutyAnswer(value, nothing, nothing, nothing, tuple(lines), (limit,))
    allowance = limit.value
    lines.append(DutyLine("value_allowance", limit.value, limit.unit, limit))
    absence = rulebook.find("minimum_absence", on, **where)
    if isinstance(absence, Rule) and days_abroad is not None and days_abroad < absence.value:
        allowance = 0
        lines.append(DutyLine("minimum_absence_not_reached", absence.value, absence.unit, absence))
    excess = max(0, value.amount_minor - allowance)
    lines.append(DutyLine("excess", excess, "usd_cents"))
    if excess == 0:
        return DutyAnswer(value, Money(allowance, "USD"), Money(0, "USD"), Money(0, "USD"), tuple(lines))
    due, charge_lines, missing = _charge(rulebook, on, where, value.amount_minor, excess, mass_g)
    return DutyAnswer(
        value, Money(allowance, "USD"), Money(excess, "USD"), Money(due, "USD"), (*lines, *charge_lines), missing
    )


def _charge(
    rulebook: Rulebook, on: date, where: dict[str, str], value: int, excess: int, mass_g: int
) -> tuple[int, tuple[DutyLine, ...], tuple[RuleNotFound, ...]]:
    """Return the charge: a share of the base, but at least the floor per kilogram; the larger wins, rounded once."""
    base = excess if rulebook.options["excess_basis"] == "excess" else value
    charge = rulebook.find("charge_on_excess", on, **where)
    floor = rulebook.find("charge_floor", on, **where)
    missing = tuple(rule for rule in (charge, floor) if isinstance(rule, RuleNotFound))
    if isinstance(charge, RuleNotFound) or isinstance(floor, RuleNotFound):
        return 0, (), missing
    share = _half_up(base * charge.value, _BASIS_POINTS)
    if rulebook.options["floor_mass_basis"] == "share_of_excess":
        least = _half_up(floor.value * mass_g * base, _GRAMS_PER_KG * value)
    else:
        least = _half_up(floor.value * mass_g, _GRAMS_PER_KG)
    due = max(share, least)
    return (
        due,
        (
            DutyLine("charge_on_excess", share, "usd_cents", charge),
            DutyLine("charge_floor", least, "usd_cents", floor),
            DutyLine("due", due, "usd_cents"),
        ),
        (),
    )


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
