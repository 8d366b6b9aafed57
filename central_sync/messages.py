"""The record schema: what a gate writes into its outbox and the centre keeps for ever.

Attributes follow CloudEvents 1.0 (`id source type time dataschema`) with the extensions `epoch seq prev_hash clock`. `type` carries
the major version; within a major version members are only added, and readers keep members they do not know. The stored bytes are
what is hashed, signed and kept: nothing is ever written again from a parsed record.

Personal fields (document number, names, birth date, free text, compared values) stand only in `sealed` (`central_sync.sealing`); no face is in any.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from central_sync import strict_json
from central_sync.biometric_members import biometric_member
from central_sync.errors import RecordRefused, StrictJsonError
from central_sync.plugin_part import PluginPart
from central_sync.screening_part import ScreeningPart
from central_sync.selection_parts import AppealV1, CorridorInputsPart, DrawSeedV1, SelectionPart
from central_sync.stay_parts import CorrectionV1, StayNoticeV1

MAX_RECORD_BYTES = 65_536
NOT_JSON, SCHEMA, PLACE = "CS-REC-001", "CS-REC-002", "CS-REC-003"


def _version_7(value: uuid.UUID) -> uuid.UUID:
    if value.version != 7:
        raise ValueError("a UUID of version 7 is expected (RFC 9562)")
    return value


Uuid7 = Annotated[uuid.UUID, AfterValidator(_version_7)]
HashHex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_.:-]+$")]
StateCode = Annotated[str, Field(max_length=3)]
Sealed = Annotated[str, Field(max_length=32_768, description="HPKE ciphertext, base64")]


class Part(BaseModel):
    """A frozen piece of a record; unknown members are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ReasonPart(Part):
    """A reason code with its parameters."""

    code: Code
    parameters: dict[str, str] = {}


class CheckPart(Part):
    """One check: its five-valued outcome, reasons and duration in milliseconds. Compared values are in `sealed`; `plugin`: who brought it."""

    check: Code
    outcome: Literal["successful", "failed", "undetermined", "not_supported", "aborted"]
    reasons: list[ReasonPart] = []
    duration_ms: float = Field(0.0, ge=0)
    plugin: PluginPart | None = Field(None, exclude_if=lambda plugin: plugin is None)


class RulePart(Part):
    """A rule that took part."""

    rule_id: str = Field(max_length=128)
    effective_from: date
    certainty: str = Field(max_length=32)


class OfficerPart(Part):
    """Who authorised: the officer's id and role, and the authorisation's id."""

    officer_id: str = Field(max_length=64)
    role: str = Field(max_length=64)
    authorisation_id: uuid.UUID


class DocumentPart(Part):
    """What may be known of a document without knowing its holder."""

    format: str = Field(max_length=8)
    document_code: str = Field(max_length=2)
    issuing_state: StateCode
    nationality: StateCode


class MoneyPart(Part):
    """Integer minor units with an ISO 4217 code."""

    amount_minor: int
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class GoodsPart(Part):
    """One line of goods, as declared or as found; `kind` and `quantity` as in the rulebook, `owner` of a family's."""

    description: str = Field(max_length=200)
    value: MoneyPart
    mass_g: int = Field(ge=0)
    kind: str = Field("", max_length=40)
    quantity: int | None = Field(None, ge=0)
    owner: int = Field(0, ge=0)
    is_temporary: bool = False


class UnaccompaniedPart(Part):
    """Goods that travel apart from their owner; the stub stays open until they arrive."""

    stub_id: str = Field(max_length=24)
    items: list[str]
    deadline: date | None = None


class DecisionV1(Part):
    """The machine or a guard decided."""

    kind: ClassVar[str] = "decision"
    decision_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int = Field(ge=0)
    direction: Literal["entry", "exit"]
    decided_at: AwareDatetime
    local_date: date
    decided_by: Literal["machine", "guard"]
    admission: Literal["release", "refer", "hand_over"]
    admission_reasons: list[ReasonPart]
    corridor: Literal["green", "yellow", "red"]
    corridor_reasons: list[ReasonPart]
    rules: list[RulePart] = []
    rulebook_version: int = Field(0, ge=0)
    checks: list[CheckPart] = []
    document: DocumentPart | None = None
    declaration_reference: str = Field("", max_length=64)
    officers: list[OfficerPart] = []
    software_ms: float | None = None
    step_ms: dict[str, float] = {}
    source_states: dict[str, str] = {}
    selection: SelectionPart | None = None
    corridor_inputs: CorridorInputsPart | None = None
    linked_to: uuid.UUID | None = None  # the transaction of the adult with whom an under-age traveller crosses
    sealed: Sealed | None = None
    utc_offset_min: int | None = Field(None, ge=-1080, le=1080, description="How far local time is ahead of UTC.")


