"""Continuous evaluation of the face comparison on the gate itself (TR-03121-3, PAP EVA-VER-nCIR-1).

The agent tells it, after a transaction has ended, what score came of the comparison with the own document, and what the worker
counted of the probe against cached references of others. Kept are counts only. Groups (age band, sex, nationality, issuing state) are
each off unless the site switches them on, and are shown from a minimum number of travellers.

Assumed mated is every comparison that no guard ruled a true non-match; a ruling takes the pair back for as long as the link from
transaction to cell is remembered (memory only, hours). What nobody rules stays in: the rate is an upper estimate.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.runtime.face_counts import WHOLE, Cell, FaceCounts, cell_at, read_counts, write_counts
from gate_agent.runtime.face_report import RateReport, ReportRules, face_report
from models.field_evaluation import FalseMatchVerdict, FieldCounts
from models.non_mated_cache import NonMatedCounts

AGE_BANDS = (0, 12, 18, 30, 45, 60, 75)
_SAVE_EVERY_S = 60.0
_LONGEST_RULING_S = 86_400.0
_LONGEST_LABEL = 16

log = structlog.get_logger()

AlarmChange = Callable[[int, RateReport | None], None]
"""Called with the lane and its report when its alarm is to be raised, and with None when it is to be cleared."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """What the agent knows of a transaction that ended.

    `matches`: whether the comparison was a match, at each operating point; None when no comparison came about.
    """

    transaction_id: uuid.UUID
    lane_id: int
    matches: tuple[bool, ...] | None
    groups: Mapping[str, str] = field(default_factory=dict)


class PersonKeys:
    """Opaque names for document holders, good for this process's life only."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret

    def key_of(self, issuing_state: str, document_number: str) -> bytes:
        """Return the 32 bytes that stand for a holder in the workers' caches."""
        parts = (issuing_state.encode(), document_number.encode())
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._secret, framed, hashlib.sha256)


def groups_of(document: TravelDocument, today: date, dimensions: Sequence[str]) -> dict[str, str]:
    """Return the labels of a document's holder for the dimensions that a site counts by; what is unknown is left out."""
    born = document.date_of_birth
    labels = {
        "age_band": "" if born is None else _age_band(born, today),
        "sex": document.sex,
        "nationality": document.nationality,
        "issuing_state": document.issuing_state,
    }
    return {name: labels[name][:_LONGEST_LABEL] for name in dimensions if labels[name].strip("<")}


def _age_band(born: date, today: date) -> str:
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if years < 0:
        return ""
    begins = max(age for age in AGE_BANDS if age <= years)
    ends = next((age for age in AGE_BANDS if age > years), None)
    return f"{begins}+" if ends is None else f"{begins}-{ends - 1}"


