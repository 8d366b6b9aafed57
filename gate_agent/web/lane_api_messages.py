"""Messages of the lane API: what consoles and screens may see of a gate, and what a guard or traveller may ask of it.

The agent serves it on the Unix socket `lane.sock` (HTTP):

    GET  /v1/gate                                    -> GateSnapshot
    GET  /v1/events                                  -> server-sent events; each `data:` is a whole GateSnapshot, `id:` its sequence
    GET  /v1/lanes/{lane_id}/screen                  -> ScreenState   (the traveller's screen: nothing hidden is in it)
    GET  /v1/lanes/{lane_id}/events                  -> server-sent events of ScreenState
    GET  /v1/devices/{name}/history                 -> DeviceHistory
    GET  /v1/transactions/{id}/images/{probe|reference|frame-1…frame-8} -> image/jpeg, only while a guard has to look
    GET  /v1/stops/{id} …                            -> `desk_messages`
    POST /v1/actions            SignedAuthorisation  -> ActionAnswer  (403 with ActionAnswer when refused)
    POST /v1/lanes/{lane_id}/traveller TravellerInput -> 204

Everything here is JSON of these models; unknown fields are refused on the way in.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate_agent.closing_order import ClosingOrder
from gate_agent.web.desk_messages import CustomsTaskView, ReasonView
from gate_agent.web.device_messages import DeviceView, PowerView, SealTagView, XrayView
from gate_agent.web.face_rates_messages import FaceRatesView
from gate_agent.web.fallback_messages import FallbackView
from gate_agent.web.languages import Language
from gate_agent.web.stay_messages import StayOrphanView


class Message(BaseModel):
    """A frozen message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ComparedView(Message):
    """One pair of compared values."""

    name: str
    found: str
    expected: str


class PluginView(Message):
    """Who brought a check, and what it says in its own words by language, English among them."""

    package: str
    version: str
    family: str = ""
    titles: dict[str, str]
    findings: dict[str, str] = {}


class CheckView(Message):
    """One check as the guard sees it; `outcome` is one of the five values, `plugin` who brought a check that is not ours."""

    check: str
    outcome: Literal["successful", "failed", "undetermined", "not_supported", "aborted"]
    reasons: list[ReasonView] = []
    compared: list[ComparedView] = []
    duration_ms: float = 0.0
    plugin: PluginView | None = None


class DocumentView(Message):
    """What the guard needs of the document of a referred traveller."""

    format: str
    document_code: str
    issuing_state: str
    document_number: str
    nationality: str
    primary_identifier: str
    secondary_identifier: str
    date_of_birth: str
    sex: str
    date_of_expiry: str
    lines: list[str]


ImageKind = Literal[
    "probe", "reference", "frame-1", "frame-2", "frame-3", "frame-4", "frame-5", "frame-6", "frame-7", "frame-8"
]
"""Pictures of a referred transaction: the two portraits, and frames of its acquisition, oldest first when it was alarmed."""


class ComparisonView(Message):
    """The comparison of a referral: score against threshold, and the record and models that both come from."""

    score: float
    threshold: float
    false_match_rate: float
    calibration_id: str
    model_id: str = ""
    cohort_id: str = ""
    cosine: float | None = None
    frames: int = 1


class AttackView(Message):
    """What presentation attack detection found on the last compared frame, for the guard alone; `score` None: no result."""

    score: float | None
    alarm_score: float
    mode: Literal["advisory", "required"]
    is_rated: bool = False
    is_suspected: bool = False


class ReferralView(Message):
    """A referral waiting for a guard. `frames` says how many frames of the acquisition there are to look at."""

    transaction_id: uuid.UUID
    waiting_since: datetime
    reasons: list[ReasonView]
    checks: list[CheckView]
    document: DocumentView | None
    has_probe: bool
    has_reference: bool
    comparison: ComparisonView | None = None
    attack: AttackView | None = None
    frames: int = Field(0, ge=0, le=8)
    corridor: Literal["green", "yellow", "red"] | None
    corridor_reasons: list[ReasonView] = []
    declaration_reference: str = ""
    person_inside: bool
    can_correct: bool = Field(default=False, description="whether the printed lines are the guard's to correct")
    seals: list[SealTagView] = []


class LaneView(Message):
    """One lane: state of its transaction and since when; `awaited` are demanded checks that have not answered yet."""

    lane_id: int
    direction: Literal["entry", "exit"]
    mode: str
    state: str
    state_since: datetime
    transaction_id: uuid.UUID | None
    checks: list[CheckView] = []
    awaited: list[str] = []
    chip: Literal["", "running", "awaited"] = Field("", description="read now, or waited for once more")
    corridor: Literal["green", "yellow", "red"] | None = None
    referral: ReferralView | None = None
    devices: list[DeviceView] = []
    occupancy: int = 0
    lockdown: bool = Field(
        default=False, description="an officer ordered that no door is released, until a supervisor ends it"
    )
    fallback: bool = Field(default=False, description="the post works by hand: it takes nobody new by itself")
    outside_hours: bool = Field(default=False, description="it takes nobody new: these are not its hours")
    intercom: Literal["", "calling", "speaking"] = Field("", description="the help point's intercom, while it is used")


