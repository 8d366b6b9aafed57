"""From the state of lanes to what consoles and screens may see. Nothing is decided here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Literal

from gate_agent.domain.alarm import Alarm
from gate_agent.domain.check import CheckResult, PluginSource
from gate_agent.domain.money import plain_text
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.selection import Standing, TrustCategory
from gate_agent.domain.transaction_document import is_correctable
from gate_agent.domain.transaction_state import ChipRead, Permit, Phase
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.controller import LaneController
from gate_agent.lane.face.acquisition import ALARM_FRAMES
from gate_agent.lane.summary import TransactionSummary
from gate_agent.settings import AttackDetection, FaceSettings, LaneSettings
from gate_agent.web.desk_messages import ReasonView
from gate_agent.web.device_messages import DeviceView
from gate_agent.web.lane_api_messages import (
    AlarmView,
    AttackView,
    CaptureCue,
    CheckView,
    ComparedView,
    ComparisonView,
    DocumentView,
    ImageKind,
    Instruction,
    LaneView,
    PluginView,
    ReferralView,
    TransactionView,
)
from models.results import AttackAssessment, FaceComparison

_CHIP: dict[ChipRead, Literal["running", "awaited"]] = {ChipRead.RUNNING: "running", ChipRead.AWAITED: "awaited"}
_STEPS = {
    Instruction.PRESENT_DOCUMENT: 1,
    Instruction.READING_DOCUMENT: 1,
    Instruction.READING_CHIP: 1,
    Instruction.PRESENT_AGAIN: 1,
    Instruction.SHOW_DECLARATION: 1,
    Instruction.NEXT_DOCUMENT: 1,
    Instruction.SHOW_VISA: 1,
    Instruction.ENTER: 2,
    Instruction.ENTER_TOGETHER: 2,
    Instruction.LOOK_AT_CAMERA: 3,
    Instruction.NEXT_FACE: 3,
    Instruction.WALK_THROUGH: 4,
    Instruction.CUSTOMS_DESK: 4,
}


def reasons(values: Iterable[Reason]) -> list[ReasonView]:
    """Return reasons as messages."""
    return [ReasonView(code=value.code.value, parameters=dict(value.parameters)) for value in values]


def checks(values: Iterable[CheckResult]) -> list[CheckView]:
    """Return checks as messages."""
    return [
        CheckView(
            check=value.check.value,
            outcome=value.outcome.value,
            reasons=reasons(value.reasons),
            compared=[
                ComparedView(name=item.name, found=item.found, expected=item.expected) for item in value.compared
            ],
            duration_ms=value.duration_ms,
            plugin=_plugin(value.plugin) if value.plugin else None,
        )
        for value in values
    ]


def _plugin(value: PluginSource) -> PluginView:
    return PluginView(
        package=value.package,
        version=value.version,
        family=value.family,
        titles=dict(value.titles),
        findings=dict(value.findings),
    )


def document(value: TravelDocument) -> DocumentView:
    """Return what a guard needs of the document."""
    return DocumentView(
        format=value.format.value,
        document_code=value.document_code,
        issuing_state=value.issuing_state,
        document_number=value.document_number,
        nationality=value.nationality,
        primary_identifier=value.primary_identifier,
        secondary_identifier=value.secondary_identifier,
        date_of_birth=value.date_of_birth.isoformat() if value.date_of_birth else value.date_of_birth_text,
        sex=value.sex,
        date_of_expiry=value.date_of_expiry.isoformat() if value.date_of_expiry else "",
        lines=list(value.lines),
    )


def comparison(value: FaceComparison) -> ComparisonView:
    """Return a comparison with the record and models that score and threshold come from."""
    return ComparisonView(
        score=value.comparison_score,
        threshold=value.threshold,
        false_match_rate=value.false_match_rate,
        calibration_id=value.calibration_id,
        model_id=value.model_id,
        cohort_id=value.cohort_id,
        cosine=value.cosine,
        frames=value.frames,
    )


def attack(value: AttackAssessment | None, settings: FaceSettings, *, suspected: bool) -> AttackView | None:
    """Return what attack detection found, for a guard; None where it is off or nothing was assessed."""
    mode = settings.presentation_attack_detection
    if mode is AttackDetection.OFF or value is None:
        return None
    return AttackView(
        score=value.score,
        alarm_score=settings.attack_alarm_score,
        mode="required" if mode is AttackDetection.REQUIRED else "advisory",
        is_rated=value.is_rated,
        is_suspected=suspected,
    )


def _together(persons: int) -> tuple[Reason, ...]:
    """Return what a guard has to know before he decides: that his decision is for so many people."""
    return (Reason(ReasonCode.PARTY_TOGETHER, {"persons": str(persons)}),) if persons > 1 else ()


def referral(controller: LaneController, borrowed: Borrowed) -> ReferralView | None:
    """Return the referral of a lane, while one waits for a guard."""
    state = controller.state
    if state.phase not in {Phase.REFERRED, Phase.FAULTED} or borrowed.referred_at is None:
        return None
    answer = borrowed.answer
    compared = borrowed.comparison
    return ReferralView(
        transaction_id=state.transaction_id or borrowed.transaction_id,
        waiting_since=borrowed.referred_at,
        reasons=reasons((*(answer.admission_reasons if answer else state.referral), *_together(state.party))),
        checks=checks(state.results.values()),
        document=document(borrowed.document) if borrowed.document else None,
        has_probe=borrowed.probe_jpeg is not None,
        has_reference=bool(borrowed.reference_jpeg),
        comparison=comparison(compared) if compared else None,
        attack=attack(borrowed.attack, controller.face.settings, suspected=borrowed.attack_suspected),
        frames=min(len(borrowed.frame_jpegs), ALARM_FRAMES),
        corridor=answer.corridor.value if answer else None,
        corridor_reasons=reasons(answer.corridor_reasons) if answer else [],
        declaration_reference=borrowed.declaration.reference if borrowed.declaration else "",
        person_inside=state.occupancy > 0,
        can_correct=is_correctable(state),
    )


def lane(
    controller: LaneController, devices: list[DeviceView], intercom: Literal["", "calling", "speaking"] = ""
) -> LaneView:
    """Return one lane as a console sees it."""
    state, borrowed = controller.state, controller.borrowed
    answer = borrowed.answer if borrowed else None
    return LaneView(
        lane_id=controller.lane.lane_id,
        direction=controller.lane.direction.value,
        mode=controller.lane.mode,
        state=state.phase.value,
        state_since=controller.state_since,
        transaction_id=state.transaction_id,
        checks=checks(state.results.values()),
        awaited=sorted(state.demands.before_exit - state.results.keys()) if state.phase is Phase.INSPECTING else [],
        chip=_CHIP.get(state.chip, "") if state.phase is Phase.INSPECTING else "",
        corridor=answer.corridor.value if answer else None,
        referral=referral(controller, borrowed) if borrowed else None,
        devices=devices,
        occupancy=state.occupancy,
        lockdown=state.lockdown,
        fallback=state.phase is Phase.SUSPENDED and ReasonCode.POST_FALLBACK in state.holds,
        outside_hours=state.phase is Phase.SUSPENDED and ReasonCode.LANE_OUTSIDE_HOURS in state.holds,
        intercom=intercom,
    )


def alarm(value: Alarm) -> AlarmView:
    """Return an alarm as a console sees it."""
    return AlarmView(
        alarm_id=value.alarm_id,
        lane_id=value.lane_id,
        priority=value.priority.value,
        reason=reasons([value.reason])[0],
        raised_at=value.raised_at,
        acknowledged_by=value.acknowledged_by,
    )


def ended(value: TransactionSummary) -> TransactionView:
    """Return how a transaction ended."""
    return TransactionView(
        transaction_id=value.transaction_id,
        lane_id=value.lane_id,
        outcome=value.outcome.value,
        decided_by=value.decided_by.value,
        corridor=value.corridor.value if value.corridor else None,
        reasons=reasons(value.reasons),
        begun_at=value.begun_at,
        closed_at=value.closed_at,
        software_ms=value.software_ms,
        step_ms=dict(value.step_ms),
    )


def instruction(controller: LaneController) -> Instruction:
    """Return the one thing the traveller should do now; a hidden cause is never shown, only where to go."""
    state = controller.state
    if state.fire:
        return Instruction.EMERGENCY
    match state.phase:
        case Phase.IDLE:
            return Instruction.PRESENT_DOCUMENT
        case Phase.SUSPENDED if state.stop_cause is not None and state.occupancy > 0:
            return Instruction.HELP_IS_COMING
        case Phase.SUSPENDED if state.stop_cause is None and ReasonCode.POST_FALLBACK in state.holds:
            return Instruction.OFFICER_CONTROL
        case Phase.SUSPENDED:
            return Instruction.LANE_CLOSED
        case Phase.INSPECTING:
            return _inspecting(controller)
        case Phase.REFERRED | Phase.FAULTED | Phase.HANDED_OVER | Phase.NOT_PASSED:
            return _referred(controller)
        case Phase.RELEASED if not state.entered:
            return Instruction.ENTER if state.party == 1 else Instruction.ENTER_TOGETHER
        case Phase.RELEASED | Phase.PASSAGE_OPEN | Phase.PASSED:
            answer = controller.borrowed.answer if controller.borrowed else None
            return Instruction.CUSTOMS_DESK if answer and answer.desk_tasks else Instruction.WALK_THROUGH
        case _:
            return Instruction.PLEASE_WAIT


def _inspecting(controller: LaneController) -> Instruction:
    state, borrowed = controller.state, controller.borrowed
    if state.entered:
        return Instruction.LOOK_AT_CAMERA if state.person == 0 else Instruction.NEXT_FACE
    if state.permit is Permit.GRANTED:
        return Instruction.ENTER if state.party == 1 else Instruction.ENTER_TOGETHER
    if borrowed is not None and borrowed.linked_to is not None and borrowed.reading is None and not state.aborted_steps:
        return Instruction.NEXT_DOCUMENT
    if state.chip is ChipRead.RUNNING:
        return Instruction.READING_CHIP
    if borrowed is not None and borrowed.awaits_permit and state.chip is not ChipRead.AWAITED:
        return Instruction.SHOW_VISA
    if state.chip is ChipRead.AWAITED or (state.aborted_steps and not state.results):
        return Instruction.PRESENT_AGAIN
    if controller.intake.document_on_reader or (borrowed is not None and borrowed.reading is not None):
        return Instruction.READING_DOCUMENT
    return Instruction.PRESENT_DOCUMENT


def _referred(controller: LaneController) -> Instruction:
    state = controller.state
    codes = {reason.code for reason in state.referral}
    if codes == {ReasonCode.FAMILY_WITH_SMALL_CHILDREN}:
        return Instruction.FAMILY_LANE
    if codes and codes <= {ReasonCode.ISSUER_NOT_COVERED, ReasonCode.TRUST_BUNDLE_MISSING}:
        return Instruction.STAFFED_LANE
    if codes == {ReasonCode.HELP_REQUESTED}:
        return Instruction.HELP_IS_COMING
    if codes == {ReasonCode.SECOND_PERSON}:
        is_a_party = (
            state.occupancy <= controller.lane.persons_limit
        )  # the guard comes, and nobody is sent away from whom he helps
        return Instruction.HELP_IS_COMING if is_a_party else Instruction.ONE_PERSON
    return Instruction.SEE_OFFICER


def cue(controller: LaneController, shown: Instruction) -> CaptureCue | None:
    """Return what the traveller should change for the camera; nothing of it tells how the comparison stands."""
    now = controller.face.cue
    is_looked_at = shown in {Instruction.LOOK_AT_CAMERA, Instruction.NEXT_FACE}
    return CaptureCue(now.value) if now is not None and is_looked_at else None


def other_lane(controller: LaneController, lanes: Iterable[LaneSettings], shown: Instruction) -> int | None:
    """Return the lane that the screen names beside its instruction: one for families, or with room for whoever needs it; None for none.

    An empty lane without room says where there is some, before anybody lays down a document.
    """
    if shown not in {Instruction.FAMILY_LANE, Instruction.PRESENT_DOCUMENT}:
        return None
    here = controller.lane
    others = [lane for lane in lanes if lane.lane_id != here.lane_id and lane.direction is here.direction]
    wide = next((lane.lane_id for lane in others if lane.is_wide), None)
    if shown is Instruction.FAMILY_LANE:
        return next((lane.lane_id for lane in others if lane.is_family), wide)
    return None if here.is_wide or controller.state.transaction_id is not None else wide


def read_percent(controller: LaneController, shown: Instruction) -> int | None:
    """Return how much of the chip is read while it is; nothing of it tells how the checks stand."""
    chip = controller.document.chip
    if shown is not Instruction.READING_CHIP or chip is None or chip.share_read is None:
        return None
    return round(chip.share_read * 100)


def receipt(controller: LaneController) -> dict[str, str]:
    """Return what a released traveller takes along: how long the stay may last, the declaration's reference, what customs counts."""
    borrowed = controller.borrowed
    released = {Phase.RELEASED, Phase.PASSAGE_OPEN, Phase.PASSED}
    if borrowed is None or borrowed.document is None or controller.state.phase not in released:
        return {}
    lines: dict[str, str] = {}
    terms = borrowed.terms
    if terms.last_day is not None:
        lines["stay_deadline"] = terms.last_day.isoformat()
    if terms.register_by is not None:
        lines["registration_deadline"] = terms.register_by.isoformat()
    if borrowed.receipt is not None:
        told = borrowed.receipt.receipt
        if told.duty is not None:
            lines["duty"] = plain_text(told.duty)
        if told.temporary:
            lines["temporary_items"] = ", ".join(item.description for item in told.temporary)
    if borrowed.declaration is not None:
        lines["reference"] = borrowed.declaration.reference
    answer = borrowed.own_answer or borrowed.answer
    return lines | (_category(answer.selection.standing) if answer is not None and answer.selection is not None else {})


