"""Which agency is asked what after the passage: the corridor's reasons, shared out by the rulebook's desk rules.

Where no desk rule names a reason, customs asks: a reason is never lost because nobody wrote down whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from gate_agent.domain.agency import Agency, AgencyTask
from gate_agent.domain.crossing import Corridor
from gate_agent.domain.reasons import Reason
from gate_agent.policy.rulebook import ANY, DeskRule, Rulebook


def agency_tasks(rulebook: Rulebook, on: date, corridor: Corridor, reasons: Sequence[Reason]) -> tuple[AgencyTask, ...]:
    """Return each agency's task, in the order of `Agency`; none for green. A reason may be several agencies', or nobody's.

    `reasons` are all that were found, not only those that are shown. Where all of them are nobody's, customs asks: who is sent to a
    desk finds somebody there.
    """
    if corridor is Corridor.GREEN:
        return ()
    asked: dict[Agency, list[Reason]] = {}
    for reason in reasons:
        for agency in _agencies(rulebook.desk_rules, on, reason):
            asked.setdefault(agency, []).append(reason)
    if not asked:
        asked[Agency.CUSTOMS] = list(reasons)
    return tuple(AgencyTask(agency, tuple(asked[agency])) for agency in Agency if agency in asked)


def _agencies(rules: Sequence[DeskRule], on: date, reason: Reason) -> tuple[Agency, ...]:
    """Return whose a reason is: rules for its very kind of goods go before those for any, and of those the newest date counts."""
    applying = [rule for rule in rules if rule.reason == reason.code.value and rule.applies_on(on)]
    for goods_kind in (reason.parameters.get("goods", ANY), ANY):
        named = [rule for rule in applying if rule.goods_kind == goods_kind]
        if named:
            newest = max(rule.effective_from for rule in named)
            return tuple(dict.fromkeys(one for rule in named if rule.effective_from == newest for one in rule.agencies))
    return (Agency.CUSTOMS,)
