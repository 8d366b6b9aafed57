"""What runs beside the lanes for the face: counted error rates with their alarm, and short-term references where a site keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Self

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.runtime.continuous_evaluation import ContinuousEvaluation
from gate_agent.runtime.face_report import FALSE_MATCH_LIMIT, RateReport, group_comparisons
from gate_agent.runtime.inference import FaceEngine
from gate_agent.runtime.short_term_references import ShortTermReferences
from gate_agent.settings import Settings
from gate_agent.store.face_references import FaceReferences, ReferenceLimits, forget_all
from gate_agent.store.reference_keys import ReferenceKeys
from gate_agent.web.face_rates_messages import FaceRatesView, GroupRatioView, RateView
from models.field_evaluation import FieldRate

log = structlog.get_logger()

_REFRESH_S = 2.0
_REFRESH_ANYWAY_S = 300.0  # the window moves on also while nobody crosses


class FaceSide:
    """Open with `open`, hand `monitor` and `references` to the lanes, then `run`; `close` gives the references' file back."""

    def __init__(self, settings: Settings, engine: FaceEngine, clock: Clock, kept: FaceReferences | None) -> None:
        self.rates: list[FaceRatesView] = []
        self.monitor: ContinuousEvaluation | None = None
        self.references: ShortTermReferences | None = None
        self._clock = clock
        self._kept = kept
        self._settings = settings.face
        self._alarms: asyncio.Queue[tuple[int, RateReport | None]] = asyncio.Queue()
        if engine.calibration_id is not None:
            self.monitor = ContinuousEvaluation(
                settings.face,
                engine,
                clock,
                calibration_id=engine.calibration_id,
                folder=settings.paths.state,
                alarm=lambda lane_id, report: self._alarms.put_nowait((lane_id, report)),
            )
        if kept is not None:
            self.references = ShortTermReferences(kept, clock, timedelta(days=settings.face.short_term_reference_days))

    @classmethod
    async def open(cls, settings: Settings, engine: FaceEngine, clock: Clock) -> Self:
        """Prepare; the engine has started. References that are switched off are destroyed now. Raises `StoreFault`."""
        kept = await asyncio.to_thread(_kept, settings, clock)
        return cls(settings, engine, clock, kept)

    async def run(self, alarms: Mapping[int, LaneAlarms], changed: Callable[[], None]) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self.monitor is not None:
                group.create_task(self.monitor.run())
                group.create_task(self._follow(self.monitor, changed))
                group.create_task(self._alarm(alarms, changed))
            if self.references is not None:
                group.create_task(self.references.run())
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Give the file back."""
        if self._kept is not None:
            await asyncio.to_thread(self._kept.close)

    async def _alarm(self, alarms: Mapping[int, LaneAlarms], changed: Callable[[], None]) -> None:
        while True:
            lane_id, report = await self._alarms.get()
            lane = alarms.get(lane_id)
            if lane is None:  # counts of a lane that this gate no longer has
                continue
            if report is None or report.false_match is None:
                await lane.clear(ReasonCode.FACE_FALSE_MATCH_RATE_HIGH)
            else:
                await lane.raise_(_too_high(report.false_match))
            changed()

    async def _follow(self, monitor: ContinuousEvaluation, changed: Callable[[], None]) -> None:
        """Keep the console's view of the rates fresh, computed off the path of any traveller."""
        seen_s = -_REFRESH_ANYWAY_S
        while True:
            now_s = self._clock.monotonic_s()
            if monitor.has_news or now_s - seen_s >= _REFRESH_ANYWAY_S:
                seen_s = now_s
                found = rate_views(monitor.deciding_report(), self._settings.monitoring_window_days)
                if found != self.rates:
                    self.rates = found
                    changed()
            await asyncio.sleep(_REFRESH_S)


def _kept(settings: Settings, clock: Clock) -> FaceReferences | None:
    if settings.face.short_term_references:
        keys = ReferenceKeys.read(settings.paths.keys)
        limits = ReferenceLimits(maximum_age=timedelta(days=settings.face.short_term_reference_days))
        references = FaceReferences.open(settings.paths.state, keys, limits)
        facts = references.shred_expired(clock.now())
    else:
        references, facts = None, forget_all(settings.paths.state, clock.now())
    for fact in facts:
        log.info("face_reference_destroyed", record_id=str(fact.record_id), reason=fact.reason)
    return references


def _too_high(rate: FieldRate) -> Reason:
    bound, limit = f"{rate.upper_bound:.2%}", f"{FALSE_MATCH_LIMIT:.2%}"
    return Reason(ReasonCode.FACE_FALSE_MATCH_RATE_HIGH, {"bound": bound, "limit": limit})


def _rate(rate: FieldRate | None) -> RateView | None:
    if rate is None:
        return None
    return RateView(
        errors=rate.errors,
        trials=rate.trials,
        rate=rate.rate,
        lower_bound=rate.lower_bound,
        upper_bound=rate.upper_bound,
    )


def rate_views(reports: list[RateReport], window_days: int) -> list[FaceRatesView]:
    """Return reports as the console shows them: one row a lane, with its worst groups beside the best."""
    groups = group_comparisons(reports)
    return [
        FaceRatesView(
            lane_id=report.lane_id,
            window_days=window_days,
            false_match_limit=FALSE_MATCH_LIMIT,
            false_non_match=_rate(report.false_non_match),
            false_match=_rate(report.false_match),
            failure_to_acquire=_rate(report.failure_to_acquire),
            verdict=report.verdict.value,
            comparisons=report.counts.non_mated,
            needed_comparisons=report.needed_comparisons,
            groups=[
                GroupRatioView(
                    dimension=group.dimension,
                    rate=group.rate,
                    worst=group.ratio.worst,
                    best=group.ratio.best,
                    ratio=group.ratio.ratio,
                    at_least=group.ratio.at_least,
                )
                for group in groups
                if group.lane_id == report.lane_id
            ],
        )
        for report in reports
        if not report.dimension
    ]
