"""Two rulebooks held side by side on a day: do they say the same of a subject, and what of that which took part differs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date

from gate_agent.policy.rulebook import Rule, Rulebook


class RulebookComparison:
    """The rulebook that is in force and the one that would take its place; answers are kept, because a journal asks about few days."""

    def __init__(self, older: Rulebook, newer: Rulebook) -> None:
        self.older, self.newer = older, newer
        self._older_rules = {rule.rule_id: rule for rule in older.rules}
        self._newer_rules = {rule.rule_id: rule for rule in newer.rules}
        self._spoken: dict[tuple[int, Collection[str], Collection[str], date], frozenset[Rule]] = {}

    def says_the_same(
        self,
        subjects: Collection[str],
        then: date,
        rulebook: Rulebook,
        on: date,
        *,
        besides: Collection[str] = (),
    ) -> bool:
        """Tell whether a rulebook says of these subjects on a day what the older one said on the day `then`, and of all days before.

        `besides`: parameters that do not matter. Rules of another name count as different, whatever they say.
        """
        return self._begun(self.older, subjects, then, besides) == self._begun(rulebook, subjects, on, besides)

    def differing(self, used: Iterable[str], on: date) -> tuple[str, ...]:
        """Return what made the difference of two answers: of the rules that took part in either, those that are not the same in both.

        Where every one of them is the same, what else differs is named instead (`options.…`, `rates`, `goods_kinds`).
        """
        found = [
            rule_id
            for rule_id in dict.fromkeys(used)
            if _spoken(self._older_rules.get(rule_id), on) != _spoken(self._newer_rules.get(rule_id), on)
        ]
        if found:
            return tuple(found)
        found = [
            f"options.{name}"
            for name in self.newer.options
            if self.older.options.get(name) != self.newer.options.get(name)
        ]
        return (
            *found,
            *(name for name in ("rates", "goods_kinds") if getattr(self.older, name) != getattr(self.newer, name)),
        )

    def begins_after(self, last: date) -> tuple[str, ...]:
        """Return the rules that only the newer rulebook has, or has otherwise, and that begin after a day: they can have moved nothing."""
        return tuple(
            rule.rule_id
            for rule in self.newer.rules
            if rule.effective_from > last and rule != self._older_rules.get(rule.rule_id)
        )

    def _begun(
        self, rulebook: Rulebook, subjects: Collection[str], on: date, besides: Collection[str]
    ) -> frozenset[Rule]:
        asked = (id(rulebook), subjects, besides, on)
        if asked not in self._spoken:
            self._spoken[asked] = frozenset(
                replace(spoken, parameters=tuple(one for one in spoken.parameters if one[0] not in besides))
                for rule in rulebook.rules
                if rule.subject in subjects and rule.effective_from <= on and (spoken := _spoken(rule, on)) is not None
            )
        return self._spoken[asked]


def _spoken(rule: Rule | None, on: date) -> Rule | None:
    """Return a rule as it speaks on a day: that it ends later, its source and its note change no answer."""
    if rule is None:
        return None
    ended = rule.effective_to if rule.effective_to is not None and rule.effective_to < on else None
    return replace(rule, effective_to=ended, source="", note="")
