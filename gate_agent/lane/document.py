"""From a read of the machine readable zone to its check results: digits, expiry, watchlist, stay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import structlog

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.declaration import Direction
from gate_agent.domain.document_checks import check_expiry, check_mrz_digits, check_state_codes
from gate_agent.domain.mrz import MrzReading, read_mrz
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.specimens import accepted, check_specimen
from gate_agent.domain.stay import Stay
from gate_agent.domain.transaction_state import Phase, TransactionState
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face.age import age_not_covered
from gate_agent.lane.ports import Knowledge, LaneStore
from gate_agent.lane.presented import Taken
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.stay_rules import check_stay

log = structlog.get_logger()

_NOT_READ = (Reason(ReasonCode.MRZ_UNREADABLE),)


def reading_key(lines: Sequence[str]) -> str:
    """Return what two reads of the same lines share, without keeping the lines."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def take_reading(borrowed: Borrowed, reading: MrzReading, state: TransactionState) -> tuple[bool, tuple[ev.Event, ...]]:
    """Say whether a read is of this transaction's document and has to be inspected, and what the machine has to know at once."""
    is_inspecting = state.phase is Phase.INSPECTING and not state.asked
    is_open = is_inspecting and CheckName.MRZ_CHECK_DIGITS not in state.results
    match borrowed.presented.take(reading, is_open=is_open):
        case Taken.INSPECT:
            borrowed.reading = reading
            if not borrowed.presented.drops_portrait():
                return True, ()
            borrowed.drop_reference()
            return True, (ev.ReferenceDropped(),)
        case Taken.SAME if borrowed.presented.is_on_reader:
            return False, (de.DocumentSeenAgain(),)
        case Taken.OTHER:
            log.warning("another_document_read", phase=state.phase, is_inside=state.entered)
            return False, (ev.DocumentChanged(),)
        case Taken.UNCLEAR if is_inspecting and not borrowed.presented.has_portrait:
            return False, (ev.StepAborted(ev.Step.DOCUMENT, Reason(ReasonCode.MRZ_UNREADABLE)),)
    return False, ()


def watchlist_result(reading: MrzReading, knowledge: Knowledge, now: datetime, age_limit_h: float) -> CheckResult:
    """Look the document number up; no document, no statement."""
    if reading.document is None:
        return CheckResult(CheckName.WATCHLIST, CheckOutcome.UNDETERMINED, _NOT_READ)
    return knowledge.watchlist.check(
        reading.document.document_number,
        reading.document.issuing_state,
        age=now - knowledge.watchlist_valid_from,
        age_limit=timedelta(hours=age_limit_h),
    )


async def inspect_reading(
    lines: Sequence[str],
    direction: Direction,
    today: date,
    now: datetime,
    knowledge: Knowledge,
    store: LaneStore,
    watchlist_age_limit_h: float,
    minimum_face_age_years: int,
    refusals: Callable[[TravelDocument], tuple[Reason, ...]] = lambda _: (),
    corrected_by: Sequence[str] = (),
    *,
    accept_specimens: bool = False,
) -> tuple[MrzReading, list[ev.Event], tuple[Stay, ...]]:
    """Parse one read and run every check that needs nothing but the document; the digit check comes last.

    Also return the stays that the gate knows of the holder.

    A holder younger than the face comparison covers, like one who is not served, is told before the entrance opens. `refusals` says
    what else keeps this lane from serving the holder of a document. `corrected_by`: officers who read the lines by eye.
    `accept_specimens`: this site is for demonstrations and tests.
    """
    reading = read_mrz(lines, today)
    document = reading.document
    stays: tuple[Stay, ...] = ()
    results = [
        check_expiry(document, today)
        if document
        else CheckResult(CheckName.EXPIRY, CheckOutcome.UNDETERMINED, (Reason(ReasonCode.DATE_OF_EXPIRY_UNREADABLE),)),
        watchlist_result(reading, knowledge, now, watchlist_age_limit_h),
    ]
    if document is None:
        unread = (CheckName.STATE_CODES, CheckName.SPECIMEN, CheckName.STAY)
        results += [CheckResult(check, CheckOutcome.UNDETERMINED, _NOT_READ) for check in unread]
    else:
        specimen = check_specimen(document)
        results += [check_state_codes(document), accepted(specimen) if accept_specimens else specimen]
        stays = await store.stays_of(document.issuing_state, document.document_number)
        results.append(check_stay(direction, document.nationality, stays, today, knowledge.rulebook))
    found: list[ev.Event] = [ev.CheckCompleted(result) for result in results]
    digits = check_mrz_digits(reading)
    if corrected_by:
        corrected = Reason(ReasonCode.MRZ_CORRECTED, {"officer": ", ".join(corrected_by)})
        digits = replace(digits, reasons=(*digits.reasons, corrected))
    refused = (*not_served(document, None, today, knowledge.rulebook), *refusals(document)) if document else ()
    if refused and digits.outcome is CheckOutcome.SUCCESSFUL:
        found.append(ev.NotServed(refused))
    child = age_not_covered(document, today, minimum_face_age_years)
    if child is not None and digits.outcome is CheckOutcome.SUCCESSFUL:
        found.append(ev.CheckCompleted(child))
    found.append(ev.MrzChecked(reading_key(lines), digits))
    return reading, found, stays
