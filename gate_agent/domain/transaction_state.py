"""What the transaction machine remembers, and the small moves that every rule is made of."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gate_agent.domain import door_effects as dr
from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import AnyCheck, CheckResult
from gate_agent.domain.crossing import DecidedBy, Outcome, PassageOutcome, PolicyAnswer
from gate_agent.domain.demands import DOCUMENT_AND_FACE, Demands
from gate_agent.domain.document_events import StopChip
from gate_agent.domain.door_effects import DoorName
from gate_agent.domain.events import Step, Timer
from gate_agent.domain.reasons import Reason, ReasonCode

_COUNTER = 0x10000
"""Where the barrier's counters begin anew."""


class Phase(StrEnum):
    """Where a lane stands. A closed transaction leaves the lane IDLE, or SUSPENDED while a cause holds it."""

    IDLE = "idle"
    INSPECTING = "inspecting"
    DECIDED = "decided"
    REFERRED = "referred"
    RELEASED = "released"
    PASSAGE_OPEN = "passage_open"
    PASSED = "passed"
    NOT_PASSED = "not_passed"
    HANDED_OVER = "handed_over"
    FAULTED = "faulted"
    SUSPENDED = "suspended"


class Permit(StrEnum):
    """The permit to enter: asked for, being made durable, granted, used."""

    NONE = "none"
    COMMITTING = "committing"
    GRANTED = "granted"
    USED = "used"


class ChipRead(StrEnum):
    """How far the chip is: not begun, the document is waited for, being read, read and judged."""

    NOT_BEGUN = "not_begun"
    AWAITED = "awaited"
    RUNNING = "running"
    JUDGED = "judged"


@dataclass(frozen=True, slots=True)
class TransactionState:
    """Everything the machine knows. Demands, barrier inputs and holds outlive a transaction; the rest is fresh for each."""

    demands: Demands = DOCUMENT_AND_FACE
    phase: Phase = Phase.IDLE
    transaction_id: uuid.UUID | None = None
    results: Mapping[AnyCheck, CheckResult] = field(default_factory=dict)
    last_reading_key: str = ""
    reads: int = 0
    has_reference: bool = False
    token_pending: bool = False
    chip: ChipRead = ChipRead.NOT_BEGUN
    page_is_new: bool = False
    page_running: bool = False
    aborted_steps: Mapping[Step, int] = field(default_factory=dict)
    permit: Permit = Permit.NONE
    entered: bool = False
    face_running: bool = False
    asked: bool = False
    wants_more_time: bool = False  # asked for it, or for help: this traveller's times are longer
    referral: tuple[Reason, ...] = ()
    answer: PolicyAnswer | None = None
    decided_by: DecidedBy = DecidedBy.MACHINE
    decision_number: int = 0
    pending: ev.CommitDecision | None = None
    release_unsettled: bool = False
    door: DoorName | None = None
    exit_baseline: int | None = None  # the count of the exit when it was opened
    crossing_pending: PassageOutcome | None = None
    entrance_open: bool = False
    exit_open: bool = False
    occupancy: int = 0
    exit_passages: int = 0
    fire: bool = False
    emergency_stop: bool = False
    lockdown: bool = False
    stopped_by: ReasonCode = ReasonCode.FIRE  # what suspended the lane last
    tamper: bool = False
    irregularities: frozenset[ReasonCode] = frozenset()  # what no release explains, while the barrier tells it
    holds: frozenset[ReasonCode] = frozenset()
    party: int = 1  # how many belong together: an adult, and the under-age travellers linked to him
    person: int = 0  # of the party: whose document or face it is now, and whose `results` are
    others: Mapping[int, Mapping[AnyCheck, CheckResult]] = field(
        default_factory=dict
    )  # results of the rest of the party
    spare_id: uuid.UUID | None = None  # the next transaction's id, should somebody be inside when this one ends

    @property
    def everybody(self) -> tuple[Mapping[AnyCheck, CheckResult], ...]:
        """The results of each person of the party that has any, in its order."""
        results = {**self.others, self.person: self.results}
        return tuple(results[person] for person in sorted(results))

    @property
    def still_inside(self) -> int:
        """How many of the party have not left through the exit since it was first opened for them."""
        if self.exit_baseline is None or self.party == 1:
            return self.party
        return self.party - (self.exit_passages - self.exit_baseline) % _COUNTER

    @property
    def stop_cause(self) -> ReasonCode | None:
        """Why no door may be released at all now, None when doors may: fire, the emergency stop, an officer's lockdown."""
        if self.fire:
            return ReasonCode.FIRE
        if self.emergency_stop:
            return ReasonCode.EMERGENCY_STOP
        return ReasonCode.LOCKDOWN if self.lockdown else None


