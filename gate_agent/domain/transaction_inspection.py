"""Rules of the inspection: which result leads on, what is repeated once, and when policy is asked."""

from __future__ import annotations

import uuid

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.demands import ELECTRONIC_CHECKS, PAGE_CHECKS
from gate_agent.domain.events import Step, Timer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_document import DocumentInspection
from gate_agent.domain.transaction_state import ChipRead, Permit, Phase

_MOST_READS = 3


class Inspection(DocumentInspection):
    """From the first sign of a traveller to the question to policy."""

    def presented(self, event: ev.DocumentPresented | ev.TokenPresented, transaction_id: uuid.UUID) -> None:
        """Begin a transaction with the first thing presented; take the rest in any order."""
        if self.state.phase is Phase.IDLE:
            self.begin(transaction_id)
        if self.state.phase is not Phase.INSPECTING or self.state.asked:
            return
        if isinstance(event, ev.TokenPresented):
            self.set(token_pending=True)
        if self.state.permit is Permit.NONE and self.state.chip is not ChipRead.RUNNING:
            self.emit(ev.StartTimer(Timer.IDLE))

    def inspect(self, event: ev.Event) -> None:
        """Take one result of the inspection and see how far it leads."""
        match event:
            case ev.MrzChecked(reading_key, result):
                self.mrz(reading_key, result)
            case ev.CheckCompleted(result):
                self.completed(result)
            case ev.ChecksCompleted(results):
                for result in results:
                    self.completed(result)
            case de.DocumentSeenAgain():
                self.read_chip()
                return
            case de.ChipJudged(results):
                self.chip_judged(results)
                return
            case de.PageImaged():
                self.set(page_is_new=True)
                self.judge_page()
                return
            case de.PageJudged(results):
                self.page_judged(results)
            case ev.ReferenceReady():
                self.set(has_reference=True)
            case ev.ReferenceDropped():
                if self.state.permit is Permit.NONE:
                    self.set(has_reference=False)
                return
            case ev.DocumentChanged():
                if not self.state.entered:  # who is inside is judged by what let him in; the next one may be impatient
                    self.ask((Reason(ReasonCode.DOCUMENT_CHANGED),))
                return
            case ev.NotServed(reasons):
                self.ask(reasons)
                return
            case ev.StepAborted(aborted_step, reason):
                self.aborted(aborted_step, reason)
                return
            case _:
                return
        self.progress()

    def mrz(self, reading_key: str, result: CheckResult) -> None:
        """Count a wrong check digit only after a second read agrees; three different reads stay undetermined."""
        state = self.state
        if CheckName.MRZ_CHECK_DIGITS in state.results:
            return
        if result.outcome is CheckOutcome.SUCCESSFUL or reading_key == state.last_reading_key:
            self.set(results={**state.results, result.check: result}, reads=state.reads + 1)
            self.read_chip()
            self.judge_page()
        elif state.reads + 1 >= _MOST_READS:
            differing = CheckResult(
                CheckName.MRZ_CHECK_DIGITS,
                CheckOutcome.UNDETERMINED,
                (Reason(ReasonCode.MRZ_SECOND_READ_DIFFERS), *result.reasons),
                result.compared,
                result.duration_ms,
            )
            self.set(results={**state.results, result.check: differing}, reads=state.reads + 1)
        else:
            self.set(last_reading_key=reading_key, reads=state.reads + 1)
            self.emit(ev.ReadDocumentAgain(), ev.StartTimer(Timer.IDLE))

    def completed(self, result: CheckResult) -> None:
        """Remember a terminated check. What the chip is known to say before its read is over is on the way, not there."""
        if result.check in ELECTRONIC_CHECKS:
            self.chip_result(result)
            return
        self.set(results={**self.state.results, result.check: result})
        if result.check is CheckName.DECLARATION_TOKEN:
            self.set(token_pending=False)
        if result.check is CheckName.FACE_COMPARISON:
            self.set(face_running=False)

    def aborted(self, aborted_step: Step, reason: Reason) -> None:
        """Repeat an aborted step once; then the guard is called."""
        state = self.state
        if aborted_step is Step.CHIP:
            self.chip_aborted(reason)
            return
        if aborted_step is Step.PAGE:
            self.page_aborted(reason)
            self.progress()
            return
        if aborted_step in {Step.DOCUMENT, Step.REFERENCE} and state.permit is not Permit.NONE:
            return
        if aborted_step is Step.FACE and not state.face_running:
            return
        count = state.aborted_steps.get(aborted_step, 0) + 1
        self.set(aborted_steps={**state.aborted_steps, aborted_step: count})
        if count > 1:
            self.ask((Reason(ReasonCode.ABORTED_TWICE, {"step": aborted_step.value}), reason))
        elif aborted_step is Step.FACE:
            self.emit(ev.StopFaceCapture(), ev.StartFaceCapture())
        elif aborted_step is Step.REFERENCE:
            self.emit(de.TakeReference())
        else:
            self.emit(ev.ReadDocumentAgain())
            if state.chip is not ChipRead.RUNNING:
                self.emit(ev.StartTimer(Timer.IDLE))

    def progress(self) -> None:
        """Grant the permit to enter, or ask policy, as soon as everything needed is there."""
        state, demands = self.state, self.state.demands
        if state.token_pending or self.waits_for_document:
            return
        missing = demands.before_entry - state.results.keys()
        if CheckName.MRZ_CHECK_DIGITS in state.results and not self.zone_is_right:
            missing -= ELECTRONIC_CHECKS | PAGE_CHECKS
        if missing:
            return
        if not all(demands.is_clear(result) for result in state.results.values()):
            self.ask()
        elif state.permit is Permit.NONE and state.has_reference:
            self.set(permit=Permit.COMMITTING)
            self.emit(ev.StopTimer(Timer.IDLE), ev.CommitEntrance())
        elif state.entered and CheckName.FACE_COMPARISON in state.results:
            self.ask()
