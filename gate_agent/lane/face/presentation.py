"""What presentation attack detection says about the very frame that decides (ISO/IEC 30107; TR-03121-3.1).

The machine never accuses: an alarm, a doubt or no result is undetermined and calls the guard, and only where the site requires
attack detection. Where it is advisory its score is logged and shown to the guard, and stands in nobody's way. The traveller is
shown none of it.
"""

from __future__ import annotations

from enum import StrEnum

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.settings import AttackDetection, FaceSettings
from models.results import AttackAssessment


class Presentation(StrEnum):
    """How one frame's assessment stands to the settings' limits."""

    CLEAR = "clear"
    DOUBTFUL = "doubtful"
    SUSPECTED = "suspected"
    NO_RESULT = "no_result"


_REASONS = {
    Presentation.DOUBTFUL: ReasonCode.PRESENTATION_ATTACK_DOUBTFUL,
    Presentation.SUSPECTED: ReasonCode.PRESENTATION_ATTACK_SUSPECTED,
    Presentation.NO_RESULT: ReasonCode.PRESENTATION_ATTACK_NO_RESULT,
}


def weigh(attack: AttackAssessment | None, settings: FaceSettings) -> Presentation:
    """Return where a frame's score lies; a score that is no number from 0 to 1 is no result."""
    score = None if attack is None else attack.score
    if score is None or not 0.0 <= score <= 1.0:
        return Presentation.NO_RESULT
    if score >= settings.attack_alarm_score:
        return Presentation.SUSPECTED
    return Presentation.DOUBTFUL if score >= settings.attack_doubt_score else Presentation.CLEAR


def presentation_check(
    attack: AttackAssessment | None, found: Presentation, settings: FaceSettings, *, challenge: str = ""
) -> CheckResult | None:
    """Return the check for the record and the guard; None where attack detection is off.

    `challenge` is how a challenge ended, empty when there was none. A detector without measured error rates is named unrated
    wherever it speaks.
    """
    mode = settings.presentation_attack_detection
    if mode is AttackDetection.OFF:
        return None
    compared = _compared(attack, settings, challenge)
    unrated = () if attack is not None and attack.is_rated else (Reason(ReasonCode.PRESENTATION_ATTACK_UNRATED),)
    if mode is AttackDetection.ADVISORY:
        no_result = (Reason(_REASONS[found]),) if found is Presentation.NO_RESULT else ()
        reasons = (Reason(ReasonCode.PRESENTATION_ATTACK_ADVISORY), *no_result, *unrated)
        return CheckResult(CheckName.FACE_PRESENTATION, CheckOutcome.NOT_SUPPORTED, reasons, compared)
    if found is Presentation.CLEAR:
        return CheckResult(CheckName.FACE_PRESENTATION, CheckOutcome.SUCCESSFUL, unrated, compared)
    reasons = (Reason(_REASONS[found]), *unrated)
    return CheckResult(CheckName.FACE_PRESENTATION, CheckOutcome.UNDETERMINED, reasons, compared)


def _compared(attack: AttackAssessment | None, settings: FaceSettings, challenge: str) -> tuple[Compared, ...]:
    parts: list[Compared] = []
    if attack is not None and attack.score is not None:
        parts.append(Compared("attack_score", f"{attack.score:.2f}", f"< {settings.attack_alarm_score:.2f}"))
        parts += [Compared(f"attack_{name}", f"{value:.2f}", "") for name, value in sorted(attack.cues.items())]
    if challenge:
        parts.append(Compared("challenge", challenge, "passed"))
    return tuple(parts)
