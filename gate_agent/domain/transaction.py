"""The walk of one traveller as a pure machine: `step(state, event) -> (state, effects)`.

It owns every rule about when a door may move, when a guard is called and when a transaction ends; the lane controller performs
the effects and feeds their results back. Promises kept here and proved by the stateful tests:

* no door is released without a durable record of this transaction (the permit to enter, or a decision);
* the exit opens for exactly one body, or the bodies of a declared party, with the entrance shut, and only for a decision to release;
* of a party everybody is released or nobody, and nobody of it before all are inspected;
* the entrance opens for an empty cell, or backwards for somebody who is handed over;
* nobody stays inside without a running timer, an open door or a guard who was called;
* in fallback the machine releases nobody, and whoever it inspects goes to a guard;
* nobody enters before every check that the lane demands is there and clear, and the machine releases nobody without them;
* a late or repeated event changes nothing.

Terms: the machine releases or refers, a guard releases or hands over (ICAO/BSI words in `domain.crossing`).
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy, Outcome, PassageOutcome, PolicyAnswer
from gate_agent.domain.door_effects import DoorName
from gate_agent.domain.events import Step, Timer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_inspection import Inspection
from gate_agent.domain.transaction_passage import Passage
from gate_agent.domain.transaction_state import ChipRead, Permit, Phase, TransactionState


def step(state: TransactionState, event: ev.Event) -> tuple[TransactionState, tuple[ev.Effect, ...]]:
    """Return the next state and what has to be done. Never raises; an event that does not fit the state is a no-op."""
    stepper = _Stepper(state)
    stepper.take(event)
    return stepper.state, tuple(stepper.effects)


class _Stepper(Inspection, Passage):
    """Sorts events to the rules, and keeps decisions, holds, help and timers."""

    def take(self, event: ev.Event) -> None:
        phase = self.state.phase
        match event:
            case ev.BarrierChanged():
                self.barrier(event)
            case ev.Hold() | ev.Unhold():
                self.hold(event)
            case ev.LockdownOrdered() | ev.LockdownLifted():
                self.lockdown(is_ordered=isinstance(event, ev.LockdownOrdered))
            case ev.PolicyAnswered(answer):
                self.answered(answer)
            case ev.DecisionCommitted(number):
                self.decision_committed(number)
            case ev.CommitFailed():
                self.commit_failed()
            case ev.EntranceCommitted():
                if phase is Phase.INSPECTING and self.state.permit is Permit.COMMITTING:
                    self.set(permit=Permit.GRANTED)
                    if not self.state.asked:
                        self.open_when_safe()
            case ev.CrossingCommitted():
                self.crossing_committed()
            case ev.ReleaseConfirmed(door):
                self.release_confirmed(door)
            case ev.ReleaseFailed(door):
                self.release_failed(door)
            case ev.GuardDecided():
                self.guard_decided(event)
            case de.ReadingCorrected():
                self.corrected(event)
            case ev.TimerExpired(timer, transaction_id):
                if transaction_id is not None and transaction_id == self.state.transaction_id:
                    self.timer_expired(timer)
            case ev.MoreTimeRequested():
                self.more_time()
            case ev.HelpRequested(transaction_id):
                self.help(transaction_id)
            case ev.DocumentPresented(transaction_id) | ev.TokenPresented(transaction_id):
                self.presented(event, transaction_id)
            case _:
                if phase is Phase.INSPECTING and not self.state.asked:
                    self.inspect(event)

    def answered(self, answer: PolicyAnswer) -> None:
        state = self.state
        if not state.asked:
            return
        complete = len(state.everybody) == state.party and all(map(state.demands.are_met, state.everybody))
        referral = state.referral or ((Reason(ReasonCode.POST_FALLBACK),) if self.is_by_hand else ())
        if answer.admission is not Admission.REFER and (referral or not complete):
            answer = replace(answer, admission=Admission.REFER, admission_reasons=referral)
        self.set(asked=False)
        self.decide(answer, DecidedBy.MACHINE)

    def decide(self, answer: PolicyAnswer, by: DecidedBy, guard: ev.GuardDecided | None = None) -> None:
        number = self.state.decision_number + 1
        commit = ev.CommitDecision(
            number, by, answer, guard.officers if guard else (), guard.reason_text if guard else ""
        )
        self.set(phase=Phase.DECIDED, answer=answer, decision_number=number, pending=commit)
        self.emit(commit)

    def decision_committed(self, number: int) -> None:
        state = self.state
        pending = state.pending
        if pending is None or pending.number != number:
            return
        self.set(pending=None, decided_by=pending.decided_by)
        admission = pending.answer.admission
        if admission is Admission.RELEASE:
            self.set(release_unsettled=True)
        if state.phase is Phase.SUSPENDED:
            if state.stop_cause is None:
                self.after_stop()
        elif admission is Admission.RELEASE:
            self.released()
        elif admission is Admission.REFER:
            self.set(phase=Phase.REFERRED)
            self.emit(ev.CallGuard(pending.answer.admission_reasons))
        else:
            self.set(phase=Phase.HANDED_OVER)
            self.leave_backwards()

    def commit_failed(self) -> None:
        state = self.state
        reason = Reason(ReasonCode.STORE_FAULT)
        if state.crossing_pending is not None:
            self.emit(ev.RaiseAlarm(reason), ev.StartTimer(Timer.LEAVE))
        elif state.pending is not None or state.permit is Permit.COMMITTING:
            self.set(pending=None, permit=Permit.NONE if state.permit is Permit.COMMITTING else state.permit)
            self.emit(ev.RaiseAlarm(reason))
            if state.phase is Phase.SUSPENDED:
                if state.stop_cause is None:
                    self.after_stop()
            elif state.occupancy == 0 and not state.release_unsettled:
                self.close(Outcome.FAULTED)
            else:
                self.set(phase=Phase.FAULTED)
                self.emit(ev.CallGuard((reason,)))

    def guard_decided(self, event: ev.GuardDecided) -> None:
        state = self.state
        if state.phase not in {Phase.REFERRED, Phase.FAULTED} or event.transaction_id != state.transaction_id:
            return
        if event.admission is Admission.REFER:
            return
        if event.admission is Admission.RELEASE and not self.may_release:
            return
        reasons = (Reason(ReasonCode.GUARD_DECISION, {"reason": event.reason_code}),)
        answer = state.answer or PolicyAnswer(event.admission, reasons, Corridor.YELLOW, ())
        self.decide(replace(answer, admission=event.admission, admission_reasons=reasons), DecidedBy.GUARD, event)

    @property
    def may_release(self) -> bool:
        """Whether a guard's release has somebody to let through: the whole party outside or inside, or the rest of it."""
        state = self.state
        is_outside = state.occupancy == 0 and state.still_inside == state.party
        return is_outside or state.occupancy == state.still_inside

    @property
    def waits_for_rest(self) -> bool:
        """Whether a part of the party entered, and the rest is still outside."""
        state = self.state
        return not state.entered and not state.asked and 0 < state.occupancy < state.party

    def hold(self, event: ev.Hold | ev.Unhold) -> None:
        """Take nobody new while a cause holds the lane; in fallback whoever is inspected goes to a guard, too."""
        change = {event.cause}
        held = self.state.holds | change if isinstance(event, ev.Hold) else self.state.holds - change
        self.set(holds=frozenset(held))
        if self.state.transaction_id is None:
            self.rest()
        elif self.is_by_hand and self.state.phase is Phase.INSPECTING and not self.state.asked:
            self.ask((Reason(ReasonCode.POST_FALLBACK),))

    @property
    def is_by_hand(self) -> bool:
        """Whether officers do the control, and the machine releases nobody."""
        return ReasonCode.POST_FALLBACK in self.state.holds

    def help(self, transaction_id: uuid.UUID) -> None:
        reason = Reason(ReasonCode.HELP_REQUESTED)
        if self.state.phase is Phase.IDLE:
            self.begin(transaction_id)
        if self.state.phase is Phase.INSPECTING and not self.state.asked:
            self.ask((reason,))
        else:
            self.emit(ev.RaiseAlarm(reason))
            self.more_time()

    def more_time(self) -> None:
        """Start the traveller's time anew, longer from now on; a chip that is being read has its own, and guards and disks are not hurried."""
        state = self.state
        if state.transaction_id is None:
            return
        self.set(wants_more_time=True)
        timer: Timer | None = None
        match state.phase:
            case Phase.INSPECTING if not state.asked and state.permit is Permit.USED:
                timer = Timer.INSPECTION
            case Phase.INSPECTING if not state.asked and state.permit is Permit.GRANTED and state.door is not None:
                timer = Timer.ENTRY
            case Phase.INSPECTING if not state.asked and state.permit is Permit.NONE:
                timer = None if state.chip is ChipRead.RUNNING else Timer.IDLE
            case Phase.RELEASED if state.door is DoorName.ENTRANCE:
                timer = Timer.ENTRY
            case Phase.RELEASED | Phase.PASSAGE_OPEN:
                timer = Timer.PASSAGE
            case _:
                pass
        if timer is not None:
            self.emit(ev.StartTimer(timer))

    def timer_expired(self, timer: Timer) -> None:
        state = self.state
        match timer, state.phase:
            case Timer.CHIP, Phase.INSPECTING if state.chip is ChipRead.RUNNING and not state.asked:
                self.chip_aborted(Reason(ReasonCode.STEP_TIMEOUT, {"step": Step.CHIP.value}))
            case Timer.IDLE, Phase.INSPECTING if state.permit is Permit.NONE and not state.asked:
                if state.chip is ChipRead.RUNNING:
                    pass
                elif state.others:
                    self.ask((Reason(ReasonCode.PARTY_INCOMPLETE),))
                else:
                    self.close(Outcome.FAULTED if state.aborted_steps else Outcome.ABANDONED)
            case Timer.ENTRY, Phase.INSPECTING | Phase.RELEASED if self.waits_for_rest:
                self.ask((Reason(ReasonCode.PARTY_INCOMPLETE),))
            case Timer.ENTRY, Phase.INSPECTING if state.permit is Permit.GRANTED and not state.asked:
                self.close(Outcome.ABANDONED)
            case Timer.ENTRY, Phase.RELEASED if not state.entered:
                self.not_passed(PassageOutcome.NOT_PASSED)
            case Timer.INSPECTION, Phase.INSPECTING if state.entered and not state.asked:
                self.ask((Reason(ReasonCode.STEP_TIMEOUT, {"step": Step.FACE.value}),))
            case Timer.PASSAGE, Phase.RELEASED | Phase.PASSAGE_OPEN:
                if state.occupancy > 0:
                    self.ask((Reason(ReasonCode.PASSAGE_UNDETERMINED),))
                else:
                    self.not_passed(PassageOutcome.UNDETERMINED if state.entered else PassageOutcome.NOT_PASSED)
            case Timer.LEAVE, _ if state.crossing_pending is not None:
                self.emit(ev.CommitCrossing(state.crossing_pending))
            case Timer.LEAVE, Phase.HANDED_OVER:
                self.set(door=None)
                self.emit(ev.RaiseAlarm(Reason(ReasonCode.PASSAGE_UNDETERMINED)), ev.StartTimer(Timer.LEAVE))
                self.open_when_safe()
            case _:
                pass