class AlarmView(Message):
    """An alarm of a lane (0: the whole gate)."""

    alarm_id: uuid.UUID
    lane_id: int
    priority: Literal["low", "medium", "high"]
    reason: ReasonView
    raised_at: datetime
    acknowledged_by: str = ""


class TransactionView(Message):
    """How a transaction of this gate ended; nothing of the traveller is in it."""

    transaction_id: uuid.UUID
    lane_id: int
    outcome: Literal["released", "referred", "handed_over", "abandoned", "faulted", "suspended"]
    decided_by: Literal["machine", "guard"]
    corridor: Literal["green", "yellow", "red"] | None
    reasons: list[ReasonView]
    begun_at: datetime
    closed_at: datetime
    software_ms: float | None
    step_ms: dict[str, float] = {}


class LinkView(Message):
    """The state of delivery to the centre."""

    centre_online: bool
    since: datetime
    backlog_records: int
    oldest_age_s: float
    last_ack_at: datetime | None


class GateSnapshot(Message):
    """Everything a console shows, whole, after each change."""

    sequence: int
    source: str = Field(description="country, site and gate, `UTO/demo/gate-1`: what officers sign for")
    gate_id: str
    site: str
    now: datetime
    software_version: str
    rulebook_version: int
    watchlist_version: int
    trust_version: int | None = Field(None, description="0: no bundle that is believed; null: this gate reads no chips")
    lanes: list[LaneView]
    alarms: list[AlarmView]
    customs_tasks: list[CustomsTaskView]
    can_unlock_seals: bool = Field(
        default=False, description="whether a seal server of this gate or its post may tell seals to open"
    )
    stay_orphans: list[StayOrphanView] = Field([], description="stays that somebody has to look at, oldest first")
    link: LinkView
    recent: list[TransactionView] = Field([], description="the last transactions that ended, newest first")
    face_rates: list[FaceRatesView] = Field([], description="one row a lane; a console shows them to supervisors")
    devices: list[DeviceView] = Field([], description="devices of the whole gate; those of lanes stand there")
    xray: list[XrayView] = Field([], description="results to look at that belong to no open task, newest first")
    power: PowerView | None = None
    fallback: FallbackView | None = Field(None, description="None: nobody ever ordered it")


class Instruction(StrEnum):
    """What the traveller's screen says: one at a time, each with its own pictogram."""

    PRESENT_DOCUMENT = "present_document"
    READING_DOCUMENT = "reading_document"
    READING_CHIP = "reading_chip"  # the document has to stay
    PRESENT_AGAIN = "present_again"  # turn, press flat, cover off
    SHOW_DECLARATION = "show_declaration"
    NEXT_DOCUMENT = "next_document"  # of the family that crosses together
    SHOW_VISA = "show_visa"  # or a residence permit: the passport alone is not enough
    ENTER = "enter"
    ENTER_TOGETHER = "enter_together"
    LOOK_AT_CAMERA = "look_at_camera"
    NEXT_FACE = "next_face"
    ONE_PERSON = "one_person"
    PLEASE_WAIT = "please_wait"
    WALK_THROUGH = "walk_through"
    CUSTOMS_DESK = "customs_desk"  # released, please go to the customs desk
    SEE_OFFICER = "see_officer"
    FAMILY_LANE = "family_lane"
    STAFFED_LANE = "staffed_lane"  # this gate cannot serve such a document, whoever holds it
    HELP_IS_COMING = "help_is_coming"
    LANE_CLOSED = "lane_closed"
    OFFICER_CONTROL = "officer_control"  # the post works by hand
    EMERGENCY = "emergency"


class CaptureCue(StrEnum):
    """What the traveller should change while the camera looks (`lane.face.Cue`); sides are his own, as in a mirror."""

    SEVERAL_FACES = "several_faces"
    TOO_HIGH = "too_high"
    TOO_LOW = "too_low"
    TOO_NEAR = "too_near"
    TOO_FAR = "too_far"
    TOO_FAR_LEFT = "too_far_left"
    TOO_FAR_RIGHT = "too_far_right"
    MOVING = "moving"
    NOT_FRONTAL = "not_frontal"
    EYES_CLOSED = "eyes_closed"
    MOUTH_OPEN = "mouth_open"
    FACE_CAMERA = "face_camera"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    NOD = "nod"


