"""Walk-through as a pure machine: `step(state, event) -> (state, effects)`, one decision and one release for one person.

Travellers were enrolled at a kiosk; here they are recognised on the move. Promises kept here and searched by the stateful tests:

* the exit opens only for a traveller whose decision to release is durable and whose gallery entry was used up for it, in this
  order, and at most once per transaction by the machine;
* it opens only while exactly one face and one body are in the release zone, and that face carries the very proof decided on:
  who lost his proof on the way (came close to somebody, changed places) is referred, never released on somebody else's decision;
* one person at a time: while a traveller is decided on, released or waits for a guard, nobody else is decided on;
* a second face or body during a release ends it; who matches somebody already released is referred;
* a late or repeated event changes nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from gate_agent.domain import walk_through_events as ev
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy, Outcome, PassageOutcome, PolicyAnswer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.walk_through_events import FaceStanding, SeenFace
from gate_agent.domain.walk_through_state import APPROACHING, LaneState, Traveller, TravellerPhase, WalkThroughRules

_COUNTER = 0x10000
_SECOND_PERSON = Reason(ReasonCode.SECOND_PERSON)
_DEFAULT_RULES = WalkThroughRules()
_HOPELESS = frozenset(
    {FaceStanding.CONTESTED, FaceStanding.CONTRADICTED, FaceStanding.EXHAUSTED, FaceStanding.CONSUMED}
)


def step(
    state: LaneState, event: ev.Event, rules: WalkThroughRules = _DEFAULT_RULES
) -> tuple[LaneState, tuple[ev.Effect, ...]]:
    """Return the next state and what has to be done. Never raises; an event that does not fit the state is a no-op."""
    stepper = _Stepper(state, rules)
    stepper.take(event)
    return stepper.state, tuple(stepper.effects)


def _undetermined(cause: str) -> Reason:
    return Reason(ReasonCode.FACE_UNDETERMINED, {"cause": cause})


class _Stepper:
    """One step in the making: the state so far and the effects so far."""

    def __init__(self, state: LaneState, rules: WalkThroughRules) -> None:
        self.state = state
        self.rules = rules
        self.effects: list[ev.Effect] = []

    def take(self, event: ev.Event) -> None:
        match event:
            case ev.Enrolled(transaction_id):
                if transaction_id not in self.state.travellers:
                    self.put(Traveller(transaction_id))
            case ev.FacesSeen():
                if event.t_mono_s >= self.state.seen_s:
                    self.seen(event.faces, event.t_mono_s)
            case ev.SightLost():
                self.seen((), self.state.seen_s)
            case ev.ZoneChanged():
                self.zone_changed(event)
            case ev.StoreReturned():
                self.store_returned()
            case ev.GuardCleared():
                self.set(unknown_referred=False, waiting_since_s=None)
            case _:
                traveller = self.state.travellers.get(event.transaction_id)
                if traveller is not None:
                    self.take_of(traveller, event)

    def take_of(self, traveller: Traveller, event: ev.Event) -> None:
        """Sort an event about one traveller."""
        match event, traveller.phase:
            case ev.PolicyAnswered(_, answer), TravellerPhase.DECIDING if traveller.pending is None:
                if traveller.referral and answer.admission is not Admission.REFER:
                    answer = replace(answer, admission=Admission.REFER, admission_reasons=traveller.referral)
                self.decide(traveller, answer, DecidedBy.MACHINE)
            case ev.DecisionCommitted(_, number), _:
                if traveller.pending is not None and traveller.pending.number == number:
                    self.decision_committed(traveller, traveller.pending)
            case ev.EntryConsumed(_, is_granted, t_mono_s), TravellerPhase.DECIDED:
                is_seen = t_mono_s - self.state.seen_s <= self.rules.sight_age_s
                if is_granted and is_seen and self.state.may_pass(traveller):
                    self.open_exit(traveller)
                else:
                    self.refer(traveller, self.obstacle())
            case ev.ReleaseAnswered(_, is_confirmed), TravellerPhase.RELEASED if not is_confirmed:
                self.refer(traveller, Reason(ReasonCode.BARRIER_FAULT))
            case ev.PassageTimedOut(), TravellerPhase.RELEASED:
                self.not_used(traveller)
            case ev.CrossingCommitted(), _ if traveller.passage is not None:
                self.settled(traveller)
            case ev.CommitFailed(), _:
                self.commit_failed(traveller)
            case ev.ExpectationTimedOut(), phase if phase in APPROACHING:
                self.close(traveller, Outcome.ABANDONED)
            case ev.GuardDecided(), TravellerPhase.REFERRED:
                self.guard_decided(traveller, event)
            case _:
                pass

    # small moves ----------------------------------------------------------------------------------------------------------

    def set(self, **changes: object) -> None:
        """Change fields of the lane."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type] # field names are checked by the tests

    def put(self, traveller: Traveller, **changes: object) -> Traveller:
        """Change fields of a traveller and return him."""
        changed = replace(traveller, **changes)  # type: ignore[arg-type] # field names are checked by the tests
        self.set(travellers={**self.state.travellers, traveller.transaction_id: changed})
        return changed

    def emit(self, *effects: ev.Effect) -> None:
        """Ask for effects."""
        self.effects.extend(effects)

    @property
    def active(self) -> Traveller | None:
        """The traveller who is being dealt with."""
        return None if self.state.active is None else self.state.travellers[self.state.active]

    # seeing ---------------------------------------------------------------------------------------------------------------

    def seen(self, faces: tuple[SeenFace, ...], t_mono_s: float) -> None:
        """Take a frame: who is recognised, and what that means for the zone."""
        self.set(faces=faces, seen_s=t_mono_s)
        if self.state.leaving_proof not in {face.proof for face in faces}:
            self.set(leaving_proof=None)
        for traveller in self.state.travellers.values():
            if traveller.phase in APPROACHING:
                self.recognise(traveller)
        self.watch_zone()

    def recognise(self, traveller: Traveller) -> None:
        pointing = [face for face in self.state.faces if face.transaction_id == traveller.transaction_id]
        proven = [face for face in pointing if face.standing is FaceStanding.IDENTIFIED]
        if len(proven) == 1:
            self.put(traveller, phase=TravellerPhase.IDENTIFIED, proof=proven[0].proof)
        else:
            self.put(traveller, phase=TravellerPhase.SEEN if pointing else TravellerPhase.EXPECTED, proof=None)

    def watch_zone(self) -> None:
        """Decide on the one person in the zone, wait for the zone to become clear, or call the guard."""
        self.watch_release()
        state = self.state
        if state.is_shut:
            self.set(waiting_since_s=None)
        elif state.occupancy > 1 or (state.occupancy == 1 and len(state.zone) > 1):
            self.wait(_SECOND_PERSON)
        elif state.occupancy == 0:
            self.set(waiting_since_s=None)
        elif not state.zone:
            self.wait(Reason(ReasonCode.FACE_NOT_FOUND))
        else:
            self.consider(state.zone[0])

    def consider(self, face: SeenFace) -> None:
        """Look at the one face of the one body in the zone."""
        traveller = None if face.transaction_id is None else self.state.travellers.get(face.transaction_id)
        if face.proof == self.state.leaving_proof:
            self.set(waiting_since_s=None)  # the next body is in, and its face is not seen yet
        elif traveller is not None and self.state.may_pass(traveller):
            self.set(active=traveller.transaction_id, waiting_since_s=None)
            self.put(traveller, phase=TravellerPhase.DECIDING)
            self.emit(ev.AskPolicy(traveller.transaction_id, traveller.proof))
        elif traveller is not None and face.standing in {FaceStanding.CONTESTED, FaceStanding.IDENTIFIED}:
            self.refer(traveller, _undetermined("contested"))
        elif face.standing in _HOPELESS or face.standing is FaceStanding.IDENTIFIED:
            cause = "already_released" if face.standing is FaceStanding.IDENTIFIED else face.standing.value
            self.call_to_unknown(_undetermined(cause))
        else:
            self.wait(_undetermined("not_recognised"))

    def wait(self, reason: Reason) -> None:
        """Have patience with whoever is in the zone, then call the guard for what is wrong at that moment."""
        state = self.state
        if state.waiting_since_s is None:
            self.set(waiting_since_s=state.seen_s)
        elif state.seen_s - state.waiting_since_s >= self.rules.patience_s:
            self.call_to_unknown(reason)

    def call_to_unknown(self, reason: Reason) -> None:
        """Call the guard to somebody of whom nothing is known; nobody is released until he was there."""
        self.set(unknown_referred=True, waiting_since_s=None)
        self.emit(ev.CallGuard(None, (reason,)))

    # deciding -------------------------------------------------------------------------------------------------------------

    def obstacle(self) -> Reason:
        """Say why the person decided on may not pass any more."""
        for is_so, code in (
            (self.state.fire, ReasonCode.FIRE),
            (self.state.emergency_stop, ReasonCode.EMERGENCY_STOP),
            (self.state.tamper, ReasonCode.BARRIER_TAMPER),
        ):
            if is_so:
                return Reason(code)
        if self.state.occupancy > 1 or len(self.state.zone) > 1:
            return _SECOND_PERSON
        return _undetermined("proof_lost")

    def refer(self, traveller: Traveller, *reasons: Reason) -> None:
        """Ask policy again, which can only refer; a running release ends."""
        if traveller.phase is TravellerPhase.RELEASED:
            self.emit(ev.SecureExit())
        self.set(active=traveller.transaction_id, waiting_since_s=None)
        self.put(traveller, phase=TravellerPhase.DECIDING, pending=None, referral=reasons)
        self.emit(ev.AskPolicy(traveller.transaction_id, traveller.proof, reasons))

    def decide(
        self, traveller: Traveller, answer: PolicyAnswer, by: DecidedBy, guard: ev.GuardDecided | None = None
    ) -> None:
        """Make an answer durable."""
        number = traveller.decision_number + 1
        officers, text = ((), "") if guard is None else (guard.officers, guard.reason_text)
        commit = ev.CommitDecision(traveller.transaction_id, number, by, answer, officers, text)
        self.put(traveller, phase=TravellerPhase.DECIDING, pending=commit, decision_number=number, answer=answer)
        self.emit(commit)

    def decision_committed(self, traveller: Traveller, commit: ev.CommitDecision) -> None:
        admission = commit.answer.admission
        traveller = self.put(
            traveller,
            pending=None,
            decided_by=commit.decided_by,
            release_unsettled=traveller.release_unsettled or admission is Admission.RELEASE,
        )
        if admission is Admission.REFER:
            self.put(traveller, phase=TravellerPhase.REFERRED)
            self.emit(ev.CallGuard(traveller.transaction_id, commit.answer.admission_reasons))
        elif admission is Admission.HAND_OVER:
            traveller = self.put(traveller, phase=TravellerPhase.HANDED_OVER)
            if traveller.release_unsettled:
                self.settle(traveller, PassageOutcome.NOT_PASSED)
            else:
                self.close(traveller, Outcome.HANDED_OVER)
        elif commit.decided_by is DecidedBy.GUARD:
            self.guard_released(traveller)
        elif traveller.proof is not None and self.state.may_pass(traveller):
            self.put(traveller, phase=TravellerPhase.DECIDED)
            self.emit(ev.ConsumeEntry(traveller.transaction_id, traveller.proof))
        else:
            self.refer(traveller, self.obstacle())

    def commit_failed(self, traveller: Traveller) -> None:
        if traveller.passage is None and traveller.pending is None:
            return
        self.set(store_fault=True)
        self.emit(ev.RaiseAlarm(Reason(ReasonCode.STORE_FAULT)))
        if traveller.pending is not None:
            self.put(traveller, phase=TravellerPhase.REFERRED, pending=None)
            self.emit(ev.CallGuard(traveller.transaction_id, (Reason(ReasonCode.STORE_FAULT),)))

    def store_returned(self) -> None:
        if not self.state.store_fault:
            return
        self.set(store_fault=False)
        self.emit(ev.ClearAlarm(ReasonCode.STORE_FAULT))
        for traveller in self.state.travellers.values():
            if traveller.passage is not None:
                self.emit(ev.CommitCrossing(traveller.transaction_id, traveller.passage))

    def guard_decided(self, traveller: Traveller, event: ev.GuardDecided) -> None:
        is_crowded = self.state.occupancy > 1 or len(self.state.zone) > 1
        if event.admission is Admission.REFER or (event.admission is Admission.RELEASE and is_crowded):
            return
        reasons = (Reason(ReasonCode.GUARD_DECISION, {"reason": event.reason_code}),)
        answer = traveller.answer or PolicyAnswer(event.admission, reasons, Corridor.YELLOW, ())
        answer = replace(answer, admission=event.admission, admission_reasons=reasons)
        self.decide(traveller, answer, DecidedBy.GUARD, event)

    def guard_released(self, traveller: Traveller) -> None:
        """Let the traveller pass whom a guard looked at: no proof is needed, but still one body only."""
        state = self.state
        if state.occupancy > 1 or len(state.zone) > 1:
            self.refer(traveller, _SECOND_PERSON)
        elif state.occupancy == 0 or state.fire or state.emergency_stop:
            self.settle(self.put(traveller, phase=TravellerPhase.NOT_PASSED), PassageOutcome.NOT_PASSED)
        else:
            self.open_exit(self.put(traveller, proof=None))

    # passing --------------------------------------------------------------------------------------------------------------

    def open_exit(self, traveller: Traveller) -> None:
        self.put(
            traveller,
            phase=TravellerPhase.RELEASED,
            exit_baseline=self.state.exit_passages,
            exit_was_open=self.state.exit_open,
        )
        self.emit(ev.OpenExit(traveller.transaction_id), ev.StartPassageTimer(traveller.transaction_id))

    def watch_release(self) -> None:
        """End a running release as soon as anybody else stands before the open door."""
        traveller, zone = self.active, self.state.zone
        if traveller is None or traveller.phase is not TravellerPhase.RELEASED:
            return
        strangers = [face for face in zone if traveller.proof is not None and face.proof != traveller.proof]
        if self.state.occupancy > 1 or len(zone) > 1 or strangers:
            self.refer(traveller, _SECOND_PERSON)

    def zone_changed(self, event: ev.ZoneChanged) -> None:
        """Take the barrier's inputs as they are at one moment."""
        before = self.state
        self.set(
            exit_open=event.exit_open,
            occupancy=event.occupancy,
            exit_passages=event.exit_passages,
            fire=event.fire,
            emergency_stop=event.emergency_stop,
            tamper=event.tamper,
        )
        for was, now, code in (
            (before.fire, event.fire, ReasonCode.FIRE),
            (before.emergency_stop, event.emergency_stop, ReasonCode.EMERGENCY_STOP),
            (before.tamper, event.tamper, ReasonCode.BARRIER_TAMPER),
        ):
            if was != now:
                self.emit(ev.RaiseAlarm(Reason(code)) if now else ev.ClearAlarm(code))
        active = self.active
        if active is not None and active.phase is TravellerPhase.RELEASED:
            active = self.put(active, exit_was_open=active.exit_was_open or event.exit_open)
            passages = (event.exit_passages - active.exit_baseline) % _COUNTER
            if passages:
                self.passed(active, passages)
            elif event.fire or event.emergency_stop:
                self.settle(self.put(active, phase=TravellerPhase.NOT_PASSED), PassageOutcome.UNDETERMINED)
        self.watch_release()  # a new decision waits for the next frame, which says who stands there now

    def passed(self, traveller: Traveller, passages: int) -> None:
        if passages > 1:
            self.emit(ev.RaiseAlarm(_SECOND_PERSON))  # one of them had no release
        self.emit(ev.SecureExit())
        self.settle(self.put(traveller, phase=TravellerPhase.PASSED), PassageOutcome.PASSED)

    def not_used(self, traveller: Traveller) -> None:
        """End a release that nobody was seen to use (DESIGN: without confirmed passage it is a matter for a guard)."""
        if self.state.occupancy > 0:
            self.refer(traveller, Reason(ReasonCode.PASSAGE_UNDETERMINED))
            return
        self.emit(ev.SecureExit())
        passage = PassageOutcome.UNDETERMINED if traveller.exit_was_open else PassageOutcome.NOT_PASSED
        self.settle(self.put(traveller, phase=TravellerPhase.NOT_PASSED), passage)

    def settle(self, traveller: Traveller, passage: PassageOutcome) -> None:
        """Write what became of a release."""
        if passage is PassageOutcome.UNDETERMINED:
            self.emit(ev.RaiseAlarm(Reason(ReasonCode.PASSAGE_UNDETERMINED)))
        self.put(traveller, passage=passage)
        self.emit(ev.CommitCrossing(traveller.transaction_id, passage))

    def settled(self, traveller: Traveller) -> None:
        outcomes = {TravellerPhase.PASSED: Outcome.RELEASED, TravellerPhase.HANDED_OVER: Outcome.HANDED_OVER}
        if traveller.phase is TravellerPhase.PASSED:
            self.set(leaving_proof=traveller.proof)
        self.close(traveller, outcomes.get(traveller.phase, Outcome.ABANDONED))

    def close(self, traveller: Traveller, outcome: Outcome) -> None:
        """End a transaction and forget the traveller."""
        self.emit(ev.CloseTransaction(traveller.transaction_id, outcome, traveller.decided_by))
        rest: dict[uuid.UUID, Traveller] = dict(self.state.travellers)
        del rest[traveller.transaction_id]
        self.set(travellers=rest)
        if self.state.active == traveller.transaction_id:
            self.set(active=None)
