"""What shifts between two rulebooks, counted: how many decisions, in which direction, by which rules, what duty comes to, and examples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from gate_agent.domain.crossing import Admission, Corridor
from gate_agent.domain.money import Money

DUTY = "duty"
CORRIDOR, ELIGIBILITY, ADMISSION = "corridor", "eligibility", "admission"
ABOUT = (CORRIDOR, DUTY, ELIGIBILITY, ADMISSION)
AMOUNT, OFFICER = "amount", "officer"
"""What a question of duty ends in: a sum, or an officer who decides because something is not known."""

_WORDS = {
    CORRIDOR: tuple(one.value for one in Corridor),
    ADMISSION: (Admission.RELEASE.value, Admission.REFER.value),
}
"""Words that a matrix names even where nobody has them."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One question that both rulebooks answered. `name`: the id of the record, or the case. `because`: what made the difference.

    `amounts` before and after are those of a duty. `is_as_recorded`: whether the older rulebook comes to what the record says; None where
    the record says nothing, or was made by another rulebook or for another day.
    """

    about: str
    name: str
    before: str
    after: str
    because: tuple[str, ...] = ()
    amounts: tuple[Money, Money] | None = None
    is_as_recorded: bool | None = None

    @property
    def direction(self) -> str:
        """How it shifts, empty where it does not."""
        if self.before != self.after:
            return f"{self.before}_to_{self.after}"
        if self.amounts is None or self.amounts[0] == self.amounts[1]:
            return ""
        before, after = self.amounts
        if before.currency != after.currency:
            return "other_currency"
        return "more" if after.amount_minor > before.amount_minor else "less"


@dataclass(frozen=True, slots=True)
class Undecided:
    """One question that cannot be decided again; `missing` names what the record does not hold."""

    about: str
    missing: str


@dataclass(slots=True)
class _Tally:
    """The counts of one question."""

    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    directions: Counter[str] = field(default_factory=Counter)
    because: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    as_recorded: Counter[bool] = field(default_factory=Counter)
    sums: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def count(self, one: Decided, most_examples: int) -> None:
        self.matrix[one.before, one.after] += 1
        if one.is_as_recorded is not None:
            self.as_recorded[one.is_as_recorded] += 1
        if one.amounts is not None and one.before == one.after == AMOUNT:
            for total, amount in zip(self.sums, one.amounts, strict=True):
                total[amount.currency] += amount.amount_minor
        direction = one.direction
        if not direction:
            return
        self.directions[direction] += 1
        self.because.update(one.because)
        if len(self.examples[direction]) < most_examples:
            self.examples[direction].append(one.name)

    def line(self, about: str) -> dict[str, object]:
        found: dict[str, object] = {
            "about": about,
            "decided": self.matrix.total(),
            "shifted": self.directions.total(),
            "directions": dict(sorted(self.directions.items())),
        }
        if about == DUTY:
            before, after = self.sums
            found["sums_minor"] = {
                currency: {"before": before[currency], "after": after[currency]} for currency in sorted(before | after)
            }
        else:
            words = dict.fromkeys([*_WORDS.get(about, ()), *sorted(word for pair in self.matrix for word in pair)])
            found["matrix"] = {one: {other: self.matrix[one, other] for other in words} for one in words}
        return found | {
            "because": dict(self.because.most_common()),
            "as_recorded": self.as_recorded[True],
            "not_as_recorded": self.as_recorded[False],
            "undecided": dict(sorted(self.undecided.items())),
            "examples": {direction: self.examples[direction] for direction in sorted(self.examples)},
        }


def tallied(found: Iterable[Decided | Undecided], most_examples: int) -> list[dict[str, object]]:
    """Return one line for each question: corridor, duty, eligibility, admission; with at most so many examples of each direction."""
    tallies = {about: _Tally() for about in ABOUT}
    for one in found:
        if isinstance(one, Undecided):
            tallies[one.about].undecided[one.missing] += 1
        else:
            tallies[one.about].count(one, most_examples)
    return [tallies[about].line(about) for about in ABOUT]
