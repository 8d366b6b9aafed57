"""From a read of the machine readable zone to its check results: digits, expiry, watchlist, stay."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

import structlog

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.document_checks import check_expiry, check_mrz_digits, check_state_codes
from gate_agent.domain.mrz import MrzReading, read_mrz
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.selection import Past
from gate_agent.domain.specimens import accepted, check_specimen
from gate_agent.domain.stay import Stay
from gate_agent.domain.transaction_state import Phase, TransactionState
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import EgateError
from gate_agent.inspection.watchlist import Subject, WatchlistAnswer
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.entry_right import Circumstances, EntryRight, entry_right
from gate_agent.lane.face.age import age_not_covered
from gate_agent.lane.ports import Knowledge, LaneStore
from gate_agent.lane.presented import Taken
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.selection import selection_reach
from gate_agent.settings import PolicySettings

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
            borrowed.take_reading(reading)
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


async def watchlist_answer(
    reading: MrzReading, knowledge: Knowledge, today: date, now: datetime, policy: PolicySettings
) -> WatchlistAnswer:
    """Look the holder up on the lists, beside the loop where that may take long; no document, no statement."""
    if reading.document is None:
        return WatchlistAnswer(CheckResult(CheckName.WATCHLIST, CheckOutcome.UNDETERMINED, _NOT_READ))
    look_up = partial(
        knowledge.watchlist.screen,
        Subject.of(reading.document, today),
        today,
        age=now - knowledge.watchlist_valid_from,
        age_limit=timedelta(hours=policy.watchlist_age_limit_h),
        years_apart=policy.watchlist_years_apart,
    )
    try:
        answer = await asyncio.to_thread(look_up) if knowledge.watchlist.takes_long else look_up()
        return replace(answer, version=knowledge.watchlist_version)
    except EgateError as fault:
        log.error("watchlist_unreadable", code=fault.code)
        reason = Reason(ReasonCode.WATCHLIST_UNREADABLE)
        return WatchlistAnswer(CheckResult(CheckName.WATCHLIST, CheckOutcome.UNDETERMINED, (reason,)))


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one read gave: the reading, events for the machine, what the gate knows of the holder, and his right to cross (None without a document).

    `listed`: what the watchlists say of him.
    """

    reading: MrzReading
    events: tuple[ev.Event, ...]
    stays: tuple[Stay, ...]
    past: Past
    listed: WatchlistAnswer
    right: EntryRight | None = None


async def inspect_reading(
    lines: Sequence[str],
    where: Circumstances,
    knowledge: Knowledge,
    store: LaneStore,
    policy: PolicySettings,
    minimum_face_age_years: int,
    refusals: Callable[[TravelDocument], tuple[Reason, ...]] = lambda _: (),
    borrowed: Borrowed | None = None,
    *,
    accept_specimens: bool = False,
    is_linked: bool = False,
) -> Inspected:
    """Parse one read and run every check that needs nothing but the document; the digit check comes last.

    A holder younger than the face comparison covers, like one who is not served, is told before the entrance opens. `refusals` says
    what else keeps this lane from serving the holder of a document. `borrowed`: what else the traveller showed, and who read the lines by eye.
    `accept_specimens`: this site is for demonstrations and tests. `is_linked`: the holder crosses with an adult.
    """
    today = where.today
    reading = read_mrz(lines, today)
    document = reading.document
    right: EntryRight | None = None
    stays: tuple[Stay, ...] = ()
    past = Past()
    listed = await watchlist_answer(reading, knowledge, today, where.now, policy)
    results = [
        check_expiry(document, today)
        if document
        else CheckResult(CheckName.EXPIRY, CheckOutcome.UNDETERMINED, (Reason(ReasonCode.DATE_OF_EXPIRY_UNREADABLE),)),
        listed.result,
    ]
    if document is None:
        unread = (
            CheckName.STATE_CODES, CheckName.SPECIMEN, CheckName.ELIGIBILITY, CheckName.STAY, CheckName.TRAVEL_BAN
        )  # fmt: skip
        results += [CheckResult(check, CheckOutcome.UNDETERMINED, _NOT_READ) for check in unread]
    else:
        specimen = check_specimen(document)
        results += [check_state_codes(document), accepted(specimen) if accept_specimens else specimen]
        stays = await store.stays_of(document.issuing_state, document.document_number)
        declaration = borrowed.declaration if borrowed else None
        shown = borrowed.permit if borrowed else None
        declared = declaration.permit if declaration else None
        right = entry_right(document, where, knowledge, stays, policy, shown, declared)
        results += right.results
        reach = selection_reach(knowledge.rulebook, today)
        past = await store.past_of(document.issuing_state, document.document_number, *reach)
    found: list[ev.Event] = [ev.CheckCompleted(result) for result in results]
    digits = check_mrz_digits(reading)
    if borrowed is not None and borrowed.corrected_by:
        corrected = Reason(ReasonCode.MRZ_CORRECTED, {"officer": ", ".join(borrowed.corrected_by)})
        digits = replace(digits, reasons=(*digits.reasons, corrected))
    refused: tuple[Reason, ...] = ()
    if document is not None:
        refused = (
            *not_served(document, None, today, knowledge.rulebook, is_linked=is_linked),
            *refusals(document),
        )
    if refused and digits.outcome is CheckOutcome.SUCCESSFUL:
        found.append(ev.NotServed(refused))
    child = age_not_covered(document, today, minimum_face_age_years)
    if child is not None and digits.outcome is CheckOutcome.SUCCESSFUL:
        found.append(ev.CheckCompleted(child))
    found.append(ev.MrzChecked(reading_key(lines), digits))
    return Inspected(reading, tuple(found), stays, past, listed, right)
