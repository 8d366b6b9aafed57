"""Rules of the doors: who may walk, which door may open, and what the barrier's own inputs mean.

Where this says party, it is one traveller, or an adult with the under-age travellers who are linked to him.
"""

from __future__ import annotations

from gate_agent.domain import door_effects as dr
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import DecidedBy, Outcome, PassageOutcome
from gate_agent.domain.door_effects import DoorName
from gate_agent.domain.events import Timer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_state import Permit, Phase, Stepping, TransactionState


class Passage(Stepping):
    """From a durable decision to a confirmed passage, a way back, or a guard."""

    def released(self) -> None:
        """Walk the traveller through after a durable release, whoever decided."""
        state = self.state
        guard_before_entry = state.decided_by is DecidedBy.GUARD and state.occupancy == 0
        if state.occupancy > state.still_inside:
            self.ask((Reason(ReasonCode.SECOND_PERSON),))
        elif state.occupancy == 0 and not guard_before_entry:
            self.not_passed(PassageOutcome.NOT_PASSED)
        elif 0 < state.occupancy < state.still_inside:
            self.ask((Reason(ReasonCode.PARTY_INCOMPLETE),))
        else:
            self.set(phase=Phase.RELEASED, entered=state.occupancy > 0, door=None)
            self.emit(ev.StartTimer(Timer.PASSAGE))
            self.open_when_safe()

    def open_when_safe(self) -> None:
        """Open the next door of this walk, never while the other one is open and never for the wrong number of bodies."""
        state = self.state
        if state.stop_cause is not None or state.door is not None:
            return
        if state.phase is Phase.INSPECTING or (state.phase is Phase.RELEASED and not state.entered):
            if state.occupancy == 0 and not state.exit_open:
                self.set(door=DoorName.ENTRANCE)
                self.emit(dr.OpenDoor(DoorName.ENTRANCE, state.party), ev.StartTimer(Timer.ENTRY))
        elif state.phase is Phase.RELEASED and state.occupancy == state.still_inside and not state.entrance_open:
            is_first = state.party == 1 or state.exit_baseline is None
            self.set(door=DoorName.EXIT, exit_baseline=state.exit_passages if is_first else state.exit_baseline)
            self.emit(dr.OpenDoor(DoorName.EXIT, state.occupancy), ev.StartTimer(Timer.PASSAGE))
        elif state.phase is Phase.HANDED_OVER and state.occupancy > 0 and not state.exit_open:
            self.set(door=DoorName.ENTRANCE)
            self.emit(dr.OpenDoor(DoorName.ENTRANCE, state.occupancy))

    def release_confirmed(self, door: DoorName) -> None:
        """Note that the barrier confirmed a release."""
        if self.state.phase is Phase.RELEASED and door is DoorName.EXIT and self.state.door is door:
            self.set(phase=Phase.PASSAGE_OPEN)
            self.emit(ev.StartTimer(Timer.PASSAGE))

    def release_failed(self, door: DoorName) -> None:
        """Turn an unconfirmed release over to the guard."""
        state = self.state
        if state.door is not door:
            return
        reason = Reason(ReasonCode.BARRIER_FAULT)
        if state.phase is Phase.HANDED_OVER:
            self.set(door=None)
            self.emit(ev.RaiseAlarm(reason))
        elif state.phase in {Phase.INSPECTING, Phase.RELEASED, Phase.PASSAGE_OPEN}:
            self.ask((reason,))

    def leave_backwards(self) -> None:
        """Let somebody who is handed over out through the entrance."""
        if self.state.occupancy == 0:
            self.left()
        else:
            self.set(door=None)
            self.emit(ev.StartTimer(Timer.LEAVE))
            self.open_when_safe()

    def left(self) -> None:
        """End a hand-over once the cell is empty."""
        if self.state.release_unsettled:
            some_passed = self.state.still_inside < self.state.party
            self.settle(PassageOutcome.UNDETERMINED if some_passed else PassageOutcome.NOT_PASSED)
        else:
            self.close(Outcome.HANDED_OVER)

    def settle(self, passage: PassageOutcome) -> None:
        """Write what became of a release, or of a passage."""
        self.stop()
        self.set(crossing_pending=passage)
        self.emit(ev.CommitCrossing(passage))

    def passed(self) -> None:
        """Confirm the passage."""
        self.set(phase=Phase.PASSED)
        self.settle(PassageOutcome.PASSED)

    def not_passed(self, passage: PassageOutcome) -> None:
        """Record that a release was not used, or that nobody can say."""
        self.set(phase=Phase.NOT_PASSED)
        if passage is PassageOutcome.UNDETERMINED:
            self.emit(ev.RaiseAlarm(Reason(ReasonCode.PASSAGE_UNDETERMINED)))
        self.settle(passage)

    def crossing_committed(self) -> None:
        """End the transaction once its crossing is on disk."""
        state = self.state
        if state.crossing_pending is None:
            return
        self.set(crossing_pending=None, release_unsettled=False)
        outcomes = {
            Phase.PASSED: Outcome.RELEASED,
            Phase.HANDED_OVER: Outcome.HANDED_OVER,
            Phase.SUSPENDED: Outcome.SUSPENDED,
        }
        self.close(outcomes.get(state.phase, Outcome.ABANDONED))

    def barrier(self, event: ev.BarrierChanged) -> None:
        """Take the barrier's inputs as they are at one moment."""
        before = self.state
        self.set(
            entrance_open=event.entrance_open,
            exit_open=event.exit_open,
            occupancy=event.occupancy,
            exit_passages=event.exit_passages,
            fire=event.fire,
            emergency_stop=event.emergency_stop,
            tamper=event.tamper,
            irregularities=event.irregularities,
            spare_id=event.transaction_id,
        )
        self.alarm_edges(before, event)
        if self.stopped(before):
            pass
        elif self.state.transaction_id is None:
            self.rest()
        elif (found := _new_trouble(before, event)) and before.phase is Phase.INSPECTING and not before.asked:
            self.ask(tuple(Reason(code) for code in found))
        else:
            self.moved(before)

    def alarm_edges(self, before: TransactionState, event: ev.BarrierChanged) -> None:
        """Raise and clear the alarms that the inputs own; what happened without a release stays until a guard acknowledges it."""
        for was, now, code in (
            (before.fire, event.fire, ReasonCode.FIRE),
            (before.emergency_stop, event.emergency_stop, ReasonCode.EMERGENCY_STOP),
            (before.tamper, event.tamper, ReasonCode.BARRIER_TAMPER),
        ):
            if now and not was:
                self.emit(ev.RaiseAlarm(Reason(code)))
            elif was and not now:
                self.emit(ev.ClearAlarm(code))
        self.emit(*(ev.RaiseAlarm(Reason(code)) for code in sorted(event.irregularities - before.irregularities)))

    def moved(self, before: TransactionState) -> None:
        """Let a movement of bodies or doors act on the running transaction."""
        state = self.state
        match state.phase:
            case Phase.INSPECTING if not state.asked:
                self.moved_inspecting()
            case Phase.RELEASED | Phase.PASSAGE_OPEN:
                self.moved_released()
            case Phase.HANDED_OVER if state.crossing_pending is None:
                if state.occupancy == 0:
                    self.left()
                else:
                    self.open_when_safe()
            case Phase.REFERRED | Phase.FAULTED if before.occupancy != state.occupancy:
                self.set(entered=state.occupancy > 0)
            case _:
                pass

    def moved_inspecting(self) -> None:
        """Notice who entered, and who entered without being allowed to."""
        state = self.state
        if state.occupancy > (state.party if state.permit is not Permit.NONE else 1):
            self.ask((Reason(ReasonCode.SECOND_PERSON),))
        elif state.occupancy > 0 and not state.entered:
            if state.permit is not Permit.GRANTED:
                self.ask((Reason(ReasonCode.PERSON_INSIDE_AT_START),))
                return
            if state.occupancy < state.party:
                return  # the others are on their way
            self.set(entered=True, permit=Permit.USED, door=None, face_running=True)
            self.emit(ev.StopTimer(Timer.ENTRY), dr.SecureDoors())
            self.emit(ev.StartTimer(Timer.INSPECTION), ev.StartFaceCapture())
        elif state.occupancy == 0 and state.entered:
            self.close(Outcome.ABANDONED)
        elif state.entered and state.occupancy < state.party:
            self.ask((Reason(ReasonCode.PARTY_INCOMPLETE),))
        elif state.permit is Permit.GRANTED and not state.entered:
            self.open_when_safe()

    def moved_released(self) -> None:
        """Notice the passage, or a second person."""
        state = self.state
        if state.occupancy > state.party:
            self.ask((Reason(ReasonCode.SECOND_PERSON),))
        elif state.door is DoorName.EXIT and state.occupancy == 0:
            if state.still_inside == 0 or (state.party == 1 and state.exit_passages != state.exit_baseline):
                self.passed()
        elif state.phase is Phase.RELEASED:
            if state.occupancy == state.party and not state.entered:
                self.set(entered=True, door=None)
                self.emit(ev.StopTimer(Timer.ENTRY), dr.SecureDoors())
            self.open_when_safe()

    def lockdown(self, *, is_ordered: bool) -> None:
        """Take an officer's order that no door be released, or the end of it. Doors and ways of escape stay the hardware's."""
        before = self.state
        if before.lockdown is is_ordered:
            return
        self.set(lockdown=is_ordered)
        reason = Reason(ReasonCode.LOCKDOWN)
        if is_ordered:
            self.emit(dr.LockDown(), ev.RaiseAlarm(reason))
        else:
            self.emit(dr.LiftLockdown(), ev.ClearAlarm(reason.code))
        self.stopped(before)

    def stopped(self, before: TransactionState) -> bool:
        """Suspend when a cause to stop came, go on when the last one is gone; True when either was or is so."""
        cause = self.state.stop_cause
        if cause is None and before.stop_cause is None:
            return False
        if cause is None:
            self.after_stop()
        elif before.stop_cause is None:
            self.set(stopped_by=cause)
            self.suspend()
        return True

    def suspend(self) -> None:
        """Stop and remember; with fire the hardware opens the doors by itself."""
        state = self.state
        if state.phase is Phase.PASSED or state.crossing_pending is not None:
            return
        self.stop()
        permit = Permit.NONE if state.permit is Permit.COMMITTING else state.permit
        self.set(phase=Phase.SUSPENDED, asked=False, permit=permit)

    def after_stop(self) -> None:
        """Pick up what was interrupted."""
        state = self.state
        if state.phase is not Phase.SUSPENDED or state.pending is not None:
            return
        if state.transaction_id is None:
            self.rest()
        elif state.occupancy > 0:
            self.set(phase=Phase.INSPECTING)
            self.ask((Reason(state.stopped_by),))
        elif state.release_unsettled:
            self.settle(PassageOutcome.UNDETERMINED)
        else:
            self.close(Outcome.SUSPENDED)


def _new_trouble(before: TransactionState, event: ev.BarrierChanged) -> tuple[ReasonCode, ...]:
    """Return what the barrier reports now of tampering and of what no release explains, and did not before."""
    tamper = (ReasonCode.BARRIER_TAMPER,) if event.tamper and not before.tamper else ()
    return (*tamper, *sorted(event.irregularities - before.irregularities))