CHALLENGE_CUES = frozenset({CaptureCue.FACE_CAMERA, CaptureCue.TURN_LEFT, CaptureCue.TURN_RIGHT, CaptureCue.NOD})
"""What a challenge asks; the traveller may skip it."""


class ScreenState(Message):
    """The traveller's screen of one lane. It carries no reason, no name, no score and no picture.

    `cue` comes with LOOK_AT_CAMERA only, one at a time; `read_percent` with READING_CHIP only.
    """

    lane_id: int
    sequence: int
    instruction: Instruction
    step: int = Field(ge=0, le=4, description="progress 1-4; 0 when no transaction runs")
    language: Language
    remaining_s: float | None = None
    receipt: dict[str, str] = {}
    receipt_code: str = Field("", description="the signed receipt, to be shown as a QR symbol")
    cue: CaptureCue | None = None
    read_percent: int | None = Field(None, ge=0, le=100, description="how much of the chip is read")
    printing: Literal["", "offered", "printing", "printed", "unavailable"] = ""
    other_lane: int | None = Field(
        None, description="the lane to go to, where one of this gate is meant; with room, or for families"
    )
    speech: Literal["none", "off", "on", "always"] = Field("none", description="off and on can be switched")
    said_in: Language | None = Field(None, description="the language in which the speaker said something last")


class TravellerInput(Message):
    """What the traveller pressed on the screen."""

    kind: Literal["help", "nothing_to_declare", "more_time", "language", "skip", "print", "speech"]
    language: Language | None = None


class GuardAction(StrEnum):
    """What a guard can authorise. Releasing and handing over name a transaction; the others a lane or alarm."""

    RELEASE = "release"
    HAND_OVER = "hand_over"
    SUSPEND_LANE = "suspend_lane"
    RESUME_LANE = "resume_lane"
    ACKNOWLEDGE_ALARM = "acknowledge_alarm"
    CLOSE_CUSTOMS_TASK = "close_customs_task"
    NOTE_APPEAL = "note_appeal"
    CORRECT_READING = "correct_reading"
    LOCKDOWN_LANE = "lockdown_lane"
    END_LOCKDOWN = "end_lockdown"
    UNLOCK_SEAL = "unlock_seal"
    CORRECT_STAY = "correct_stay"
    BEGIN_FALLBACK = "begin_fallback"
    END_FALLBACK = "end_fallback"


class Authorisation(Message):
    """What is signed. The agent accepts it once, before `expires_at`, from officers whose role allows the action."""

    authorisation_id: uuid.UUID
    source: str = Field(max_length=80, description="the gate it is for: country, site and gate")
    lane_id: int
    action: GuardAction
    transaction_id: uuid.UUID | None = None
    subject_id: uuid.UUID | None = Field(None, description="alarm or customs task")
    reason_code: str = Field(min_length=1, max_length=64)
    reason_text: str = Field("", max_length=500)
    face_assessment: Literal["same", "different", "unsure"] | None = None
    lines: tuple[Annotated[str, Field(max_length=64)], ...] = Field(
        (), max_length=3, description="the lines as an officer reads them"
    )
    seal_id: str = Field("", max_length=64, description="the seal to unlock")
    closing: ClosingOrder | None = Field(None, description="what a customs task is closed with")
    stay_correction: Literal["add_entry", "add_exit", "void"] | None = None
    stay_day: date | None = Field(None, description="the day that no gate recorded")
    fallback_number: int | None = Field(
        None, ge=1, le=2**53, description="of an order for the post: the one after the last that the officer saw"
    )
    session_id: str = Field(min_length=8, max_length=64)
    nonce: str = Field(min_length=16, max_length=64)
    issued_at: datetime
    expires_at: datetime


class OfficerSignature(Message):
    """One officer's Ed25519 signature (hex) over the exact `payload` bytes."""

    officer_id: str = Field(min_length=1, max_length=64)
    signature_hex: str = Field(min_length=128, max_length=128)


class SignedAuthorisation(Message):
    """`payload` is the JSON text of an `Authorisation`, signed as it stands; a second officer is policy, not code."""

    payload: str = Field(max_length=16_384)
    authorisers: list[OfficerSignature] = Field(min_length=1, max_length=4)


class ActionAnswer(Message):
    """The agent's answer. `code` is `accepted`, or why it was refused (`EG-AUT-…`)."""

    accepted: bool
    code: str
    message: str

    @classmethod
    def done(cls, message: str = "done") -> ActionAnswer:
        """Return that it was carried out."""
        return cls(accepted=True, code="accepted", message=message)

    @classmethod
    def refused(cls, code: str, message: str) -> ActionAnswer:
        """Return that it was not, and why."""
        return cls(accepted=False, code=code, message=message)
