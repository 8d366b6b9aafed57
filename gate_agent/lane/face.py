"""Face acquisition inside the cell: newest frame in, one check result out.

A match ends the acquisition at once. A non-match needs `NON_MATCH_FRAMES` analysed faces that all lie beyond the guard band; what
stays between is undetermined, and so is a face that was not found in time (biometrics §12, inspection §4). Nothing is shown
to the traveller but what to do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from drivers.contracts import FrameCaptured
from gate_agent.clock import Clock
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import Capture, FaceMatcher, LaneCamera
from gate_agent.settings import FaceSettings
from models.results import ComparisonDecision, FaceFinding

NON_MATCH_FRAMES = 3

_TIMED = {"embedding": "vector", "portrait": "crop"}
"""Names of timings in records, where no key may read as if it held a biometric."""

_FINDING_REASON = {
    FaceFinding.NOT_FOUND: ReasonCode.FACE_NOT_FOUND,
    FaceFinding.SEVERAL: ReasonCode.FACE_SEVERAL,
    FaceFinding.REFUSED: ReasonCode.FACE_NOT_FOUND,
}


@dataclass(slots=True)
class _Tally:
    """What the frames of one acquisition have shown so far."""

    frames: int = 0
    non_matches: int = 0
    between: int = 0
    last_finding: FaceFinding = FaceFinding.NOT_FOUND
    best_score: float = field(default=-1.0)


class FaceAcquisition:
    """One acquisition of one transaction. `offer` takes frames, `run` answers with a result or raises `InferenceFault`."""

    def __init__(self, settings: FaceSettings, matcher: FaceMatcher, camera: LaneCamera, clock: Clock) -> None:
        self._settings = settings
        self._matcher = matcher
        self._camera = camera
        self._clock = clock
        self._newest: tuple[FrameCaptured, float] | None = None
        self._arrived = asyncio.Event()
        self._begun_mono_s = clock.monotonic_s()

    def offer(self, frame: FrameCaptured, t_mono_s: float) -> None:
        """Hand in a frame; only the newest one waits, older ones go back to the camera."""
        if t_mono_s < self._begun_mono_s:
            frame.release()
            return
        if self._newest is not None:
            self._newest[0].release()
        self._newest = (frame, t_mono_s)
        self._arrived.set()

    async def run(self, borrowed: Borrowed) -> CheckResult:
        """Acquire until a decision, the frame limit or the time limit. `borrowed` receives probe portrait and comparison."""
        tally = _Tally()
        if self._matcher.calibration_id is None:
            return self._result(CheckOutcome.UNDETERMINED, ReasonCode.FACE_NO_CALIBRATION, borrowed)
        self._camera.set_active(active=True)
        try:
            async with asyncio.timeout(self._settings.capture_timeout_s):
                while tally.frames < self._settings.maximum_frames:
                    frame, t_mono_s = await self._next()
                    try:
                        capture = await self._matcher.probe(frame.memfd, frame.width_px, frame.height_px)
                    finally:
                        frame.release()
                    tally.frames += 1
                    borrowed.last_input_mono_s = max(borrowed.last_input_mono_s, t_mono_s)
                    outcome = self._judge(capture, borrowed, tally)
                    if outcome is not None:
                        return outcome
        except TimeoutError:
            pass
        finally:
            self._camera.set_active(active=False)
            self._drop()
        return self._undetermined(tally, borrowed)

    async def _next(self) -> tuple[FrameCaptured, float]:
        while self._newest is None:
            self._arrived.clear()
            await self._arrived.wait()
        newest, self._newest = self._newest, None
        return newest

    def _drop(self) -> None:
        if self._newest is not None:
            self._newest[0].release()
            self._newest = None

    def _judge(self, capture: Capture, borrowed: Borrowed, tally: _Tally) -> CheckResult | None:
        sample = capture.sample
        tally.last_finding = sample.finding
        borrowed.step_ms.update({f"face_{_TIMED.get(step, step)}": took for step, took in sample.step_ms.items()})
        if capture.portrait_jpeg is not None:
            borrowed.probe_jpeg = bytearray(capture.portrait_jpeg)
        if sample.finding is not FaceFinding.FOUND or sample.features is None:
            return None
        if borrowed.reference_features is None:
            raise InferenceFault("the reference features are gone")
        comparison = self._matcher.compare(sample.features, borrowed.reference_features)
        if comparison.comparison_score >= tally.best_score:
            tally.best_score = comparison.comparison_score
            borrowed.comparison = comparison
        if comparison.decision is ComparisonDecision.MATCH:
            return self._result(CheckOutcome.SUCCESSFUL, None, borrowed)
        if comparison.decision is ComparisonDecision.NON_MATCH:
            tally.non_matches += 1
        else:
            tally.between += 1
        if tally.non_matches >= NON_MATCH_FRAMES and tally.between == 0:
            return self._result(CheckOutcome.FAILED, ReasonCode.FACE_DIFFERENT, borrowed)
        return None

    def _undetermined(self, tally: _Tally, borrowed: Borrowed) -> CheckResult:
        if tally.non_matches or tally.between:
            code = ReasonCode.FACE_UNDETERMINED
        elif tally.frames == 0:
            code = ReasonCode.FACE_TIMEOUT
        else:
            code = _FINDING_REASON.get(tally.last_finding, ReasonCode.FACE_NOT_FOUND)
        return self._result(CheckOutcome.UNDETERMINED, code, borrowed)

    def _result(self, outcome: CheckOutcome, code: ReasonCode | None, borrowed: Borrowed) -> CheckResult:
        comparison = borrowed.comparison
        compared = (
            (Compared("comparison_score", f"{comparison.comparison_score:.4f}", f">= {comparison.threshold:.4f}"),)
            if comparison
            else ()
        )
        return CheckResult(
            CheckName.FACE_COMPARISON,
            outcome,
            (Reason(code),) if code else (),
            compared,
            (self._clock.monotonic_s() - self._begun_mono_s) * 1000,
        )
