"""One face acquisition: newest frame in, cues meanwhile, check results out.

A match ends it at once, where attack detection is required only on a frame that is clear by itself. A non-match needs
`NON_MATCH_FRAMES` compared frames of a face that stands still and faces the camera, over `NON_MATCH_SPAN_S`, all beyond the guard
band: a frame between starts them over. What stays between is undetermined, and so is a face that was not found in time (biometrics
§12, inspection §4). Every decision uses the comparison of the frames fused so far. A doubtful frame, and nothing else, starts a
challenge. Nobody within the camera's height range calls the guard in at most 3 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from drivers.channels import Channel
from drivers.contracts import FrameCaptured
from gate_agent.clock import Clock
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face.age import age_not_covered
from gate_agent.lane.face.best_shot import KeptShots, Shot, best_and_different, best_capture
from gate_agent.lane.face.channels import ChannelFrames
from gate_agent.lane.face.cues import Cue, CueGuide
from gate_agent.lane.face.heights import Heights, OneHeight, View, Wish
from gate_agent.lane.face.presentation import Presentation, presentation_check, weigh
from gate_agent.lane.face.questioning import MakeChallenge, Questioning, head_pose_challenge
from gate_agent.lane.ports import Capture, FaceMatcher, LaneCamera
from gate_agent.settings import AttackDetection, FaceSettings
from models.results import AttackAssessment, ComparisonDecision, FaceComparison, FaceFinding

NON_MATCH_FRAMES = 3
NON_MATCH_SPAN_S = 1.0
"""Nobody is called another person faster than a blink, a shadow or a last step passes."""
ALARM_FRAMES = 8
"""Most frames of an alarmed acquisition that go to the guard."""
REFERRAL_FRAMES = 3
"""Most frames of another acquisition that ends without a match: the best that also differ."""

_TIMED = {"embedding": "vector", "portrait": "crop"}
"""Names of timings in records, where no key may read as if it held a biometric."""

_FINDING_REASON = {
    FaceFinding.NOT_FOUND: ReasonCode.FACE_NOT_FOUND,
    FaceFinding.SEVERAL: ReasonCode.FACE_SEVERAL,
    FaceFinding.REFUSED: ReasonCode.FACE_NOT_FOUND,
}

Results = tuple[CheckResult, ...]


@dataclass(slots=True)
class _Tally:
    """What the frames of one acquisition have shown so far; `comparison` and `attack` belong to the newest compared frame."""

    frames: int = 0
    compared: int = 0
    non_matches: int = 0
    non_match_since_s: float = 0.0
    last_finding: FaceFinding = FaceFinding.NOT_FOUND
    comparison: FaceComparison | None = None
    attack: AttackAssessment | None = None


class FaceAcquisition:
    """One acquisition of one transaction. `offer` takes frames, `run` answers with results or raises `InferenceFault`."""

    def __init__(
        self,
        settings: FaceSettings,
        matcher: FaceMatcher,
        camera: LaneCamera,
        clock: Clock,
        *,
        skew_s: float = 0.15,
        changed: Callable[[], None] = lambda: None,
        challenge: MakeChallenge | None = head_pose_challenge,
        heights: Heights | None = None,
        time_factor: float = 1.0,
    ) -> None:
        """Begin now. `changed` is called whenever another cue is due; `challenge` makes a challenge for a doubtful frame.

        Frames of other channels go with one of visible light within `skew_s`. `heights` follows the face up and down, instead of the one
        `camera`; `time_factor` makes it last longer.
        """
        self._settings = settings
        self._time_factor = time_factor
        self._matcher = matcher
        self._has_views = heights is not None
        self._heights: Heights = heights or OneHeight(View("", camera))
        self._own_camera = self._heights.camera
        self._clock = clock
        self._changed = changed
        self._questioning = Questioning(challenge)
        self._shots = KeptShots()
        self._tally = _Tally()
        self._is_out_of_range = False
        self._is_required = settings.presentation_attack_detection is AttackDetection.REQUIRED
        self._newest: tuple[FrameCaptured, float] | None = None
        self._beside = ChannelFrames(skew_s)
        self._arrived = asyncio.Event()
        self._begun_mono_s = clock.monotonic_s()
        self._timed_s = self._begun_mono_s
        self._searched_s = self._searched_until_s = 0.0
        self._guide = CueGuide(self._begun_mono_s)

    @property
    def cue(self) -> Cue | None:
        """What the traveller is asked to do now; a challenge's instruction before all others."""
        return self._questioning.cue or self._guide.shown

    def skip(self) -> bool:
        """End a running challenge because the traveller cannot or will not do it; False when none runs."""
        return self._questioning.skip()

    def offer(self, frame: FrameCaptured, t_mono_s: float, camera: str = "") -> None:
        """Hand in a frame; only the newest one waits, older ones go back to the camera, and those of a camera that does not look now."""
        is_beside = frame.channel is not Channel.VISIBLE
        if t_mono_s < self._begun_mono_s or (self._has_views and not is_beside and camera != self._heights.camera):
            frame.release()
            return
        if is_beside:
            self._beside.offer(frame, t_mono_s)
            return
        if self._newest is not None:
            self._newest[0].release()
        self._newest = (frame, t_mono_s)
        self._arrived.set()

    async def run(self, borrowed: Borrowed, today: date) -> Results:
        """Acquire until a decision or a limit. `borrowed` receives probe portrait, comparison, assessment and frames."""
        if self._matcher.calibration_id is None:
            return (self._face(CheckOutcome.UNDETERMINED, ReasonCode.FACE_NO_CALIBRATION),)
        child = age_not_covered(borrowed.document, today, self._matcher.minimum_age_years)
        if child is not None:
            return (child,)
        self._heights.set_active(active=True)
        try:
            results = await self._acquired(borrowed)
            borrowed.is_acquired = True
            self._hand_over(borrowed, results)
        finally:
            self._heights.set_active(active=False)
            self._drop()
            self._shots.wipe()
        return results

    async def _acquired(self, borrowed: Borrowed) -> Results:
        limit_s = (
            self._settings.capture_timeout_with_attack_detection_s
            if self._is_required
            else self._settings.capture_timeout_s
        )
        ends_mono_s = self._begun_mono_s + limit_s * self._time_factor
        try:
            async with asyncio.timeout(ends_mono_s - self._clock.monotonic_s()) as timer:
                while self._tally.compared < self._settings.maximum_frames:
                    frame, t_mono_s = await self._next()
                    # The further channels see what the lane's own camera sees, and not what one below it does.
                    beside = self._beside.take(t_mono_s) if self._heights.camera == self._own_camera else ()
                    try:
                        capture = await self._matcher.probe(
                            borrowed.transaction_id,
                            frame.memfd,
                            frame.width_px,
                            frame.height_px,
                            t_mono_s,
                            self._heights.number,
                            beside=beside,
                        )
                    finally:
                        for used in (frame, *beside):
                            used.release()
                    borrowed.last_input_mono_s = max(borrowed.last_input_mono_s, t_mono_s)
                    results = self._judge(capture, t_mono_s, borrowed)
                    if results is not None:
                        return results
                    self._follow(t_mono_s)
                    self._time(timer, ends_mono_s)
        except TimeoutError:
            return self._unfinished(out_of_range=self._is_out_of_range)
        return self._unfinished(out_of_range=False)

    def _follow(self, t_mono_s: float) -> None:
        """Let the hardware look for a face that is out of range; frames of the view that is over go back."""
        guide = self._guide
        wish = Wish.LOWER if guide.is_too_low else Wish.HIGHER if guide.is_too_high else Wish.ANYWHERE
        if self._heights.follow(None if guide.out_of_range_since_s is None else wish, t_mono_s):
            self._drop()
            self._tally.non_matches = 0
            guide.changed_view()

    def _time(self, timer: asyncio.Timeout, ends_mono_s: float) -> None:
        """Let the time run out earlier while nobody is within the camera's height range, and not while a lift is under way."""
        now_s = self._clock.monotonic_s()
        if self._heights.is_searching:
            self._searched_s += now_s - self._timed_s
            self._searched_until_s = now_s
        self._timed_s = now_s
        ends_mono_s += self._searched_s
        since_s = self._guide.out_of_range_since_s
        if since_s is not None:
            since_s = max(since_s, self._searched_until_s)
        earlier_s = ends_mono_s if since_s is None else since_s + self._settings.out_of_range_timeout_s
        self._is_out_of_range = earlier_s < ends_mono_s
        due_in_s = min(earlier_s, ends_mono_s) - now_s
        timer.reschedule(asyncio.get_running_loop().time() + due_in_s)

    async def _next(self) -> tuple[FrameCaptured, float]:
        while self._newest is None:
            self._arrived.clear()
            await self._arrived.wait()
        newest, self._newest = self._newest, None
        return newest

    def _drop(self) -> None:
        self._beside.drop()
        if self._newest is not None:
            self._newest[0].release()
            self._newest = None

    def _judge(self, capture: Capture, t_mono_s: float, borrowed: Borrowed) -> Results | None:
        """Take one frame; return the results if it decides."""
        sample, tally = capture.sample, self._tally
        tally.frames += 1
        tally.last_finding = sample.finding
        borrowed.step_ms.update({f"face_{_TIMED.get(step, step)}": took for step, took in sample.step_ms.items()})
        if capture.portrait_jpeg is not None:
            self._shots.add(Shot(sample, t_mono_s, bytearray(capture.portrait_jpeg), self._heights.camera))
            borrowed.show_probe(capture.portrait_jpeg)
        before = self.cue
        self._guide.followed = self._heights.followed
        self._guide.observe(sample, t_mono_s)
        self._questioning.observe(sample, capture.comparison, t_mono_s)
        results = self._decided(capture, t_mono_s, borrowed)
        if self.cue is not before:
            self._changed()
        return results

    def _decided(self, capture: Capture, t_mono_s: float, borrowed: Borrowed) -> Results | None:
        sample, comparison, tally = capture.sample, capture.comparison, self._tally
        if sample.finding is not FaceFinding.FOUND:
            return None
        if comparison is None:  # there is a record and somebody to compare, but the worker has no reference any more
            raise InferenceFault("a face was found and not compared")
        tally.compared += 1
        tally.comparison = borrowed.comparison = comparison
        tally.attack = borrowed.attack = sample.attack
        if comparison.decision is ComparisonDecision.MATCH:
            return self._matched()
        if self._questioning.is_running:
            return None  # a head that turns because it was asked to proves no difference
        if comparison.decision is ComparisonDecision.NON_MATCH:
            self._count_non_match(t_mono_s)
        else:
            tally.non_matches = 0
        is_for_long = t_mono_s - tally.non_match_since_s >= NON_MATCH_SPAN_S
        if tally.non_matches >= NON_MATCH_FRAMES and is_for_long:
            return self._both(CheckOutcome.FAILED, ReasonCode.FACE_DIFFERENT, self._presentation())
        return None

    def _count_non_match(self, t_mono_s: float) -> None:
        """Count a frame that does not match, unless the face is turned or moves: that proves no difference."""
        if not self._guide.is_still_and_frontal:
            return
        if self._tally.non_matches == 0:
            self._tally.non_match_since_s = t_mono_s
        self._tally.non_matches += 1

    def _matched(self) -> Results | None:
        """Return the results of a frame that matches; None where attack detection has to see more first."""
        found = self._presentation()
        if self._is_required and found is not Presentation.SUSPECTED:
            if self._questioning.is_running or (found is Presentation.NO_RESULT and not self._questioning.is_failed):
                return None
            if self._questioning.is_passed:
                found = Presentation.CLEAR
            elif self._questioning.is_failed:
                found = Presentation.DOUBTFUL  # a later frame that looks better does not answer what was asked
            elif found is Presentation.DOUBTFUL and self._questioning.begin():
                return None
        return self._both(CheckOutcome.SUCCESSFUL, None, found)

    def _presentation(self) -> Presentation:
        return weigh(self._tally.attack, self._settings)

    def _unfinished(self, *, out_of_range: bool) -> Results:
        """Return the results of an acquisition that no frame decided; one that waits for attack detection is no release."""
        tally = self._tally
        if tally.comparison is not None and tally.comparison.decision is ComparisonDecision.MATCH:
            found = Presentation.DOUBTFUL if self._questioning.has_begun else Presentation.NO_RESULT
            return self._both(CheckOutcome.SUCCESSFUL, None, found)
        if out_of_range:
            code = ReasonCode.FACE_OUT_OF_RANGE
        elif tally.compared:
            code = ReasonCode.FACE_UNDETERMINED
        elif tally.frames == 0:
            code = ReasonCode.FACE_TIMEOUT
        else:
            code = _FINDING_REASON.get(tally.last_finding, ReasonCode.FACE_NOT_FOUND)
        if tally.compared or self._is_required:
            return self._both(CheckOutcome.UNDETERMINED, code, self._presentation())
        return (self._face(CheckOutcome.UNDETERMINED, code),)

    def _both(self, outcome: CheckOutcome, code: ReasonCode | None, found: Presentation) -> Results:
        check = presentation_check(self._tally.attack, found, self._settings, challenge=self._questioning.ended_as)
        return (self._face(outcome, code), *(() if check is None else (check,)))

    def _face(self, outcome: CheckOutcome, code: ReasonCode | None) -> CheckResult:
        return CheckResult(
            CheckName.FACE_COMPARISON,
            outcome,
            (Reason(code),) if code else (),
            (*compared_values(self._tally.comparison), *self._seen_by()),
            (self._clock.monotonic_s() - self._begun_mono_s) * 1000,
        )

    def _seen_by(self) -> tuple[Compared, ...]:
        """Return which camera the comparison is from, where there is more than one view."""
        return (Compared("camera", self._heights.camera, ""),) if self._has_views else ()

    def _hand_over(self, borrowed: Borrowed, results: Results) -> None:
        """Leave to the guard what he has to see: all of an alarmed acquisition, the best frames of one that found no match."""
        suspected = (
            self._settings.presentation_attack_detection is not AttackDetection.OFF
            and self._presentation() is Presentation.SUSPECTED
        )
        if suspected:
            chosen = self._shots.even(ALARM_FRAMES)
        elif results[0].outcome is CheckOutcome.SUCCESSFUL:
            return
        else:
            chosen = best_and_different(self._shots.all(), REFERRAL_FRAMES)
            best = best_capture(chosen)
            if best is not None:
                borrowed.show_probe(best.portrait_jpeg)
        borrowed.attack_suspected = suspected
        borrowed.frame_jpegs = [bytearray(shot.portrait_jpeg) for shot in chosen]


def compared_values(comparison: FaceComparison | None) -> tuple[Compared, ...]:
    """Return what a comparison looked at, for record and guard: score and threshold, and what both were made with."""
    if comparison is None:
        return ()
    named = (
        ("calibration", comparison.calibration_id),
        ("model", comparison.model_id),
        ("cohort", comparison.cohort_id),
        ("cosine", "" if comparison.cosine is None else f"{comparison.cosine:.4f}"),
        ("frames", str(comparison.frames)),
    )
    score = Compared("comparison_score", f"{comparison.comparison_score:.4f}", f">= {comparison.threshold:.4f}")
    return (score, *(Compared(name, value, "") for name, value in named if value))
