"""The traveller's customs declaration as the gate uses it: what a verified token says, bound to one document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gate_agent.domain.money import Money
from gate_agent.domain.permit import Permit


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
    said. `owner` numbers the persons on one declaration, the declarant being 0. `is_temporary`: it goes back where it came from,
    and `mark` tells it from others of its kind (a serial number, an engraving).
    """

    description: str
    value: Money
    mass_g: int
    kind: str = ""
    quantity: int | None = None
    owner: int = 0
    is_temporary: bool = False
    mark: str = ""


MAXIMUM_COMPANIONS = 9
"""Persons beside the declarant: ten travel on one declaration."""


class Relation(StrEnum):
    """What somebody on another's declaration is to the declarant."""

    CHILD = "child"
    WARD = "ward"
    SPOUSE = "spouse"
    PARENT = "parent"
    RELATIVE = "relative"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Companion:
    """Somebody who travels on another's declaration. `binding` ties the token to this person's own document."""

    name: str
    relation: Relation
    date_of_birth: date
    binding: bytes


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle that crosses with its driver: number plate, state of registration (ICAO three-letter code), make."""

    plate: str
    country: str
    make: str


@dataclass(frozen=True, slots=True)
class UnaccompaniedGoods:
    """Goods that travel apart from their owner. `stub_id` names the stub that stays open until they arrive, at the latest on `deadline`.

    `deadline` is None where the rulebook has no rule: an officer sets it.
    """

    stub_id: str
    items: tuple[str, ...]
    deadline: date | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A short declaration. `token_id` identifies the token for consumption; `nothing_to_declare` when no line is filled.

    `companions` are the persons beside the declarant; goods name them by their place, the first being 1. `phone_imeis`: phones that are
    declared, by their IMEI of 15 digits. `filled_in_s`: how long the traveller took over it. `permit`: a visa or the like
    that the traveller says he holds; a rule says whether that is enough.
    """

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
    companions: tuple[Companion, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()
    phone_imeis: tuple[str, ...] = ()
    unaccompanied: UnaccompaniedGoods | None = None
    filled_in_s: int | None = None
    permit: Permit | None = None

    @property
    def travellers(self) -> int:
        """How many persons stand on it, the declarant among them."""
        return 1 + len(self.companions)

    @property
    def nothing_to_declare(self) -> bool:
        """True when no line of the declaration is filled."""
        lines = self.goods or self.cash or self.seal_ids or self.vehicles or self.phone_imeis
        return not lines and self.unaccompanied is None
