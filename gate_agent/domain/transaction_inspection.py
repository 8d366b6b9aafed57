"""Rules of the inspection: which result leads on, what is repeated once, and when policy is asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import AnyCheck, CheckName, CheckOutcome, CheckResult
from gate_agent.domain.demands import ELECTRONIC_CHECKS, PAGE_CHECKS, PERMIT_CHECKS
from gate_agent.domain.events import Step, Timer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_document import DocumentInspection, without_right
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
            case pe.PartyDeclared(size):
                if self.state.permit is Permit.NONE and self.state.person == 0 and not self.state.others:
                    self.set(party=size)
                return
            case pe.OtherChecked(person, results):
                self.other_checked(person, results)
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
            self.set(results=without_right(state.results), last_reading_key=reading_key, reads=state.reads + 1)
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

    def other_checked(self, person: int, results: Iterable[CheckResult]) -> None:
        """Take what is found late of somebody of the party: what stands in his way stands in everybody's, and stays."""
        state = self.state
        if person not in state.others:
            return
        known = dict(state.others[person])
        for result in results:
            before = known.get(result.check)
            if before is None or state.demands.is_clear(before):
                known[result.check] = result
        self.set(others={**state.others, person: known})
        if not self._is_clear(known):
            if state.results:
                self.turn(person)
            self.ask()

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
            # wrong lines prove nothing; nobody waits for it
            missing -= ELECTRONIC_CHECKS | PAGE_CHECKS | PERMIT_CHECKS | demands.plugins
        if missing:
            return
        is_clear = self._is_clear(state.results)
        if state.permit is Permit.NONE and not (is_clear and not state.has_reference):
            self._inspected()
        elif not is_clear:
            self.ask()
        elif state.entered and CheckName.FACE_COMPARISON in state.results:
            self._recognised()

    def _is_clear(self, results: Mapping[AnyCheck, CheckResult]) -> bool:
        return all(self.state.demands.is_clear(result) for result in results.values())

    def _inspected(self) -> None:
        """Go on to the next one's document, or decide about the entry once those of the whole party are there."""
        state = self.state
        missing = next((one for one in range(state.party) if one != state.person and one not in state.others), None)
        if missing is not None:
            self.turn(missing)
            self.set(
                reads=0,
                last_reading_key="",
                has_reference=False,
                token_pending=True,  # the link to the adult is what the declaration says of this document
                chip=ChipRead.NOT_BEGUN,
                page_is_new=False,
                aborted_steps={},
            )
            self.emit(ev.StartTimer(Timer.IDLE))
            return
        found = [one for one, results in enumerate(state.everybody) if not self._is_clear(results)]
        self.turn(found[0] if found else 0)
        if found:
            self.ask()
        else:
            self.set(permit=Permit.COMMITTING)
            self.emit(ev.StopTimer(Timer.IDLE), ev.CommitEntrance())

    def _recognised(self) -> None:
        """Go on to the next one's face, or ask policy once those of the whole party are there."""
        state = self.state
        following = next(
            (one for one, results in sorted(state.others.items()) if CheckName.FACE_COMPARISON not in results), None
        )
        if following is None:
            self.ask()
            return
        self.turn(following)
        self.set(face_running=True)
        self.emit(ev.StartTimer(Timer.INSPECTION), ev.StartFaceCapture())
