"""Children whom the calibration does not cover: their faces change, and nobody has measured how well this chain tells them apart."""

from __future__ import annotations

from datetime import date

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.policy.eligibility import age_years, latest_birth


def age_not_covered(document: TravelDocument | None, today: date, minimum_age_years: int) -> CheckResult | None:
    """Return the undetermined comparison of a holder younger than the calibration covers; None for everybody else.

    Parts of a birth date that are not printed make nobody older; a date that cannot be read proves no age. Without a document,
    or with a calibration that covers every age, there is nothing to say.
    """
    if minimum_age_years <= 0 or document is None:
        return None
    born = latest_birth(document, today)
    if born is not None and age_years(born, today) >= minimum_age_years:
        return None
    reason = Reason(ReasonCode.FACE_AGE_NOT_COVERED, {"minimum": str(minimum_age_years)})
    return CheckResult(CheckName.FACE_COMPARISON, CheckOutcome.UNDETERMINED, (reason,))
