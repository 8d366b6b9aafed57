"""What an officer signs when a task of the desk is closed: the page builds it, the agent verifies it, nobody changes it in between."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
MOST_LINES = 30
LARGEST_AMOUNT_MINOR = 10**15
LARGEST_MASS_G = 10**9
MOST_QUANTITY = 10**9
"""As much as a declaration can hold (`inspection.token_members`): what was declared can always be closed."""
MOST_DAYS_ABROAD = 36_600


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Amount(_Order):
    """Integer minor units with an ISO 4217 code."""

    amount_minor: int = Field(strict=True, ge=0, le=LARGEST_AMOUNT_MINOR)
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> Self:
        """Return an amount of the rules."""
        return cls(amount_minor=money.amount_minor, currency=money.currency)

    @property
    def money(self) -> Money:
        """The amount as the rules have it."""
        return Money(self.amount_minor, self.currency)


class GoodsLine(_Order):
    """One line of goods as the inspector found it; `kind` and `quantity` as in the rulebook, empty and None where they say nothing."""

    description: str = Field(min_length=1, max_length=200)
    value: Amount
    mass_g: int = Field(strict=True, ge=0, le=LARGEST_MASS_G)
    kind: str = Field("", max_length=40)
    quantity: int | None = Field(None, strict=True, ge=0, le=MOST_QUANTITY)
    owner: int = Field(0, strict=True, ge=0, le=9)
    is_temporary: bool = Field(default=False, strict=True)


class ClosingOrder(_Order):
    """The closing of one task. `goods` None: the declared lines stand. `duty` None: this task settles no duty.

    `days_abroad`, where the officer
    knows them: the gate does not. A duty that differs from what the engine computes on those lines needs `duty_reason`.
    """

    finding: InspectionFinding
    goods: tuple[GoodsLine, ...] | None = Field(None, max_length=MOST_LINES)
    duty: Amount | None = None
    duty_reason: str = Field("", max_length=300)
    days_abroad: int | None = Field(None, strict=True, ge=0, le=MOST_DAYS_ABROAD)
    act_number: str = Field("", max_length=40, pattern=r"^[\w ./№-]*$")