class CrossingV1(Part):
    """Passage was confirmed, denied or stays undetermined."""

    kind: ClassVar[str] = "crossing"
    crossing_id: uuid.UUID
    transaction_id: uuid.UUID
    decision_id: uuid.UUID
    lane_id: int = Field(ge=0)
    direction: Literal["entry", "exit"]
    occurred_at: AwareDatetime
    local_date: date
    passage: Literal["passed", "not_passed", "passage_undetermined"]
    corridor: Literal["green", "yellow", "red"]
    document: DocumentPart | None = None
    linked_to: uuid.UUID | None = None
    sealed: Sealed | None = None
    utc_offset_min: int | None = Field(None, ge=-1080, le=1080, description="How far local time is ahead of UTC.")


class DeclarationV1(Part):
    """A customs declaration was used: its token is consumed for one document."""

    kind: ClassVar[str] = "declaration"
    transaction_id: uuid.UUID
    token_id: str = Field(pattern=r"^[0-9a-f]{2,128}$")
    reference: str = Field(max_length=64)
    direction: Literal["entry", "exit"]
    mode: Code
    goods: list[GoodsPart] = []
    cash: list[MoneyPart] = []
    small_children: int = Field(0, ge=0)
    seal_ids: list[str] = []
    companions: list[Code] = []  # what each of the others is to the declarant
    unaccompanied: UnaccompaniedPart | None = None
    filled_in_s: int | None = Field(None, ge=0, description="How long the traveller took over the form.")
    sealed: Sealed | None = Field(
        None, description="Vehicles, phones, companions, marks of goods: they point to people."
    )


class StayV1(Part):
    """A stay was opened or closed by a confirmed passage. An exit without a known entry has no `entered_on`."""

    kind: ClassVar[str] = "stay"
    stay_id: uuid.UUID
    transaction_id: uuid.UUID
    action: Literal["opened", "closed"]
    entered_on: date | None
    exited_on: date | None = None
    document: DocumentPart
    sealed: Sealed
    permit_kind: str = Field("", max_length=32)
    last_day: date | None = None
    register_by: date | None = None


class InspectionV1(Part):
    """An agency's desk finished a task. `finding` is empty in records of releases that did not ask for one.

    `duty` is what is charged, `duty_computed` what the rules say on the goods as found (None: they cannot say); `goods` None: as declared.
    `is_last`: no task of this stop is open any more, and only then it counts as closed. Free text is in `sealed`.
    """

    kind: ClassVar[str] = "inspection"
    task_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int = Field(ge=0)
    opened_at: AwareDatetime
    closed_at: AwareDatetime
    officer_id: str = Field(max_length=64)
    declaration_reference: str = Field("", max_length=64)
    screening: list[ScreeningPart] = []
    agency: Literal["border", "customs", "health", "quarantine"] = "customs"
    corridor: Literal["", "green", "yellow", "red"] = ""
    reasons: list[ReasonPart] = []
    finding: Literal["", "nothing_found", "found", "amended"] = ""
    goods: list[GoodsPart] | None = None
    days_abroad: int | None = Field(None, ge=0)
    duty: MoneyPart | None = None
    duty_computed: MoneyPart | None = None
    rulebook_version: int = Field(0, ge=0)
    act_number: str = Field("", max_length=40)
    officers: list[OfficerPart] = []
    is_last: bool = False
    sealed: Sealed | None = None


class SealV1(Part):
    """What an electronic seal on declared goods reported, or what an officer had done to it (`officer_id`, events `unlock_…`)."""

    kind: ClassVar[str] = "seal"
    seal_id: str = Field(min_length=1, max_length=64)
    state: Literal["intact", "tampered", "unknown"]
    event: str = Field("", max_length=64)
    received_at: AwareDatetime
    officer_id: str = Field("", max_length=64)
    officer_ids: list[str] = Field(
        [], max_length=8, description="all who signed, the first of them in `officer_id`, too"
    )
    reason: str = Field("", max_length=64, description="the code of the reason that the officers signed")


class AlarmV1(Part):
    """An alarm was raised or cleared."""

    kind: ClassVar[str] = "alarm"
    alarm_id: uuid.UUID
    lane_id: int = Field(ge=0)
    priority: Literal["low", "medium", "high"]
    reason: ReasonPart
    raised_at: AwareDatetime
    cleared_at: AwareDatetime | None = None
    acknowledged_by: str = Field("", max_length=64)


class AuditHeadV1(Part):
    """The head of the gate's audit log (RFC 6962 style tree)."""

    kind: ClassVar[str] = "audit_head"
    tree_size: int = Field(ge=0)
    root_hash: HashHex
    signed_at: AwareDatetime
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


