"""Checks that need nothing but the machine readable zone: digits (TR-03135-1 table 5.8), expiry (5.45) and codes of states."""

from __future__ import annotations

from datetime import date

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.states import NATIONALITY_CODES, STATE_CODES
from gate_agent.domain.travel_document import TravelDocument


def check_mrz_digits(reading: MrzReading, duration_ms: float = 0.0) -> CheckResult:
    """Judge the digits: failed when any is wrong, each named; undetermined when the zone was not readable."""
    if reading.document is None:
        return CheckResult(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.UNDETERMINED, reading.problems, (), duration_ms)
    wrong = [digit for digit in reading.digits if digit.outcome is not CheckOutcome.SUCCESSFUL]
    return CheckResult(
        CheckName.MRZ_CHECK_DIGITS,
        CheckOutcome.FAILED if wrong else CheckOutcome.SUCCESSFUL,
        tuple(reason for reason in reading.problems if not wrong or reason.code is ReasonCode.MRZ_CHECK_DIGIT_WRONG),
        tuple(Compared(digit.field, digit.found, digit.expected) for digit in wrong),
        duration_ms,
    )


def check_expiry(document: TravelDocument, today: date) -> CheckResult:
    """Judge the date of expiry: failed when it is in the past; a document is valid on that day."""
    expiry = document.date_of_expiry
    if expiry is None:
        reason = Reason(ReasonCode.DATE_OF_EXPIRY_UNREADABLE)
        return CheckResult(CheckName.EXPIRY, CheckOutcome.UNDETERMINED, (reason,))
    compared = (Compared("date_of_expiry", expiry.isoformat(), f">= {today.isoformat()}"),)
    if expiry < today:
        reason = Reason(ReasonCode.DOCUMENT_EXPIRED, {"date_of_expiry": expiry.isoformat()})
        return CheckResult(CheckName.EXPIRY, CheckOutcome.FAILED, (reason,), compared)
    return CheckResult(CheckName.EXPIRY, CheckOutcome.SUCCESSFUL, (), compared)


def check_state_codes(document: TravelDocument) -> CheckResult:
    """Judge issuing state and nationality by the table of codes (ICAO 9303-3 §5); one that is not in it is undetermined, never a finding."""
    codes = (
        ("issuing_state", document.issuing_state, STATE_CODES),
        ("nationality", document.nationality, NATIONALITY_CODES),
    )
    unknown = [(name, code) for name, code, table in codes if code not in table]
    reasons = tuple(
        Reason(ReasonCode.STATE_CODE_UNKNOWN, {"code": code or "-"})
        for code in dict.fromkeys(code for _, code in unknown)
    )
    return CheckResult(
        CheckName.STATE_CODES,
        CheckOutcome.UNDETERMINED if unknown else CheckOutcome.SUCCESSFUL,
        reasons,
        tuple(Compared(name, code or "-", "") for name, code in unknown),
    )
