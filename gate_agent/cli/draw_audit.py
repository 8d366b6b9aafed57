"""The auditor's side of random selection: every draw of a day made again from the revealed seed and the records.

Nothing here trusts what a gate concluded. From the seed come the draws, from the record's counts and the rulebook the probability, from both
the selection; with the declaration's record the whole corridor is decided again and compared, colour, reasons and rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from central_sync.messages import DecisionV1, DeclarationV1
from central_sync.selection_parts import DrawSeedV1
from gate_agent.cli.corridor_replay import NotReplayable, replayed
from gate_agent.policy.random_selection import commitment_of, draw_value, is_drawn

if TYPE_CHECKING:
    from central_sync.messages import Record
    from central_sync.selection_parts import SelectionPart
    from gate_agent.policy.rulebook import Rulebook


@dataclass(slots=True)
class Day:
    """What the records say of one gate's local day."""

    committed: list[tuple[int, DrawSeedV1]] = field(default_factory=list)
    revealed: list[DrawSeedV1] = field(default_factory=list)
    decisions: list[tuple[int, DecisionV1]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an auditor has to see; `kind` is stable. Without `is_failure` it only limits what the audit can say."""

    kind: str
    detail: str
    is_failure: bool = True


def audit(
    records: Iterable[Record], rulebook: Rulebook | None, *, day: date | None = None, gate: str | None = None
) -> list[dict[str, object]]:
    """Return one line for each gate and day. `rulebook` None: draws are checked, probabilities and corridors are not."""
    days: dict[tuple[str, date], Day] = defaultdict(Day)
    declarations: dict[tuple[str, str], DeclarationV1] = {}
    for record in records:
        if gate is not None and record.source != gate:
            continue
        content = record.content()
        if isinstance(content, DeclarationV1):
            declarations[record.source, str(content.transaction_id)] = content
        elif isinstance(content, DecisionV1):
            days[record.source, content.local_date].decisions.append((record.seq, content))
        elif isinstance(content, DrawSeedV1):
            told = days[record.source, content.local_date]
            if content.action == "committed":
                told.committed.append((record.seq, content))
            else:
                told.revealed.append(content)
    return [
        _line(source, on, known, rulebook, declarations)
        for (source, on), known in sorted(days.items())
        if day is None or on == day
    ]


def _line(
    source: str, on: date, known: Day, rulebook: Rulebook | None, declarations: dict[tuple[str, str], DeclarationV1]
) -> dict[str, object]:
    findings = [*_of_seed(source, on, known), *_of_numbers(known), *_of_draws(source, on, known)]
    replays, differing = 0, 0
    if rulebook is not None:
        for _, decision in known.decisions:
            found = _of_replay(source, decision, rulebook, declarations)
            replays += found is None or found.is_failure
            differing += found is not None and found.is_failure
            findings += [found] if found else []
    drawn = [decision for _, decision in known.decisions if _draw(decision) is not None]
    failed = any(finding.is_failure for finding in findings)
    return {
        "gate": source,
        "date": on.isoformat(),
        "result": "failed" if failed else "successful" if known.revealed else "undetermined",
        "decisions": len(known.decisions),
        "draws": len({_draw(decision).draw_number for decision in drawn}),  # type: ignore[union-attr] # drawn has them
        "selected_at_random": len(
            {decision.transaction_id for decision in drawn if _draw(decision).selected_by == "random"}  # type: ignore[union-attr] # as above
        ),
        "without_draw": len(known.decisions) - len(drawn),
        "replayed": replays,
        "differing": differing,
        "findings": [{"kind": finding.kind, "detail": finding.detail} for finding in findings],
    }


def _draw(decision: DecisionV1) -> SelectionPart | None:
    selection = decision.selection
    return selection if selection is not None and selection.commitment_id is not None else None


def _of_seed(source: str, on: date, known: Day) -> list[Finding]:
    """Judge the commitment: there is one, it came first, and the seed that was told is the one that was promised."""
    found: list[Finding] = []
    promised = {str(told.commitment_id): told for _, told in known.committed}
    if len(promised) > 1:
        found.append(Finding("seed_twice", f"{len(promised)} seeds were committed for one day"))
    for seq, told in known.committed:
        first = min((place for place, one in known.decisions if _names(one, told)), default=None)
        if first is not None and first < seq:
            found.append(Finding("committed_after_draw", f"record {seq} promises what record {first} drew with"))
        if told.told_on >= on:
            found.append(Finding("committed_on_the_day", f"told on {told.told_on}", is_failure=False))
    for told in known.revealed:
        promise = promised.get(str(told.commitment_id))
        if promise is None:
            found.append(Finding("commitment_missing", f"seed {told.commitment_id} was never promised"))
        elif commitment_of(bytes.fromhex(told.seed), source, on) != promise.commitment:
            found.append(Finding("seed_differs", f"seed {told.commitment_id} is not the one that was promised"))
    if known.committed and not known.revealed:
        found.append(Finding("not_revealed", "the seed was not told yet", is_failure=False))
    return found


def _names(decision: DecisionV1, told: DrawSeedV1) -> bool:
    selection = _draw(decision)
    return selection is not None and selection.commitment_id == told.commitment_id


def _of_numbers(known: Day) -> list[Finding]:
    """Judge the numbers: each for one transaction, none left out, as many as the gate told when it revealed the seed."""
    found: list[Finding] = []
    promised = {told.commitment_id for _, told in known.committed}
    users: dict[int, set[str]] = defaultdict(set)
    for seq, decision in known.decisions:
        selection = _draw(decision)
        if selection is None:
            if decision.selection is not None:
                found.append(Finding("no_draw", f"record {seq}: there was no seed", is_failure=False))
            continue
        if selection.commitment_id not in promised:
            found.append(Finding("commitment_missing", f"record {seq} names a seed that was never promised"))
        users[selection.draw_number or 0].add(str(decision.linked_to or decision.transaction_id))  # a family has one
    found += [
        Finding("number_twice", f"draw {number} was made for {len(transactions)} transactions")
        for number, transactions in sorted(users.items())
        if len(transactions) > 1
    ]
    highest = max([*users, *(told.draws or 0 for told in known.revealed)], default=0)
    missing = [number for number in range(1, highest + 1) if number not in users]
    if missing:
        shown = ", ".join(map(str, missing[:10]))
        found.append(Finding("number_missing", f"{len(missing)} draws have no decision: {shown}"))
    return found


def _of_draws(source: str, on: date, known: Day) -> list[Finding]:
    """Make every draw again."""
    seeds = {told.commitment_id: bytes.fromhex(told.seed) for told in known.revealed}
    found = []
    for seq, decision in known.decisions:
        selection = _draw(decision)
        if selection is None:
            continue
        value = selection.draw_value or 0
        seed = seeds.get(selection.commitment_id) if selection.commitment_id else None
        if seed is not None and draw_value(seed, source, on, selection.draw_number or 0) != value:
            found.append(Finding("draw_differs", f"record {seq}, draw {selection.draw_number}"))
        selects = is_drawn(value, selection.probability_ppm)
        if selection.selected_by != "rule" and selects is not (selection.selected_by == "random"):
            found.append(Finding("selection_differs", f"record {seq}, draw {selection.draw_number}"))
    return found


def _of_replay(
    source: str, decision: DecisionV1, rulebook: Rulebook, declarations: dict[tuple[str, str], DeclarationV1]
) -> Finding | None:
    """Decide again; None when colour, reasons, rules and probability are the same."""
    what = f"decision {decision.decision_id}"
    try:
        used = declarations.get((source, str(decision.transaction_id)))
        if used is None and decision.linked_to is not None:
            used = declarations.get((source, str(decision.linked_to)))
        differs = replayed(decision, used, rulebook)
    except NotReplayable as refusal:
        return Finding("not_replayable", f"{what}: {refusal}", is_failure=False)
    return Finding("replay_differs", f"{what}: {differs}") if differs else None
