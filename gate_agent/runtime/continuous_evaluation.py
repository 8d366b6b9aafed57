"""The lanes' `FaceMonitor`: from a transaction that ends to counts, and from counts to what a supervisor sees.

Order: the worker compares the probe with cached references of others (only where the site keeps some), the comparison with the own
document is counted, then what the worker counted; after that the lane has the worker forget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

import structlog

from gate_agent.clock import Clock
from gate_agent.errors import InferenceFault
from gate_agent.lane.ports import FaceConclusion
from gate_agent.runtime.face_monitoring import AlarmChange, Concluded, FaceMonitoring, PersonKeys, groups_of
from gate_agent.runtime.face_report import RateReport, ReportRules, point_name
from gate_agent.settings import FaceSettings
from models.non_mated_cache import NonMatedCounts
from models.results import FaceComparison

_HOUR_S = 3600.0
_EVALUATED_WITHIN_S = 1.5

log = structlog.get_logger()


class EvaluatingEngine(Protocol):
    """The part of the face engine that evaluation needs."""

    @property
    def calibration_id(self) -> str | None:
        """The calibration record in force."""
        ...

    @property
    def watched_thresholds(self) -> tuple[tuple[float, float], ...]:
        """The scores of a match, of one frame and of several, at each rate that is counted at."""
        ...

    async def evaluate(self, transaction_id: UUID, own_key: bytes, groups: Sequence[int] = ()) -> NonMatedCounts | None:
        """Return what a transaction's probe gave against references of others; None: nothing, or too busy."""
        ...


class ContinuousEvaluation:
    """Counts for the calibration record that the engine started with; comparisons by another one are left out."""

    def __init__(
        self,
        settings: FaceSettings,
        engine: EvaluatingEngine,
        clock: Clock,
        *,
        calibration_id: str,
        folder: Path | None = None,
        alarm: AlarmChange | None = None,
    ) -> None:
        """Begin with what `folder` holds from before. `alarm` hears of rates that pass their limit, and of those that are back."""
        self.rules = rules_of(settings)
        self.has_news = True
        """Whether something was counted that nobody has looked at."""
        self._engine = engine
        self._calibration_id = calibration_id
        self._is_cached = settings.non_mated_cache > 0
        self._keys = PersonKeys()
        rates = (settings.false_match_rate, *settings.monitoring_false_match_rates)
        self._points = [point_name(calibration_id, rate) for rate in rates]
        self._monitoring = FaceMonitoring(
            self.rules,
            self._points,
            clock,
            folder=folder,
            alarm=alarm,
            ruling_window_s=settings.monitoring_ruling_window_h * _HOUR_S,
        )

    def concluding(self, end: FaceConclusion) -> Coroutine[object, object, None]:
        """Take labels and an opaque key of the holder now; return the counting, which knows no name and no number."""
        document = end.document
        groups = {} if document is None else groups_of(document, end.today, self.rules.dimensions)
        own_key = b""
        if self._is_cached and document is not None:
            own_key = self._keys.key_of(document.issuing_state, document.document_number)
        return self._counted(
            Concluded(end.transaction_id, end.lane_id, None, groups), end.comparison, own_key, ruled=end.is_other_person
        )

    def deciding_report(self) -> list[RateReport]:
        """Return the rates at the operating point that decides, by lane, whole traffic first."""
        self.has_news = False
        return [row for row in self._monitoring.report() if row.point == self._points[0]]

    async def run(self) -> None:
        """Keep the counts on disk and the alarms up to date until cancelled."""
        await self._monitoring.run()

    async def _counted(self, end: Concluded, comparison: FaceComparison | None, own_key: bytes, *, ruled: bool) -> None:
        if comparison is not None and comparison.calibration_id != self._calibration_id:
            log.warning("face_not_counted_other_calibration")
            return
        is_evaluated = comparison is not None and bool(own_key)
        counts = await self._evaluated(end, own_key) if is_evaluated else None
        if ruled:
            self._monitoring.leave_out(end.transaction_id)
        else:
            matches = None if comparison is None else self._matches(comparison)
            self._monitoring.conclude(Concluded(end.transaction_id, end.lane_id, matches, end.groups))
        if is_evaluated:
            self._monitoring.evaluated(end.lane_id, counts, end.groups)
        self.has_news = True

    async def _evaluated(self, end: Concluded, own_key: bytes) -> NonMatedCounts | None:
        try:
            async with asyncio.timeout(_EVALUATED_WITHIN_S):
                numbers = self._monitoring.group_numbers(end.groups)
                return await self._engine.evaluate(end.transaction_id, own_key, numbers)
        except (InferenceFault, TimeoutError) as fault:
            log.warning("face_not_evaluated", code=getattr(fault, "code", ""))
            return None

    def _matches(self, comparison: FaceComparison) -> tuple[bool, ...]:
        """Return whether a comparison is a match at each rate that is counted at."""
        several = comparison.frames > 1
        return tuple(comparison.comparison_score >= pair[several] for pair in self._engine.watched_thresholds)


def rules_of(settings: FaceSettings) -> ReportRules:
    """Return a site's rules for summing up."""
    return ReportRules(
        window=timedelta(days=settings.monitoring_window_days),
        least_design_effect=settings.monitoring_least_design_effect,
        smallest_group=settings.monitoring_smallest_group,
        dimensions=settings.monitoring_groups,
    )