class FaceMonitoring:
    """Rolling error rates of a gate's lanes. Everything runs on the agent's loop; `run` keeps the counts on disk.

    `points` name the operating points to count at, each exactly one calibration record and stated rate, the deciding one first.
    `folder` None keeps the counts in memory only.
    """

    def __init__(
        self,
        rules: ReportRules,
        points: Sequence[str],
        clock: Clock,
        *,
        folder: Path | None = None,
        alarm: AlarmChange | None = None,
        ruling_window_s: float = 43_200.0,
    ) -> None:
        if not points:
            raise ValueError("error rates are counted at one operating point or more")
        if not 0 <= ruling_window_s <= _LONGEST_RULING_S:
            raise ValueError("transactions are linked with their counts for at most a day")
        self._rules = rules
        self._points = tuple(points)
        self._clock = clock
        self._folder = folder
        self._alarm = alarm
        self._ruling_window_s = ruling_window_s
        self._counts = FaceCounts() if folder is None else read_counts(folder)
        self._numbers: dict[tuple[str, str], int] = {}
        self._counted: dict[uuid.UUID, tuple[float, list[tuple[Cell, FieldCounts]]]] = {}
        self._ruled: dict[uuid.UUID, float] = {}
        self._alarmed: set[int] = set()

    def group_numbers(self, groups: Mapping[str, str]) -> tuple[int, ...]:
        """Return one number per dimension of the rules for the worker's cache; their meaning stays here. 0: unknown."""
        pairs = [(name, groups.get(name, "")) for name in self._rules.dimensions]
        return tuple(self._numbers.setdefault(pair, len(self._numbers) + 1) if pair[1] else 0 for pair in pairs)

    def conclude(self, concluded: Concluded) -> None:
        """Count the comparison of a transaction that ended, unless a guard ruled it a true non-match.

        Raises `ValueError` when it does not say for each operating point whether it was a match.
        """
        self._forget_old()
        if self._ruled.pop(concluded.transaction_id, None) is not None or concluded.transaction_id in self._counted:
            return
        failed = FieldCounts(acquisitions=1, failures_to_acquire=1)
        if concluded.matches is None:
            found = [failed] * len(self._points)
        else:
            found = [FieldCounts(acquisitions=1, mated=1, non_matches=int(not match)) for match in concluded.matches]
        booked = []
        for point, counts in zip(self._points, found, strict=True):
            for dimension, label in self._places(concluded.groups):
                booked.append((cell_at(self._clock.now(), point, concluded.lane_id, dimension, label), counts))
        for cell, counts in booked:
            self._counts.add(cell, counts)
        self._counted[concluded.transaction_id] = (self._clock.monotonic_s(), booked)

    def evaluated(self, lane_id: int, counts: NonMatedCounts | None, groups: Mapping[str, str]) -> None:
        """Count what a probe gave against references of others, as the worker answered; None: the worker was too busy.

        For a group the comparisons within it count, where strangers look most alike. Raises `ValueError` for counts of other
        thresholds or groups than ours.
        """
        size = len(self._points)
        if counts is None:
            counts = NonMatedCounts(
                (FieldCounts(probes_skipped=1),) * size, ((FieldCounts(),) * size,) * len(self._rules.dimensions)
            )
        by_dimension = dict(zip(self._rules.dimensions, counts.within_group, strict=True))
        for dimension, label in self._places(groups):
            found = by_dimension[dimension] if dimension else counts.overall
            for point, numbers in zip(self._points, found, strict=True):
                self._counts.add(cell_at(self._clock.now(), point, lane_id, dimension, label), numbers)
        self.check_limit()

    def leave_out(self, transaction_id: uuid.UUID) -> bool:
        """Take a pair out that a guard ruled a true non-match, now or when it ends; True when it had been counted."""
        self._forget_old()
        _, booked = self._counted.pop(transaction_id, (0.0, None))
        if booked is None:
            self._ruled[transaction_id] = self._clock.monotonic_s()
            return False
        for cell, counts in booked:
            self._counts.take_back(cell, counts)
        return True

    def report(self) -> list[RateReport]:
        """Return the rates of the window: each lane's whole traffic and its groups, at every operating point."""
        return self._report(self._points, groups=True)

    def check_limit(self) -> None:
        """Raise and clear the alarms of lanes whose false match rate passed its limit at the deciding operating point.

        A raised one ends when enough comparisons prove the rate within its limit, or when nothing is left in the window.
        """
        reports = {row.lane_id: row for row in self._report(self._points[:1], groups=False)}
        for lane_id in sorted(self._alarmed | reports.keys()):
            report = reports.get(lane_id)
            found = FalseMatchVerdict.WITHIN if report is None else report.verdict
            if found is FalseMatchVerdict.ABOVE and lane_id not in self._alarmed:
                self._alarmed.add(lane_id)
                self._tell(lane_id, report)
            elif found is FalseMatchVerdict.WITHIN and lane_id in self._alarmed:
                self._alarmed.discard(lane_id)
                self._tell(lane_id, None)

    def _tell(self, lane_id: int, report: RateReport | None) -> None:
        log.warning("face_false_match_rate_alarm", lane_id=lane_id, is_raised=report is not None)
        if self._alarm is not None:
            self._alarm(lane_id, report)

    def _report(self, names: Sequence[str], *, groups: bool) -> list[RateReport]:
        return face_report(self._counts, self._rules, self._clock.now(), names, groups=groups)

    async def run(self) -> None:
        """Keep the counts on disk until cancelled, written once a minute when they changed, and once more at the end."""
        self.check_limit()
        try:
            while True:
                await asyncio.sleep(_SAVE_EVERY_S)
                self._forget_old()
                self._counts.drop_outside(self._clock.now(), self._rules.window)
                self.check_limit()
                if self._folder is not None and self._counts.is_changed:
                    await asyncio.to_thread(self._write, self._folder, self._content())
        finally:
            self.save()

    def save(self) -> None:
        """Write the counts now if they changed."""
        if self._folder is not None and self._counts.is_changed:
            self._write(self._folder, self._content())

    def _content(self) -> bytes:
        self._counts.is_changed = False
        return self._counts.encoded()

    def _write(self, folder: Path, content: bytes) -> None:
        try:
            write_counts(folder, content)
        except OSError as error:
            self._counts.is_changed = True
            log.warning("face_counts_not_written", why=error.strerror)

    def _places(self, groups: Mapping[str, str]) -> list[tuple[str, str]]:
        return [(WHOLE, ""), *((name, groups[name]) for name in self._rules.dimensions if groups.get(name))]

    def _forget_old(self) -> None:
        """Cut the link between transactions and counts once nobody rules on them any more."""
        oldest_s = self._clock.monotonic_s() - self._ruling_window_s
        for transaction_id in [key for key, (at_s, _) in self._counted.items() if at_s < oldest_s]:
            del self._counted[transaction_id]
        for transaction_id in [key for key, at_s in self._ruled.items() if at_s < oldest_s]:
            del self._ruled[transaction_id]
