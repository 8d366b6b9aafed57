"""Random selection of one traveller: the governor's probability, moved by trust and frequency, against his draw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.selection import Chance, Draw, SelectedBy, Selection, Standing, TrustCategory, WindowCounts
from gate_agent.policy.frequent_crossing import SUBJECT as FREQUENT
from gate_agent.policy.frequent_crossing import Frequency, frequency_of, window_start
from gate_agent.policy.inspection_governor import BAND, governed_ppm, limits_ppm
from gate_agent.policy.random_selection import is_drawn
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound
from gate_agent.policy.trust_category import ATTENTION, FACTOR, TRUSTED, UNCHANGED, standing_of

_TRUST_RULE = {TrustCategory.TRUSTED: TRUSTED, TrustCategory.ATTENTION: ATTENTION}


@dataclass(frozen=True, slots=True)
class SelectionInputs:
    """What a selection depends on, as the record keeps it: the same inputs give the same answer at the gate and in an audit."""

    draw: Draw | None
    counts: WindowCounts
    standing: Standing
    frequency: Frequency


@dataclass(frozen=True, slots=True)
class SelectionAnswer:
    """The facts for the record; `finding` is what the corridor has to weigh, `because` explains it to an officer."""

    selection: Selection
    finding: Reason | None
    because: tuple[Reason, ...]
    rules: tuple[Rule, ...]


def selection_reach(rulebook: Rulebook, on: date) -> tuple[date, int]:
    """Return how far back passages of a holder count, and over how many crossings of the gate the governor looks."""
    band = rulebook.find(BAND, on)
    return window_start(rulebook, on), band.parameter("window_crossings") if isinstance(band, Rule) else 0


def inputs_of(rulebook: Rulebook, on: date, chance: Chance) -> SelectionInputs:
    """Return what the past of a gate and of a holder comes to on a local date."""
    history = chance.past.history
    return SelectionInputs(
        chance.draw, chance.past.counts, standing_of(rulebook, on, history), frequency_of(rulebook, on, history)
    )


def select(rulebook: Rulebook, on: date, known: SelectionInputs, *, is_red: bool) -> SelectionAnswer:
    """Draw for a traveller. Who is red by a rule stays so and counts as that, whatever his draw says.

    Without a draw (there is no seed) nobody is passed over in silence: the finding is `SELECTION_IMPOSSIBLE`.
    """
    draw, frequency = known.draw, known.frequency
    governed = governed_ppm(rulebook, on, known.counts)
    finding: Reason | None = None
    governed_to = own = 0
    rules: tuple[Rule, ...] = ()
    if isinstance(governed, RuleNotFound):
        finding = Reason(ReasonCode.RULE_NOT_FOUND, {"rule": governed.subject})
    else:
        governed_to, rules = governed
        own, moved_by = _own_ppm(rulebook, on, governed_to, known)
        rules += moved_by
    is_selected = False
    if own and draw is None:
        finding = Reason(ReasonCode.SELECTION_IMPOSSIBLE)
    elif own and draw is not None and is_drawn(draw.value, own):
        is_selected = True
        share = f"{own // 10_000}.{own // 1_000 % 10}"
        finding = Reason(ReasonCode.RANDOM_SELECTION, {"number": str(draw.number), "probability": share})
    selected_by = SelectedBy.RULE if is_red else SelectedBy.RANDOM if is_selected else SelectedBy.NOTHING
    selection = Selection(
        draw=draw,
        counts=known.counts,
        standing=known.standing,
        crossings_counted=frequency.crossings,
        crossing_days=frequency.days,
        is_frequent=frequency.is_frequent,
        governed_ppm=governed_to,
        probability_ppm=own,
        selected_by=selected_by,
    )
    if is_red:
        return SelectionAnswer(selection, None, (), rules)
    return SelectionAnswer(selection, finding, _because(known) if is_selected else (), rules)


def _own_ppm(rulebook: Rulebook, on: date, governed: int, known: SelectionInputs) -> tuple[int, tuple[Rule, ...]]:
    """Return this traveller's probability, moved by what he earned but never out of the rulebook's limits, and what moved it."""
    if not governed:
        return 0, ()
    subjects = [_TRUST_RULE[known.standing.category]] if known.standing.category in _TRUST_RULE else []
    subjects += [FREQUENT] if known.frequency.is_frequent else []
    moved_by = tuple(rule for rule in (rulebook.find(subject, on) for subject in subjects) if isinstance(rule, Rule))
    own = governed
    for rule in moved_by:
        own = own * rule.parameter(FACTOR) // UNCHANGED
    least, most = limits_ppm(rulebook, on)
    return min(most, max(least, own)), moved_by


def _because(known: SelectionInputs) -> tuple[Reason, ...]:
    """Say what raised the probability of somebody who was drawn."""
    found = []
    if known.standing.category is TrustCategory.ATTENTION:
        found.append(Reason(ReasonCode.TRUST_ATTENTION, {"findings": str(known.standing.findings)}))
    if known.frequency.is_frequent:
        parameters = {"crossings": str(known.frequency.crossings), "days": str(known.frequency.days)}
        found.append(Reason(ReasonCode.FREQUENT_CROSSER, parameters))
    return tuple(found)
