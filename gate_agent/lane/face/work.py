"""The face work of one lane: the reference of a transaction, at most one acquisition at a time, and forgetting at its end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date

import structlog

from drivers.contracts import FrameCaptured
from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName, CheckResult
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face.acquisition import FaceAcquisition
from gate_agent.lane.face.cues import Cue
from gate_agent.lane.face.heights import Heights
from gate_agent.lane.face.printed import compare_printed
from gate_agent.lane.face.stays import ShortStays
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.ports import FaceConclusion, FaceMatcher, FaceMonitor, LaneCamera
from gate_agent.lane.reference import take_reference
from gate_agent.settings import FaceSettings

log = structlog.get_logger()

MakeHeights = Callable[[], Heights]
"""Makes what follows a face up and down during one acquisition."""

FORGOTTEN_WITHIN_S = 5.0
"""Promise 4: what was borrowed is gone this long after the transaction's end."""
CONCLUDED_WITHIN_S = 2.0
"""The part of it that counting may take."""


class FaceWork:
    """Starts jobs with `job` and tells what they found with `report`, which ignores transactions that are over."""

    def __init__(
        self,
        settings: FaceSettings,
        matcher: FaceMatcher,
        camera: LaneCamera,
        clock: Clock,
        *,
        job: Job,
        report: Report,
        changed: Callable[[], None],
        monitor: FaceMonitor | None = None,
        stays: ShortStays | None = None,
        skew_s: float = 0.15,
    ) -> None:
        self.settings = settings
        self._matcher = matcher
        self._camera = camera
        self._clock = clock
        self._job = job
        self._report = report
        self._changed = changed
        self._monitor = monitor
        self._stays = stays
        self._skew_s = skew_s
        self.heights: MakeHeights | None = None
        """Makes what follows a face up and down, where the lane has such hardware; set before the lane runs."""
        self._acquisition: FaceAcquisition | None = None
        self._task: asyncio.Task[object] | None = None

    @property
    def cue(self) -> Cue | None:
        """What the traveller is asked to do for the camera; None while nothing is wrong or nothing runs."""
        return None if self._acquisition is None else self._acquisition.cue

    @property
    def minimum_age_years(self) -> int:
        """The youngest age that may be compared here."""
        return self._matcher.minimum_age_years

    def offer(self, frame: FrameCaptured, t_mono_s: float, camera: str = "") -> None:
        """Hand in a camera frame; it goes back at once while no acquisition runs."""
        if self._acquisition is None:
            frame.release()
        else:
            self._acquisition.offer(frame, t_mono_s, camera)

    def skip(self) -> bool:
        """End a running challenge for the traveller; False when there is none."""
        return self._acquisition is not None and self._acquisition.skip()

    def take_reference(self, borrowed: Borrowed, content: bytes, step: ev.Step = ev.Step.DOCUMENT) -> None:
        """Take the document's portrait as the reference; `step` is what has to be repeated when it is none."""
        self._job(self._reference(borrowed, content, step, borrowed.reference_round))

    def compare_printed(self, borrowed: Borrowed) -> None:
        """Compare the printed portrait with the chip's, once that one is the reference."""
        self._job(self._printed(borrowed, borrowed.reference_round))

    def start(self, borrowed: Borrowed, today: date, time_factor: float = 1.0) -> None:
        """Begin an acquisition; it may take longer by `time_factor`."""
        acquisition = FaceAcquisition(
            *(self.settings, self._matcher, self._camera, self._clock),
            skew_s=self._skew_s,
            changed=self._changed,
            time_factor=time_factor,
            heights=None if self.heights is None else self.heights(),
        )
        self._acquisition = acquisition
        self._task = self._job(self._acquire(borrowed, today, acquisition))

    def stop(self) -> None:
        """End a running acquisition."""
        if self._task is not None:
            self._task.cancel()
        self._acquisition = self._task = None

    def end(self, borrowed: Borrowed, lane_id: int, today: date) -> None:
        """Count what is over and have the worker forget it; what is needed of `borrowed` is taken before this returns."""
        kept = None if self._stays is None else self._stays.ended(borrowed, today)
        if kept is not None:
            self._job(_unharmed(kept, "short_term_reference_failed"))
        if borrowed.reference_requested:
            document = borrowed.document
            holder = None if document is None else (document.issuing_state, document.document_number)
            self._job(self._end(borrowed.transaction_id, self._conclusion(borrowed, lane_id, today), holder))

    def _conclusion(self, borrowed: Borrowed, lane_id: int, today: date) -> Coroutine[object, object, None] | None:
        if self._monitor is None or not borrowed.is_acquired:
            return None
        document, comparison = borrowed.document, borrowed.comparison
        end = FaceConclusion(borrowed.transaction_id, lane_id, document, comparison, borrowed.is_other_person, today)
        try:
            return self._monitor.concluding(end)
        except Exception as fault:  # noqa: BLE001 - nothing that counting does may keep a face from being forgotten
            log.error("face_not_counted", fault=type(fault).__name__)  # no trace: it may hold what is in the document
            return None

    async def _printed(self, borrowed: Borrowed, round_: int) -> None:
        async with borrowed.reference_turn:
            if borrowed.is_over or not borrowed.reference_ready or borrowed.reference_round != round_:
                return  # whoever takes the reference next compares it
            result = await compare_printed(self._matcher, borrowed)
        if borrowed.reference_round == round_:
            self._report(borrowed, ev.CheckCompleted(result))

    async def _reference(self, borrowed: Borrowed, content: bytes, step: ev.Step, round_: int) -> None:
        printed: CheckResult | None = None
        async with borrowed.reference_turn:  # one after another: the last that the worker took is the one that counts
            if not borrowed.waits_for_reference(round_):
                return
            found = await take_reference(self._matcher, borrowed, content, step)
            if isinstance(found, ev.ReferenceReady) and borrowed.chip_portrait is not None:
                printed = await compare_printed(self._matcher, borrowed)
            if self._stays is not None:
                found = await self._stays.instead(self._matcher, borrowed, found)
        if borrowed.reference_ready:
            self._changed()  # a guard who was called meanwhile sees it, though the machine has no more use for it
        if borrowed.is_over:  # it ended while the worker looked: what came too late is forgotten once more
            borrowed.wipe()
            await self._forget(borrowed.transaction_id)
        if borrowed.reference_round == round_ and printed is not None:
            self._report(borrowed, ev.CheckCompleted(printed))
        if found is not None:
            self._report(borrowed, found)

    async def _acquire(self, borrowed: Borrowed, today: date, acquisition: FaceAcquisition) -> None:
        try:
            results = await acquisition.run(borrowed, today)
        except InferenceFault:
            log.warning("face_engine_fault")
            self._report(borrowed, ev.StepAborted(ev.Step.FACE, Reason(ReasonCode.FACE_ENGINE_FAULT)))
        else:
            borrowed.step_ms["face"] = results[0].duration_ms
            self._report(borrowed, ev.ChecksCompleted(_with_origin(results, borrowed)))
        finally:
            if self._acquisition is acquisition:
                self._acquisition = self._task = None

    async def _end(
        self,
        transaction_id: uuid.UUID,
        conclusion: Coroutine[object, object, None] | None,
        holder: tuple[str, str] | None,
    ) -> None:
        begun_s = self._clock.monotonic_s()
        if conclusion is not None:
            await _unharmed(conclusion, "face_not_counted", CONCLUDED_WITHIN_S)
        await self._forget(transaction_id, FORGOTTEN_WITHIN_S - (self._clock.monotonic_s() - begun_s), holder)

    async def _forget(
        self, transaction_id: uuid.UUID, within_s: float | None = None, holder: tuple[str, str] | None = None
    ) -> None:
        try:
            async with asyncio.timeout(FORGOTTEN_WITHIN_S if within_s is None else within_s):
                await self._matcher.forget(transaction_id, holder)
        except InferenceFault as fault:
            log.warning(
                "face_forgotten_with_its_worker", code=fault.code
            )  # a worker that fails is ended: nothing of it stays
        except TimeoutError:
            log.error("face_not_forgotten_in_time")


async def _unharmed(work: Coroutine[object, object, None], failed: str, within_s: float | None = None) -> None:
    """Do work that no traveller depends on; whatever becomes of it, the lane goes on and the face is forgotten."""
    try:
        async with asyncio.timeout(within_s):
            await work
    except Exception as fault:  # noqa: BLE001 - as above; the fault is recorded
        log.error(failed, fault=type(fault).__name__)


def _with_origin(results: tuple[CheckResult, ...], borrowed: Borrowed) -> tuple[CheckResult, ...]:
    """Say in the comparison's result where its reference is from, unless it is the document's own portrait."""
    if not borrowed.is_short_term_reference:
        return results
    origin = Reason(ReasonCode.FACE_SHORT_TERM_REFERENCE)
    return tuple(
        replace(result, reasons=(*result.reasons, origin)) if result.check is CheckName.FACE_COMPARISON else result
        for result in results
    )
