"""Rules of the document beyond its printed lines: when the chip is read, what is repeated once, and when the pictures are judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.check import AnyCheck, CheckName, CheckOutcome, CheckResult, PluginCheckName
from gate_agent.domain.demands import ELECTRONIC_CHECKS, OPTICAL_CHECKS, PAGE_CHECKS, PERMIT_CHECKS
from gate_agent.domain.events import Step, Timer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_state import ChipRead, Permit, Phase, Stepping, TransactionState

_OF_THE_ZONE = frozenset(
    {
        CheckName.MRZ_CHECK_DIGITS,
        CheckName.MRZ_READING,
        CheckName.MRZ_INFRARED_AGAINST_VISIBLE,
        CheckName.EXPIRY,
        CheckName.WATCHLIST,
        CheckName.STAY,
        CheckName.ELIGIBILITY,
        CheckName.TRAVEL_BAN,
        CheckName.SPECIMEN,
        CheckName.STATE_CODES,
        CheckName.FACE_COMPARISON,
    }
)
"""What was answered from the printed lines (of the face: whether the holder is old enough), and is asked anew for others."""
_UNREADABLE = frozenset({ReasonCode.ABORTED_TWICE, ReasonCode.MRZ_UNREADABLE})


def is_correctable(state: TransactionState) -> bool:
    """Return whether a guard may correct the printed lines: they are what he was called for, and nothing else speaks against anybody.

    Only before anybody entered. Lines that were read rightly are nobody's to change, and a finding cannot be corrected away.
    """
    if (
        state.phase is not Phase.REFERRED
        or state.permit is not Permit.NONE
        or state.occupancy
        or state.release_unsettled
    ):
        return False
    if not {reason.code for reason in state.referral} <= _UNREADABLE:
        return False
    failed = {check for check, result in state.results.items() if result.outcome is CheckOutcome.FAILED}
    digits, reading = (state.results.get(check) for check in (CheckName.MRZ_CHECK_DIGITS, CheckName.MRZ_READING))
    are_right = digits is not None and digits.outcome is CheckOutcome.SUCCESSFUL
    is_trusted = reading is None or state.demands.is_clear(reading)
    return failed <= {CheckName.MRZ_CHECK_DIGITS} and not (are_right and is_trusted)


def without_right(results: Mapping[AnyCheck, CheckResult]) -> dict[AnyCheck, CheckResult]:
    """Return results without those of a read that is set aside that may be told later than the rest of it: the right to cross, plug-ins.

    What a plug-in found in the pictures of the page is of no read and stays.
    """
    return {
        check: result
        for check, result in results.items()
        if check not in PERMIT_CHECKS
        and not (isinstance(check, PluginCheckName) and result.outcome is not CheckOutcome.FAILED)
    }


class DocumentInspection(Stepping, ABC):
    """The chip and the page. A read that was aborted is repeated once; a finding of it stays, whatever the second read says."""

    @abstractmethod
    def progress(self) -> None:
        """See how far the inspection is; the rules of the whole inspection say how."""

    @property
    def zone_is_right(self) -> bool:
        """Whether the machine readable zone was read with right check digits: the key to the chip."""
        digits = self.state.results.get(CheckName.MRZ_CHECK_DIGITS)
        return digits is not None and digits.outcome is CheckOutcome.SUCCESSFUL

    @property
    def waits_for_document(self) -> bool:
        """Whether something of the document is still on its way that has to be judged before anybody enters."""
        state = self.state
        if not self.zone_is_right:
            return False  # without the key there is no chip to wait for
        return state.page_running or (state.demands.reads_chip and state.chip is not ChipRead.JUDGED)

    def corrected(self, event: de.ReadingCorrected) -> None:
        """Inspect anew what a guard read by eye; everything else of the document is asked as for any other reading."""
        state = self.state
        if event.transaction_id != state.transaction_id or not is_correctable(state):
            return
        kept = {
            check: result
            for check, result in state.results.items()
            if check not in _OF_THE_ZONE | ELECTRONIC_CHECKS | state.demands.plugins
        }
        self.set(
            phase=Phase.INSPECTING,
            answer=None,
            referral=(),
            results=kept,
            chip=ChipRead.NOT_BEGUN,
            page_is_new=state.page_is_new or state.page_running or bool(OPTICAL_CHECKS & state.results.keys()),
            page_running=False,
            aborted_steps={},
            reads=0,
            last_reading_key="",
        )
        self.emit(de.DoubtReading(), de.TakeCorrected(event.lines, event.officers), ev.StartTimer(Timer.IDLE))

    # chip -------------------------------------------------------------------------------------------------------------

    def read_chip(self) -> None:
        """Read the chip, if this lane does. The reference is this read's own: none of an earlier read stands in for it."""
        state = self.state
        if not state.demands.reads_chip or state.permit is not Permit.NONE:
            return
        if state.chip not in {ChipRead.NOT_BEGUN, ChipRead.AWAITED} or not self.zone_is_right:
            return
        self.set(chip=ChipRead.RUNNING, has_reference=False)
        self.emit(ev.StopTimer(Timer.IDLE), ev.StartTimer(Timer.CHIP), de.ReadChip())

    def chip_judged(self, results: Iterable[CheckResult]) -> None:
        """Take the end of a read. Access that was refused has the lines read again, once; what was aborted, the chip."""
        if self.state.chip is not ChipRead.RUNNING:
            return
        given = {result.check: result for result in results}
        found = {check: result for check, result in given.items() if check in ELECTRONIC_CHECKS}
        if CheckName.SPECIMEN in given:
            self._told_specimen(given[CheckName.SPECIMEN])
        access = found.get(CheckName.CHIP_ACCESS)
        others_failed = any(result.outcome is CheckOutcome.FAILED and result is not access for result in found.values())
        aborted = _first_reason(result for result in found.values() if result.outcome is CheckOutcome.ABORTED)
        is_last = Step.CHIP in self.state.aborted_steps or others_failed or bool(self._findings())
        if not is_last and access is not None and access.outcome is CheckOutcome.FAILED:
            self._count_chip()
            self._await_chip()
            self.doubt_lines()
        elif not is_last and (aborted is not None or not found):
            self.chip_aborted(aborted or Reason(ReasonCode.STEP_TIMEOUT, {"step": Step.CHIP.value}))
        else:
            self._conclude_chip(found, Reason(ReasonCode.STEP_TIMEOUT, {"step": Step.CHIP.value}))

    def chip_result(self, result: CheckResult) -> None:
        """Take what is known of the chip while it still transfers; a finding is not taken back."""
        if self.state.chip is ChipRead.RUNNING and result.check not in self._findings():
            self.set(results={**self.state.results, result.check: result})

    def _told_specimen(self, result: CheckResult) -> None:
        """Put down that the chip says that it is a specimen's; what the printed lines said of that is not taken back by it."""
        before = self.state.results.get(CheckName.SPECIMEN)
        if before is None or before.outcome is not CheckOutcome.FAILED:
            self.set(results={**self.state.results, CheckName.SPECIMEN: result})

    def chip_aborted(self, reason: Reason) -> None:
        """Wait for the document and read its chip once more; the second time what is missing stays aborted."""
        if self.state.chip is not ChipRead.RUNNING:
            return
        self.emit(de.StopChip())
        is_last = Step.CHIP in self.state.aborted_steps or bool(self._findings())
        self._count_chip()
        if is_last:
            self.emit(
                de.TakeReference()
            )  # what is there of the document: the reference of a lane that goes on, or for the guard
            twice = Reason(ReasonCode.ABORTED_TWICE, {"step": Step.CHIP.value})
            self._conclude_chip({}, reason, twice)
        else:
            self._await_chip()

    def doubt_lines(self) -> None:
        """Let the zone be read anew: what was read opens no chip, so it may have been read wrongly."""
        state = self.state
        doubted = {CheckName.MRZ_CHECK_DIGITS, CheckName.MRZ_READING}
        results = {check: result for check, result in without_right(state.results).items() if check not in doubted}
        is_stale = state.page_is_new or state.page_running or CheckName.MRZ_READING in state.results
        self.set(results=results, reads=0, last_reading_key="", page_is_new=is_stale)
        self.emit(de.DoubtReading())

    def _count_chip(self) -> None:
        count = self.state.aborted_steps.get(Step.CHIP, 0) + 1
        self.set(aborted_steps={**self.state.aborted_steps, Step.CHIP: count})

    def _await_chip(self) -> None:
        results = self._without_chip()
        portrait = results.get(CheckName.PORTRAIT_AGAINST_DG2)
        if portrait is not None and portrait.outcome is not CheckOutcome.FAILED:
            del results[CheckName.PORTRAIT_AGAINST_DG2]  # it was compared with what this read gave
        self.set(chip=ChipRead.AWAITED, has_reference=False, results=results)
        self.emit(ev.StopTimer(Timer.CHIP), ev.StartTimer(Timer.IDLE), ev.ReadDocumentAgain())

    def _conclude_chip(self, found: Mapping[AnyCheck, CheckResult], *missing: Reason) -> None:
        """Put down what a read gave; a demanded check that it did not answer is aborted, and an earlier finding stays."""
        demanded = self.state.demands.before_entry & ELECTRONIC_CHECKS
        absent = {check: CheckResult(check, CheckOutcome.ABORTED, missing) for check in sorted(demanded - found.keys())}
        results = {**self._without_chip(), **absent, **found, **self._findings()}
        self.set(chip=ChipRead.JUDGED, results=results)
        self.emit(ev.StopTimer(Timer.CHIP), ev.StartTimer(Timer.IDLE))
        self.progress()

    def _findings(self) -> dict[AnyCheck, CheckResult]:
        """Return what was found to be wrong with the chip; that a key did not fit is no finding while the key may be wrong."""
        return {
            check: result
            for check, result in self.state.results.items()
            if check in ELECTRONIC_CHECKS - {CheckName.CHIP_ACCESS} and result.outcome is CheckOutcome.FAILED
        }

    def _without_chip(self) -> dict[AnyCheck, CheckResult]:
        kept = {check: result for check, result in self.state.results.items() if check not in ELECTRONIC_CHECKS}
        return kept | self._findings()

    # page -------------------------------------------------------------------------------------------------------------

    def judge_page(self) -> None:
        """Have the pictures judged that came since the last time, or those that the lane's reader is about to take."""
        state = self.state
        is_due = state.page_is_new or (state.demands.judges_page and not state.results.keys() >= PAGE_CHECKS)
        if is_due and not state.page_running and self.zone_is_right and state.permit is Permit.NONE:
            self.set(page_is_new=False, page_running=True)
            self.emit(de.JudgePage())

    def page_judged(self, results: Iterable[CheckResult]) -> None:
        """Take what the pictures showed; a finding of an earlier set of them stays."""
        if not self.state.page_running:
            return
        known = dict(self.state.results)
        for result in results:
            before = known.get(result.check)
            if before is None or before.outcome is not CheckOutcome.FAILED:
                known[result.check] = result
        self.set(results=known, page_running=False)
        self.judge_page()

    def page_aborted(self, reason: Reason) -> None:
        """Judge once more; the second time the checks stay aborted."""
        if not self.state.page_running:
            return
        count = self.state.aborted_steps.get(Step.PAGE, 0) + 1
        self.set(aborted_steps={**self.state.aborted_steps, Step.PAGE: count})
        if count > 1:
            reasons = (reason, Reason(ReasonCode.ABORTED_TWICE, {"step": Step.PAGE.value}))
            # plug-ins that look at pictures are not coming
            unasked = self.state.demands.plugins - self.state.results.keys()
            missing: tuple[AnyCheck, ...] = (*sorted(OPTICAL_CHECKS), *sorted(unasked))
            self.page_judged(CheckResult(check, CheckOutcome.ABORTED, reasons) for check in missing)
        else:
            self.set(page_running=False, page_is_new=True)
            self.judge_page()


def _first_reason(results: Iterable[CheckResult]) -> Reason | None:
    for result in results:
        return result.reasons[0] if result.reasons else Reason(ReasonCode.CHIP_ABORTED, {"fault": ""})
    return None
