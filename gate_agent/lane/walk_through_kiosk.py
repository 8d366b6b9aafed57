"""The kiosk of a walk-through lane: document and chip portrait in, a transaction that is decided but for the face out.

Who cannot be released whatever his face says is referred here, before he is let into the gallery: his face is never searched.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.check import AnyCheck, CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.crossing import DecidedBy, PolicyAnswer
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.demands import demands_of
from gate_agent.lane.document import inspect_reading
from gate_agent.lane.entry_right import Circumstances
from gate_agent.lane.face.presentation import Presentation, presentation_check
from gate_agent.lane.ports import KnowledgeSource, LaneStore
from gate_agent.lane.recording import decision_of
from gate_agent.lane.verdict import ask_policy
from gate_agent.lane.walk_through_ports import GalleryMatcher
from gate_agent.settings import LaneSettings, Settings
from models.results import FaceFinding

_NOT_ENROLLED = {
    FaceFinding.NOT_FOUND: ReasonCode.REFERENCE_PORTRAIT_MISSING,
    FaceFinding.SEVERAL: ReasonCode.REFERENCE_PORTRAIT_REFUSED,
    FaceFinding.REFUSED: ReasonCode.REFERENCE_PORTRAIT_REFUSED,
}


@dataclass(slots=True)
class Prepared:
    """One traveller between kiosk and exit: what was borrowed from him, and what the checks said so far.

    `releases` are the decisions to release that are on disk and not settled by a crossing yet, oldest first.
    """

    borrowed: Borrowed
    results: dict[AnyCheck, CheckResult] = field(default_factory=dict)
    releases: list[uuid.UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the kiosk answers. Without `prepared` the traveller goes to an officer, for these reasons."""

    transaction_id: uuid.UUID
    prepared: Prepared | None
    reasons: tuple[Reason, ...] = ()


class Kiosk:
    """Prepares the travellers of one lane and asks policy about them."""

    def __init__(
        self,
        settings: Settings,
        lane: LaneSettings,
        matcher: GalleryMatcher,
        store: LaneStore,
        knowledge: KnowledgeSource,
        clock: Clock,
    ) -> None:
        self.lane = lane
        self._settings = settings
        self._matcher = matcher
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._zone = ZoneInfo(settings.gate.time_zone)

    def new_id(self) -> uuid.UUID:
        """Return a fresh UUIDv7 for now."""
        return uuid7(int(self._clock.now().timestamp() * 1000))

    @property
    def today(self) -> date:
        """The local date of a crossing that happens now."""
        return self._clock.now().astimezone(self._zone).date()

    async def prepare(self, lines: Sequence[str], portrait: bytes) -> Enrolment:
        """Check a document and enrol its portrait. Raises `StoreFault` and `InferenceFault`, and nobody is expected then."""
        transaction_id = self.new_id()
        borrowed = Borrowed(transaction_id, self._clock.now(), self._clock.monotonic_s())
        inspected = await inspect_reading(
            lines,
            Circumstances(self.lane.direction, self._settings.gate.travel_mode, self.today, self._clock.now()),
            self._knowledge.current(),
            self._store,
            self._settings.policy,
            self._matcher.minimum_age_years,
            accept_specimens=self._settings.document.accept_specimens,
        )
        demands = demands_of(self._settings, self.lane)
        borrowed.reading, borrowed.stays, borrowed.past = inspected.reading, inspected.stays, inspected.past
        borrowed.listed = inspected.listed
        borrowed.right = inspected.right
        prepared = Prepared(borrowed)
        against: list[Reason] = []
        for event in inspected.events:
            match event:
                case ev.CheckCompleted(result) | ev.MrzChecked(_, result):
                    prepared.results[result.check] = result
                    if not demands.is_clear(result):
                        against += result.reasons or (Reason(ReasonCode.STEP_TIMEOUT, {"step": result.check.value}),)
                case ev.NotServed(reasons):
                    against += reasons
                case _:
                    pass
        if not against:
            finding = await self._matcher.enrol(transaction_id, portrait)
            if finding is FaceFinding.FOUND:
                return Enrolment(transaction_id, prepared)
            against.append(Reason(_NOT_ENROLLED[finding]))
        return await self._refer(prepared, tuple(against))

    async def _refer(self, prepared: Prepared, reasons: tuple[Reason, ...]) -> Enrolment:
        borrowed = prepared.borrowed
        answer = self.ask(prepared, reasons)
        effect = ev.CommitDecision(1, DecidedBy.MACHINE, answer)
        decision = decision_of(
            self.lane,
            borrowed,
            self.new_id(),
            effect,
            prepared.results,
            self._knowledge.current(),
            self._clock,
            self.today,
        )
        await self._store.commit_decision(decision)
        transaction_id = borrowed.transaction_id
        borrowed.wipe()
        return Enrolment(transaction_id, None, answer.admission_reasons)

    def add_face(self, prepared: Prepared, proof: int | None, score: float | None) -> None:
        """Write down what the face said: identified by a proof, or not. Nothing here detects presentation attacks."""
        compared = (
            ()
            if score is None
            else (Compared("comparison_score", f"{score:.4f}", f">= {self._matcher.threshold:.4f}"),)
        )
        if proof is None:
            reasons = (Reason(ReasonCode.FACE_UNDETERMINED),)
            face = CheckResult(CheckName.FACE_COMPARISON, CheckOutcome.UNDETERMINED, reasons, compared)
        else:
            face = CheckResult(CheckName.FACE_COMPARISON, CheckOutcome.SUCCESSFUL, (), compared)
        prepared.results[face.check] = face
        presentation = presentation_check(None, Presentation.NO_RESULT, self._settings.face)
        if presentation is not None:
            prepared.results[presentation.check] = presentation

    def ask(self, prepared: Prepared, referral: tuple[Reason, ...] = ()) -> PolicyAnswer:
        """Combine everything that is known of a traveller."""
        return ask_policy(
            self._settings,
            self.lane,
            demands_of(self._settings, self.lane),
            [(prepared.borrowed, prepared.results)],
            referral,
            self._knowledge,
            self._clock,
            self.today,
        )
