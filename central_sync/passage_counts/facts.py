"""What the records of one passage say that is worth counting. Records may come late, twice or in any order: the outcome is the same.

Of each kind the record with the highest place in the gate's journal holds; who ever touched the passage stays. Nothing here names a
person or a document: moments, codes and durations only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

COUNTED_KINDS = frozenset({"decision", "crossing", "inspection", "declaration", "appeal"})
MACHINE, GUARD = "machine", "guard"
CORRIDORS = ("green", "yellow", "red")

_STEP = re.compile(r"(?!face_)[a-z][a-z_]{0,30}")  # face_… are parts of the step `face`, for whoever mends the software
_MOST_STEPS = 16
_MOST_TASKS = 8
_MOST_REASONS = 24
_log = structlog.get_logger(__name__)


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)
    seq: int


class Decided(_Fact):
    """A decision of the machine or of a guard; `steps_ms` is how long each step before it took."""

    at_ms: int
    utc_offset_min: int | None = None
    corridor: str
    is_referral: bool = False
    reasons: tuple[str, ...] = ()
    steps_ms: dict[str, int] = {}


class Crossed(_Fact):
    """How the passage ended."""

    at_ms: int
    utc_offset_min: int | None = None
    corridor: str
    is_passed: bool


class Inspected(_Fact):
    """One agency's task at the desk. `takes_ms` None: the clock went back in between."""

    agency: str
    takes_ms: int | None
    closed_ms: int
    finding: str
    is_last: bool


class Declared(_Fact):
    """A declaration was used; `filled_in_s` is how long its traveller took over it."""

    filled_in_s: int | None


class Appealed(_Fact):
    """An officer decided on an appeal."""

    is_upheld: bool


class Passage(BaseModel):
    """Everything that counts of one transaction, as far as it was heard. Frozen: `with_record` returns another one."""

    model_config = ConfigDict(frozen=True)

    first_seq: int = 0
    machine: Decided | None = None
    guard: Decided | None = None
    is_touched: bool = False
    crossed: Crossed | None = None
    tasks: dict[str, Inspected] = {}
    declared: Declared | None = None
    appeals: dict[str, Appealed] = {}

    @property
    def decided(self) -> Decided | None:
        """The decision that holds."""
        both = [one for one in (self.machine, self.guard) if one is not None]
        return max(both, key=lambda one: one.seq, default=None)

    def with_record(self, kind: str, seq: int, members: Mapping[str, Any]) -> Passage:
        """Return the passage with what a record says; `members` are those of its content, valid for their kind."""
        passage = self._with(kind, seq, members)
        first = min(seq, self.first_seq or seq)
        return passage if passage.first_seq == first else passage.model_copy(update={"first_seq": first})

    def _with(self, kind: str, seq: int, members: Mapping[str, Any]) -> Passage:
        if kind == "decision":
            update: dict[str, Any] = {"is_touched": self.is_touched or _is_touched(members)}
            name = GUARD if members["decided_by"] == GUARD else MACHINE
            if _is_newer(seq, getattr(self, name)):
                update[name] = _decided(seq, members)
            return self.model_copy(update=update)
        if kind == "crossing" and _is_newer(seq, self.crossed):
            return self.model_copy(update={"crossed": _crossed(seq, members)})
        if kind == "declaration" and _is_newer(seq, self.declared):
            return self.model_copy(update={"declared": Declared(seq=seq, filled_in_s=members.get("filled_in_s"))})
        if kind == "appeal" and _is_newer(seq, self.appeals.get(members["subject"])):
            appealed = Appealed(seq=seq, is_upheld=members["upheld"])
            return self.model_copy(update={"appeals": {**self.appeals, members["subject"]: appealed}})
        if kind == "inspection":
            return self._with_task(seq, members)
        return self

    def _with_task(self, seq: int, members: Mapping[str, Any]) -> Passage:
        tasks, task_id = self.tasks, str(members["task_id"])
        if not _is_newer(seq, tasks.get(task_id)):
            return self
        kept = {**tasks, task_id: _inspected(seq, members)}
        if len(kept) > _MOST_TASKS:  # a stop has one task of each agency; a gate that tells of more says nothing by it
            kept = dict(sorted(kept.items())[:_MOST_TASKS])
        return self.model_copy(update={"tasks": kept})


def transaction_of(kind: str, members: Mapping[str, Any]) -> str | None:
    """Return the transaction that a record counts for, None for a record that is not counted."""
    return str(members["transaction_id"]) if kind in COUNTED_KINDS else None


def read_passage(text: str) -> Passage:
    """Return a kept passage. One that cannot be read counts as unheard of, and the log says so: records must go on being stored."""
    try:
        return Passage.model_validate_json(text)
    except ValidationError as error:
        _log.error("passage_facts_unreadable_counted_anew", faults=error.error_count())
        return Passage()


def _is_newer(seq: int, known: _Fact | None) -> bool:
    return known is None or seq > known.seq


def _is_touched(members: Mapping[str, Any]) -> bool:
    return members["decided_by"] == GUARD or bool(members.get("officers"))


def _decided(seq: int, members: Mapping[str, Any]) -> Decided:
    steps = {
        name: round(took)
        for name, took in sorted((members.get("step_ms") or {}).items())
        if _STEP.fullmatch(name) and took >= 0
    }
    if members.get("software_ms") is not None and members["software_ms"] >= 0:
        steps["software"] = round(members["software_ms"])
    reasons = {
        str(one["code"]) for part in ("admission_reasons", "corridor_reasons") for one in members.get(part) or ()
    }
    return Decided(
        seq=seq,
        at_ms=_ms(members["decided_at"]),
        utc_offset_min=members.get("utc_offset_min"),
        corridor=members["corridor"],
        is_referral=members["admission"] != "release",
        reasons=tuple(sorted(reasons)[:_MOST_REASONS]),
        steps_ms=dict(list(steps.items())[:_MOST_STEPS]),
    )


def _crossed(seq: int, members: Mapping[str, Any]) -> Crossed:
    return Crossed(
        seq=seq,
        at_ms=_ms(members["occurred_at"]),
        utc_offset_min=members.get("utc_offset_min"),
        corridor=members["corridor"],
        is_passed=members["passage"] == "passed",
    )


def _inspected(seq: int, members: Mapping[str, Any]) -> Inspected:
    closed_ms = _ms(members["closed_at"])
    takes_ms = closed_ms - _ms(members["opened_at"])
    finding = members.get("finding") or ""
    return Inspected(
        seq=seq,
        agency=members.get("agency") or "customs",
        takes_ms=takes_ms if takes_ms >= 0 else None,
        closed_ms=closed_ms,
        finding=finding,
        is_last=bool(members.get("is_last"))
        or not finding,  # releases before findings had one task, and it was the last
    )


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
