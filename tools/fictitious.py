"""A fictitious gate for pictures: one referral with drawn faces, one running lane, a customs task, an alarm.

Everything here is invented: specimens of Utopia, document numbers of the standard's own examples, faces made of ellipses.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray

from central_sync.centre.queries import AlarmRow, CentreQueries, GateStatus, RecordRow
from central_sync.centre.telemetry import GateDevices
from central_sync.passage_counts.cells import WHOLE, Figures, Place, bucket
from central_sync.presence import DeviceReading
from gate_agent.web.device_messages import DeviceHistory, DeviceView
from gate_agent.web.events import Broadcaster
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    AlarmView,
    AttackView,
    CaptureCue,
    CheckView,
    ComparedView,
    ComparisonView,
    CustomsTaskView,
    DocumentView,
    GateSnapshot,
    ImageKind,
    Instruction,
    LaneView,
    LinkView,
    ReasonView,
    ReferralView,
    ScreenState,
    SignedAuthorisation,
    TransactionView,
    TravellerInput,
)

REFERRED = uuid.UUID("0199f2aa-0000-7000-8000-000000000001")
RUNNING = uuid.UUID("0199f2aa-0000-7000-8000-000000000002")
LINES = ["P<UTOSPECIMEN<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3304159ZE184226B<<<<<10"]

_OF_THE_CHIP = (
    "chip_access", "sod_signature", "certificate_chain", "certificate_revocation", "issuing_state", "chip_content",
    "chip_genuineness", "mrz_against_dg1",
)  # fmt: skip

Colour = tuple[int, int, int]


def drawn_face(skin: Colour, hair: Colour, shirt: Colour, backdrop: Colour, tilt_deg: float = 0.0) -> bytes:
    """Return the JPEG of a drawn face, 360 x 450 px: nobody, recognisably a drawing."""
    canvas: NDArray[np.uint8] = np.full((450, 360, 3), backdrop, np.uint8)
    cv2.ellipse(canvas, (180, 470), (150, 120), 0, 180, 360, shirt, -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (150, 290), (210, 380), skin, -1)
    cv2.ellipse(canvas, (180, 185), (108, 128), 0, 0, 360, hair, -1, cv2.LINE_AA)
    cv2.ellipse(canvas, (180, 215), (90, 118), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(canvas, (180, 130), (98, 62), 0, 180, 360, hair, -1, cv2.LINE_AA)
    dark: Colour = (60, 50, 45)
    for x_px in (145, 215):
        cv2.ellipse(canvas, (x_px, 205), (17, 9), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(canvas, (x_px, 205), 8, dark, -1, cv2.LINE_AA)
        cv2.ellipse(canvas, (x_px, 186), (22, 8), 0, 190, 350, dark, 3, cv2.LINE_AA)
    cv2.ellipse(canvas, (180, 248), (11, 8), 0, 20, 160, dark, 2, cv2.LINE_AA)
    cv2.ellipse(canvas, (180, 285), (30, 10), 0, 0, 180, (90, 90, 170), 3, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((180, 225), tilt_deg, 1.0)
    turned = cv2.warpAffine(canvas, turn, (360, 450), borderMode=cv2.BORDER_CONSTANT, borderValue=backdrop)
    encoded, jpeg = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not encoded:
        raise ValueError("the drawing could not be encoded")
    return jpeg.tobytes()


FACES = {
    "reference": drawn_face((150, 185, 225), (40, 55, 80), (140, 95, 60), (228, 226, 222)),
    "probe": drawn_face((128, 160, 205), (25, 25, 30), (70, 110, 70), (190, 196, 200), tilt_deg=4),
    "frame-1": drawn_face((128, 160, 205), (25, 25, 30), (70, 110, 70), (190, 196, 200), tilt_deg=4),
    "frame-2": drawn_face((128, 160, 205), (25, 25, 30), (70, 110, 70), (190, 196, 200), tilt_deg=-9),
    "frame-3": drawn_face((120, 152, 198), (25, 25, 30), (70, 110, 70), (180, 188, 194), tilt_deg=12),
}


def gate_snapshot(now: datetime) -> GateSnapshot:
    """Return what the console shows in the picture."""
    differs = ReasonView(code="face_different")
    document = [
        CheckView(check="mrz_check_digits", outcome="successful", duration_ms=1.2),
        CheckView(check="expiry", outcome="successful", duration_ms=0.1),
        *(CheckView(check=name, outcome="successful", duration_ms=40.0) for name in _OF_THE_CHIP),
    ]
    checks = [
        *document,
        CheckView(check="declaration_token", outcome="successful", duration_ms=2.1),
        CheckView(check="stay", outcome="successful", duration_ms=0.2),
        CheckView(check="watchlist", outcome="successful", duration_ms=0.1),
        CheckView(
            check="face_comparison",
            outcome="failed",
            reasons=[differs],
            compared=[ComparedView(name="comparison_score", found="0.81", expected=">= 0.93")],
            duration_ms=212.0,
        ),
        CheckView(
            check="face_presentation",
            outcome="not_supported",
            reasons=[
                ReasonView(code="presentation_attack_advisory"),
                ReasonView(code="presentation_attack_unrated"),
            ],
            compared=[ComparedView(name="attack_score", found="0.22", expected="< 0.80")],
        ),
    ]
    referral = ReferralView(
        transaction_id=REFERRED,
        waiting_since=now - timedelta(seconds=14),
        reasons=[differs],
        checks=checks,
        document=DocumentView(
            format="TD3",
            document_code="P",
            issuing_state="UTO",
            document_number="L898902C3",
            nationality="UTO",
            primary_identifier="SPECIMEN",
            secondary_identifier="ANNA MARIA",
            date_of_birth="1974-08-12",
            sex="F",
            date_of_expiry="2033-04-15",
            lines=LINES,
        ),
        has_probe=True,
        has_reference=True,
        comparison=ComparisonView(
            score=0.81,
            threshold=0.93,
            false_match_rate=1e-4,
            calibration_id="utopia-2026-1",
            model_id="utopia-embedder-1",
            cohort_id="utopia-cohort-1",
            frames=5,
        ),
        attack=AttackView(score=0.22, alarm_score=0.8, mode="advisory"),
        frames=3,
        corridor="green",
        corridor_reasons=[ReasonView(code="declared_within_allowance")],
        declaration_reference="UTO-7F3K",
        person_inside=True,
    )
    return GateSnapshot(
        sequence=1,
        gate_id="gate-1",
        site="north-bridge",
        source="UTO/north-bridge/gate-1",
        now=now,
        software_version="0.1.0",
        rulebook_version=7,
        watchlist_version=112,
        trust_version=4,
        lanes=[
            _lane(1, now, "referred", REFERRED, checks, referral),
            _lane(2, now, "inspecting", RUNNING, document, None),
        ],
        alarms=[
            AlarmView(
                alarm_id=uuid.UUID("0199f2aa-0000-7000-8000-000000000003"),
                lane_id=2,
                priority="medium",
                reason=ReasonView(code="help_requested"),
                raised_at=now - timedelta(seconds=14),
            )
        ],
        customs_tasks=[
            CustomsTaskView(
                task_id=uuid.UUID("0199f2aa-0000-7000-8000-000000000004"),
                transaction_id=uuid.UUID("0199f2aa-0000-7000-8000-000000000005"),
                lane_id=2,
                created_at=now - timedelta(minutes=3),
                declaration_reference="UTO-9Q2M",
                reasons=[
                    ReasonView(code="cash_over_threshold", parameters={"total": "12000 USD", "threshold": "10000 USD"})
                ],
            )
        ],
        link=LinkView(
            centre_online=True, since=now - timedelta(hours=5), backlog_records=0, oldest_age_s=0, last_ack_at=now
        ),
        recent=[
            TransactionView(
                transaction_id=uuid.UUID(f"0199f2aa-0000-7000-8000-0000000001{number:02d}"),
                lane_id=1 + number % 2,
                outcome="released",
                decided_by="machine",
                corridor="green",
                reasons=[ReasonView(code="all_checks_successful")],
                begun_at=now - timedelta(minutes=number + 1),
                closed_at=now - timedelta(minutes=number),
                software_ms=231.0 + number,
            )
            for number in range(1, 4)
        ],
    )


def _lane(
    lane_id: int,
    now: datetime,
    state: str,
    transaction_id: uuid.UUID,
    checks: list[CheckView],
    referral: ReferralView | None,
) -> LaneView:
    classes = ("document_reader", "chip_reader", "camera", "barrier")
    return LaneView(
        lane_id=lane_id,
        direction="entry",
        mode="mantrap",
        state=state,
        state_since=now - timedelta(seconds=14 if referral else 2),
        transaction_id=transaction_id,
        checks=checks,
        awaited=[] if referral else ["watchlist", "stay", "face_comparison"],
        corridor="green" if referral else None,
        referral=referral,
        devices=[
            DeviceView(
                name=f"{name.replace('_', '-')}-{lane_id}",
                device_class=name,
                state="ready",
                since=now - timedelta(hours=5),
            )
            for name in classes
        ],
        occupancy=1,
    )


class FictitiousCentre(CentreQueries):
    """Answers the monitor page with three gates and a few records; there is no database behind it."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def gates(self) -> list[GateStatus]:
        """Return two gates that are there and one that is away."""
        states = (
            ("north-bridge/gate-1", True, 0, 1840),
            ("north-bridge/gate-2", True, 3, 1612),
            ("river-port/gate-1", False, 41, 655),
        )
        return [
            GateStatus(
                gate=f"UTO/{name}",
                site=name.partition("/")[0],
                online=online,
                last_seen=self.moment - timedelta(seconds=2 if online else 780),
                epoch=uuid.UUID(f"0199f2aa-0000-7000-8000-0000000002{number:02d}"),
                last_seq=stored + backlog,
                stored=stored,
                missing=0,
                backlog=backlog,
                alarms=[],
                protocol="MQTT 3.1.1",
            )
            for number, (name, online, backlog, stored) in enumerate(states)
        ]

    def devices(self) -> dict[str, GateDevices]:
        """Return the devices of one gate, its printer out of paper."""
        kinds = ("document_reader", "chip_reader", "camera", "barrier", "power", "printer")
        readings = [
            DeviceReading(
                name=kind.replace("_", "-"),
                device_class=kind,
                state="ready",
                fault="DRV-PRN-001" if kind == "printer" else "",
                since=self.moment - timedelta(hours=2),
            )
            for kind in kinds
        ]
        gate = "UTO/north-bridge/gate-1"
        return {gate: GateDevices(gate, self.moment, readings)}

    def recent_records(self, limit: int = 50) -> list[RecordRow]:
        """Return six records."""
        rows = (
            ("crossing", "green", "passed", []),
            ("decision", "green", "released", ["all_checks_successful"]),
            ("crossing", "red", "passed", []),
            ("decision", "red", "released", ["cash_over_threshold"]),
            ("decision", "", "referred", ["face_different"]),
            ("declaration", "", "", []),
        )
        return [
            RecordRow(
                id=uuid.UUID(f"0199f2aa-0000-7000-8000-0000000003{number:02d}"),
                gate=f"UTO/north-bridge/gate-{1 + number % 2}",
                kind=kind,
                time=self.moment - timedelta(seconds=9 * number + 3),
                corridor=corridor,
                outcome=outcome,
                reasons=reasons,
                stored_at=self.moment - timedelta(seconds=9 * number + 2),
            )
            for number, (kind, corridor, outcome, reasons) in enumerate(rows[:limit])
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return totals that fit the gates above."""
        return {
            "kinds": {"decision": 1893, "crossing": 1761, "declaration": 453},
            "totals": {"stored": 4107, "quarantined": 0, "alarms": 0},
        }

    def passages(
        self,
        since: date,
        until: date,
        gate: str | None = None,
        *,
        with_rest: bool = True,
    ) -> list[tuple[str, Place, Figures]]:
        """Return times and findings that fit the counts."""
        del since, until, gate, with_rest
        told = (
            ("green", 1598, 21, 1, 0, 24),
            ("yellow", 94, 94, 6, 3, 210),
            ("red", 69, 69, 31, 8, 420),
        )
        cells: list[tuple[str, Place, Figures]] = []
        for corridor, passages, inspections, found, amended, took_s in told:
            figures = Figures(passages=passages, inspections=inspections, found=found, amended=amended)
            figures[f"step:{WHOLE}:{bucket(took_s * 1000)}"] = passages
            cells.append(("", Place(self.moment.isoformat()[:16] + "+00:00", corridor), figures))
        return cells

    def alarms(self, limit: int = 100) -> list[AlarmRow]:  # noqa: ARG002 - the question's signature
        """Return none."""
        return []


class FictitiousGate:
    """Answers the lane API with the gate above; nothing can be done to it."""

    def __init__(self, instruction: Instruction, cue: CaptureCue | None = None) -> None:
        self.changes: Broadcaster[int] = Broadcaster()
        self._instruction = instruction
        self._cue = cue

    def snapshot(self) -> GateSnapshot:
        """Return the gate as it is drawn."""
        return gate_snapshot(datetime.now(UTC))

    def screen(self, lane_id: int) -> ScreenState:
        """Return the traveller's screen of any lane."""
        return ScreenState(
            lane_id=lane_id,
            sequence=1,
            instruction=self._instruction,
            step=3,
            language="en",
            remaining_s=25,
            cue=self._cue,
        )

    def device_history(self, name: str) -> DeviceHistory | None:
        """Return a device that was always well."""
        return DeviceHistory(name=name, changes=[])

    def image(self, transaction_id: uuid.UUID, kind: ImageKind) -> bytes | None:
        """Return a drawn face."""
        return FACES.get(kind) if transaction_id == REFERRED else None

    async def act(self, signed: SignedAuthorisation) -> ActionAnswer:  # noqa: ARG002 - the lane API's signature
        """Refuse: a picture cannot be commanded."""
        return ActionAnswer(accepted=False, code="EG-AUT-001", message="this gate is a picture")

    async def traveller_input(self, lane_id: int, pressed: TravellerInput) -> bool:  # noqa: ARG002 - as above
        """Take no input."""
        return False
