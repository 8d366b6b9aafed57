"""Sample cases under two rulebooks: each line a question as `egate rules duty` takes it, asked of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from gate_agent.cli.rules_questions import GoodsKindUnknown, answered
from gate_agent.cli.rules_reading import LARGEST_QUESTION_BYTES, QuestionRefused, load
from gate_agent.cli.shift_tally import AMOUNT, CORRIDOR, DUTY, ELIGIBILITY, OFFICER, Decided, Undecided
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.rulebook_comparison import RulebookComparison

_ASKED = (DUTY, CORRIDOR, ELIGIBILITY)
_LONGEST_NAME = 64


def decided_cases(
    lines: Iterable[bytes], compared: RulebookComparison, on: date | None = None
) -> Iterator[Decided | Undecided]:
    """Yield what both rulebooks answer to each case. Raises `QuestionRefused`, which names the line.

    A case may have a `question` (`duty` if left out, `corridor`, `eligibility`) and an `id` of its own. `on` takes the place of its date.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            about, name, case = _read(line, str(number))
            yield _decided(compared, about, name, case if on is None else case | {"date": on.isoformat()})
        except QuestionRefused as error:
            raise QuestionRefused(f"case {number}: {error}", code=error.code) from error


def _read(line: bytes, place: str) -> tuple[str, str, dict[str, Any]]:
    """Return what a case asks, its name, and the question."""
    case = load(line, LARGEST_QUESTION_BYTES)
    about, name = case.pop("question", DUTY), case.pop("id", place)
    if about not in _ASKED:
        raise QuestionRefused(f"question: one of {', '.join(_ASKED)} is expected")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise QuestionRefused(f"id: a text of at most {_LONGEST_NAME} characters is expected")
    return about, name, case


def _decided(compared: RulebookComparison, about: str, name: str, case: dict[str, Any]) -> Decided | Undecided:
    older, newer = (_answered(about, book, case) for book in (compared.older, compared.newer))
    if isinstance(older, GoodsKindUnknown) and isinstance(newer, GoodsKindUnknown):
        raise newer
    if isinstance(older, GoodsKindUnknown) or isinstance(newer, GoodsKindUnknown):
        return Undecided(about, "goods_kind_unknown")  # one of them does not know what the case is about
    used = [str(line["rule_id"]) for line in (*older, *newer) if line.get("rule_id")]
    because = compared.differing(used, date.fromisoformat(case["date"]))
    if about == DUTY:
        before, after = (OFFICER if lines[-1].get("officer") else AMOUNT for lines in (older, newer))
        return Decided(about, name, before, after, because, (_due(older, compared.older), _due(newer, compared.newer)))
    word = "corridor" if about == CORRIDOR else "result"
    return Decided(about, name, str(older[-1][word]), str(newer[-1][word]), because)


def _answered(about: str, rulebook: Rulebook, case: dict[str, Any]) -> list[dict[str, object]] | GoodsKindUnknown:
    try:
        return answered(about, rulebook, case)
    except GoodsKindUnknown as unknown:
        return unknown


def _due(lines: list[dict[str, object]], rulebook: Rulebook) -> Money:
    """Return what the lines say is due; where no line says it, nothing is over."""
    due = next((line["amount"] for line in lines if line["line"] == "due"), 0)
    return Money(int(str(due)), rulebook.valuation_currency)