class Stepping:
    """One step in the making: the state so far and the effects so far. The rules derive from it."""

    def __init__(self, state: TransactionState) -> None:
        self.state = state
        self.effects: list[ev.Effect] = []

    def set(self, **changes: object) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type] # field names are checked by the tests

    def emit(self, *effects: ev.Effect) -> None:
        """Ask for effects."""
        self.effects.extend(effects)

    def begin(self, transaction_id: uuid.UUID) -> None:
        """Begin a transaction."""
        self.set(phase=Phase.INSPECTING, transaction_id=transaction_id)
        self.emit(ev.BeginTransaction(transaction_id), ev.StartTimer(Timer.IDLE))

    def stop(self) -> None:
        """End whatever runs: the chip, the acquisition, open releases, timers."""
        state = self.state
        if state.chip is ChipRead.RUNNING:
            self.set(chip=ChipRead.AWAITED)
            self.emit(StopChip())
        if state.face_running:
            self.emit(ev.StopFaceCapture())
        if state.door is not None:
            self.emit(dr.SecureDoors())
        self.emit(*(ev.StopTimer(timer) for timer in Timer))
        self.set(face_running=False, door=None)

    def turn(self, person: int) -> None:
        """Go on with another person of the party."""
        state = self.state
        if person == state.person:
            return
        others = {**state.others, state.person: state.results}
        aborted = {step: count for step, count in state.aborted_steps.items() if step is not Step.FACE}
        self.set(person=person, results=others.pop(person, {}), others=others, aborted_steps=aborted)
        self.emit(pe.TurnToPerson(person))

    def ask(self, reasons: tuple[Reason, ...] = ()) -> None:
        """Ask policy; with reasons the answer can only be to refer."""
        self.stop()
        if self.state.party > 1 and self.state.permit is Permit.NONE:
            reasons += self._gathered()
        self.set(asked=True, referral=self.state.referral + reasons)
        self.emit(ev.AskPolicy(self.state.referral))

    def _gathered(self) -> tuple[Reason, ...]:
        """Leave out of the party who laid down no document, and tell so: a guard decides about those who did."""
        state = self.state
        if not state.results and state.others:
            self.turn(min(state.others))
            others = {person: results for person, results in self.state.others.items() if person != state.person}
            self.set(others=others)
        presented = 1 + len(self.state.others)
        if presented == state.party:
            return ()
        self.set(party=presented)
        return (Reason(ReasonCode.PARTY_INCOMPLETE),)

    def close(self, outcome: Outcome) -> None:
        """End the transaction; demands, barrier inputs and holds are all that stays."""
        state = self.state
        if state.transaction_id is None:
            return
        self.stop()
        self.emit(ev.CloseTransaction(state.transaction_id, outcome, state.decided_by))
        self.state = TransactionState(
            demands=state.demands,
            entrance_open=state.entrance_open,
            exit_open=state.exit_open,
            occupancy=state.occupancy,
            exit_passages=state.exit_passages,
            fire=state.fire,
            emergency_stop=state.emergency_stop,
            lockdown=state.lockdown,
            stopped_by=state.stopped_by,
            tamper=state.tamper,
            irregularities=state.irregularities,
            holds=state.holds,
            spare_id=state.spare_id,
        )
        self.rest()

    def rest(self) -> None:
        """Without a transaction: wait, stay shut, or turn to somebody who is inside without being expected."""
        state = self.state
        if state.occupancy > 0 and state.stop_cause is None and state.spare_id is not None:
            self.begin(state.spare_id)
            self.set(spare_id=None)
            self.ask((Reason(ReasonCode.PERSON_INSIDE_AT_START),))
        else:
            self.set(phase=Phase.SUSPENDED if state.stop_cause is not None or state.holds else Phase.IDLE)