RecordContent = (
    DecisionV1 | CrossingV1 | DeclarationV1 | StayV1 | InspectionV1 | SealV1 | AlarmV1 | DrawSeedV1 | AppealV1
    | CorrectionV1 | StayNoticeV1 | AuditHeadV1
)  # fmt: skip
CONTENT_MODELS: dict[str, type[RecordContent]] = {model.kind: model for model in get_args(RecordContent)}


class ClockPart(Part):
    """The gate's clocks when the record was made; order never depends on them."""

    boot_id: str = Field(max_length=64)
    mono_ns: int = Field(ge=0)
    state: Literal["synchronised", "unsynchronised", "unknown"]


class Record(Part):
    """One record with its attributes. `data` was validated against the model of its `type`; `training`: nobody of it is real."""

    specversion: Literal["1.0"] = "1.0"
    id: Uuid7
    source: str = Field(pattern=r"^[A-Z]{3}/[a-z0-9-]{1,32}/[a-z0-9-]{1,32}$")
    type: str = Field(pattern=r"^egate\.[a-z_]{1,32}\.v1$")
    time: AwareDatetime
    dataschema: str = Field(max_length=128)
    epoch: uuid.UUID
    seq: int = Field(ge=1)
    prev_hash: HashHex
    clock: ClockPart
    training: bool = Field(default=False, exclude_if=lambda training: not training)
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        """The kind of record, such as `crossing`."""
        return self.type.split(".")[1]

    @model_validator(mode="after")
    def _content_fits_type(self) -> Record:
        if (model := CONTENT_MODELS.get(self.kind)) is None:
            raise ValueError(f"unknown kind of record {self.kind!r}")
        model.model_validate(self.data)
        if found := biometric_member(self.data):
            raise ValueError(f"a record must not carry {found!r}")
        return self

    def content(self) -> RecordContent:
        """Return `data` as its model."""
        return CONTENT_MODELS[self.kind].model_validate(self.data)


def record_type(kind: str) -> str:
    """Return the `type` attribute of a kind."""
    return f"egate.{kind}.v1"


def schema_name(kind: str) -> str:
    """Return the `dataschema` attribute of a kind."""
    return f"urn:egate:schema:{kind}.v1"


def record_body(
    content: RecordContent,
    *,
    record_id: uuid.UUID,
    source: str,
    time: datetime,
    epoch: uuid.UUID,
    seq: int,
    prev_hash: bytes,
    clock: ClockPart,
    training: bool = False,
) -> bytes:
    """Return the bytes of a record as they are stored, hashed and sent. Raises `RecordRefused` for what a reader would refuse."""
    try:
        record = Record(
            id=record_id,
            source=source,
            type=record_type(content.kind),
            time=time,
            dataschema=schema_name(content.kind),
            epoch=epoch,
            seq=seq,
            prev_hash=prev_hash.hex(),
            clock=clock,
            training=training,
            data=content.model_dump(mode="json"),
        )
        body = strict_json.dumps(record.model_dump(mode="json"))
    except (ValidationError, StrictJsonError) as error:
        raise RecordRefused(_short(error), code=SCHEMA) from error
    if len(body) > MAX_RECORD_BYTES:
        raise RecordRefused(f"the record is longer than {MAX_RECORD_BYTES} bytes", code=SCHEMA)
    return body


def read_record(body: bytes) -> Record:
    """Return the record of stored bytes. Raises `RecordRefused`; the message names members, never their values."""
    try:
        return Record.model_validate(strict_json.load_object(body, max_bytes=MAX_RECORD_BYTES))
    except StrictJsonError as error:
        raise RecordRefused(str(error), code=NOT_JSON) from error
    except ValidationError as error:
        raise RecordRefused(_short(error), code=SCHEMA) from error


def first_prev_hash(epoch: uuid.UUID) -> bytes:
    """Return the `prev_hash` of the first record of an epoch."""
    return hashlib.sha256(epoch.bytes).digest()


def chain_hash(prev_hash: bytes, body: bytes) -> bytes:
    """Return the hash of a record: SHA-256 over the hash before it and the stored bytes."""
    return hashlib.sha256(prev_hash + body).digest()


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each kind's content and, as `record`, of the attributes around it."""
    kinds = {schema_name(kind): model.model_json_schema() for kind, model in CONTENT_MODELS.items()}
    return kinds | {"urn:egate:schema:record.v1": Record.model_json_schema()}


def _short(error: ValidationError | StrictJsonError) -> str:
    if isinstance(error, StrictJsonError):
        return str(error)
    (first, *_) = error.errors(include_input=False, include_url=False)
    return f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}"
