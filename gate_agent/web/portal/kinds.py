"""What the rulebook asks of goods on one trip, put together for the pages: limited kinds, prohibited ones, permits, what is always declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.policy.corridor import PHONE, VEHICLE
from gate_agent.policy.rulebook import Rule, Rulebook


@dataclass(frozen=True, slots=True)
class KindsAsked:
    """Kinds of goods by what is asked about them; empty without a rulebook or before the trip is known.

    `limited`: the rule with the quantity that is free. `prohibited` and `permit`: kinds by name. `exempt`: kinds that do not count.
    `is_phone_declared`, `is_vehicle_declared`: declared whatever their number. `goods_deadline_days`: see `goods_deadline`.
    """

    limited: Mapping[str, Rule] = field(default_factory=dict)
    prohibited: tuple[str, ...] = ()
    permit: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    is_phone_declared: bool = False
    is_vehicle_declared: bool = False
    goods_deadline_days: int | None = None

    @property
    def restricted(self) -> tuple[str, ...]:
        """Kinds that may not cross, or not without a permit."""
        return (*self.permit, *self.prohibited)

    def goods_deadline(self, declared_on: date) -> date | None:
        """Return by when goods declared as unaccompanied on a local day have to arrive; None where no rule says so."""
        return None if self.goods_deadline_days is None else declared_on + timedelta(days=self.goods_deadline_days)


def kinds_asked(
    rulebook: Rulebook | None, direction: Direction | None, mode: TravelMode | None, on: date
) -> KindsAsked:
    """Return what the rulebook asks on a crossing of the local date `on`."""
    if rulebook is None or direction is None or mode is None:
        return KindsAsked()
    book = rulebook

    def about(subject: str) -> dict[str, Rule]:
        return book.about_goods(subject, on, direction=direction.value, mode=mode.value)

    def flagged(subject: str) -> tuple[str, ...]:
        return tuple(kind for kind, rule in about(subject).items() if rule.value)

    always = about("declaration_quantity")
    deadline = book.find("unaccompanied_deadline", on, direction=direction.value)
    return KindsAsked(
        limited=about("quantity_allowance"),
        prohibited=flagged("prohibited"),
        permit=flagged("permit_required"),
        exempt=flagged("goods_exempt"),
        is_phone_declared=PHONE in always,
        is_vehicle_declared=VEHICLE in always,
        goods_deadline_days=deadline.value if isinstance(deadline, Rule) else None,
    )