def _category(standing: Standing) -> dict[str, str]:
    """Return what a traveller may know of the category that inspections earned: which, and from how many; nothing without any."""
    if not standing.inspections:
        return {}
    counted = standing.findings if standing.category is TrustCategory.ATTENTION else standing.inspections
    return {f"customs_{standing.category.value}": str(counted)}


def receipt_code(controller: LaneController) -> str:
    """Return the signed code of a released traveller's receipt, empty while there is none."""
    borrowed = controller.borrowed
    released = {Phase.RELEASED, Phase.PASSAGE_OPEN, Phase.PASSED}
    if borrowed is None or borrowed.receipt is None or controller.state.phase not in released:
        return ""
    return borrowed.receipt.text


def step_of(value: Instruction) -> int:
    """Return the progress mark that goes with an instruction."""
    return _STEPS.get(value, 0)


def image_of(controllers: Iterable[LaneController], transaction_id: uuid.UUID, kind: ImageKind) -> bytes | None:
    """Return a portrait or frame of an open transaction, while a guard has to look at it."""
    for controller in controllers:
        borrowed = controller.borrowed
        if borrowed is None or controller.state.transaction_id != transaction_id or borrowed.referred_at is None:
            continue
        images = {"probe": borrowed.probe_jpeg, "reference": borrowed.reference_jpeg}
        images |= {f"frame-{number}": jpeg for number, jpeg in enumerate(borrowed.frame_jpegs, 1)}
        image = images.get(kind)
        return bytes(image) if image else None
    return None
