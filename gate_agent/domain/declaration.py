"""The traveller's customs declaration as the gate uses it: what a verified token says, bound to one document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gate_agent.domain.money import Money


class Direction(StrEnum):
    """Direction of a crossing, seen from the country."""

    ENTRY = "entry"
    EXIT = "exit"


class TravelMode(StrEnum):
    """How the traveller arrives; allowances depend on it."""

    AIR = "air"
    RAIL = "rail"
    RIVER = "river"
    ROAD = "road"
    FOOT = "foot"


@dataclass(frozen=True, slots=True)
class DeclaredGoods:
    """One line of goods: description, value in minor units, mass in grams.

    `kind` is a goods kind of the rulebook, empty for goods that no rule names; `quantity` counts in that kind's unit, None when it was not
    said. `owner` numbers the members of a family on one declaration, the declarant being 0.
    """

    description: str
    value: Money
    mass_g: int
    kind: str = ""
    quantity: int | None = None
    owner: int = 0


@dataclass(frozen=True, slots=True)
class Declaration:
    """A short declaration. `token_id` identifies the token for consumption; `nothing_to_declare` when no line is filled."""

    token_id: bytes
    reference: str
    issued_at: datetime
    expires_at: datetime
    direction: Direction
    mode: TravelMode
    goods: tuple[DeclaredGoods, ...] = ()
    cash: tuple[Money, ...] = ()
    small_children: int = 0
    seal_ids: tuple[str, ...] = ()

    @property
    def nothing_to_declare(self) -> bool:
        """True when the traveller declares neither goods nor cash nor sealed goods."""
        return not (self.goods or self.cash or self.seal_ids)
