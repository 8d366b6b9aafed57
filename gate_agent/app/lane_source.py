"""What the agent answers on its lane API: snapshots out, verified authorisations and button presses in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import structlog

from central_sync.presence import DeviceReading
from gate_agent import __version__
from gate_agent.app import views
from gate_agent.app.choices import Choices
from gate_agent.app.device_status import DeviceStatus
from gate_agent.app.help_side import HelpPoint, HelpPoints
from gate_agent.app.lockdowns import Lockdowns
from gate_agent.app.seal_unlocks import SealUnlocks
from gate_agent.app.surroundings_side import WHOLE_GATE, SurroundingsSide
from gate_agent.app.unusable_device import lane_devices
from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Admission, Officer
from gate_agent.domain.document_events import ReadingCorrected
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import AuthorityRefused
from gate_agent.lane.authorisation import AuthorisationVerifier, AuthorisedAction, VerifiedAuthorisation
from gate_agent.lane.controller import LaneController
from gate_agent.lane.ports import KnowledgeSource
from gate_agent.lane.presented import is_right
from gate_agent.settings import Settings
from gate_agent.web.device_messages import DeviceHistory, DeviceView, XrayView
from gate_agent.web.events import Broadcaster
from gate_agent.web.lane_api import UnknownLane
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    CustomsTaskView,
    FaceRatesView,
    GateSnapshot,
    ImageKind,
    LaneView,
    LinkView,
    ScreenState,
    SignedAuthorisation,
    TravellerInput,
)

log = structlog.get_logger()

_NO_SUCH_LANE = "EG-LAN-001"
_NOT_POSSIBLE_NOW = "EG-LAN-002"
_NO_SUCH_SUBJECT = "EG-LAN-003"
_DIGITS_WRONG = "EG-LAN-004"
_OF_NO_LANE = {AuthorisedAction.CLOSE_CUSTOMS_TASK, AuthorisedAction.UNLOCK_SEAL}
SPEECH_WAITS_S = 60.0
"""A voice that was asked for before a document lies there falls silent after this time."""
_RUSSIAN = {"RUS", "KAZ", "KGZ", "TJK", "TKM", "BLR"}

Language = Literal["uz-Latn", "ru", "en"]


class CustomsDesk(Protocol):
    """Tasks of the customs desk, kept in the store."""

    def tasks(self) -> list[CustomsTaskView]:
        """Return the open tasks, oldest first."""
        ...

    async def close(self, task_id: uuid.UUID, officer_id: str, screening: Sequence[XrayView] = ()) -> bool:
        """Close a task, recording the results of screening that stood at it; False when it is not open."""
        ...


class GateSource:
    """The `LaneApiSource` of one agent."""

    def __init__(
        self,
        settings: Settings,
        lanes: Mapping[int, LaneController],
        devices: Mapping[str, DeviceStatus],
        verifier: AuthorisationVerifier,
        knowledge: KnowledgeSource,
        desk: CustomsDesk,
        clock: Clock,
        around: SurroundingsSide,
        face_rates: Callable[[], list[FaceRatesView]] = list,
        trust_version: Callable[[], int | None] = lambda: None,
        unlocks: SealUnlocks | None = None,
        help_points: Mapping[str, HelpPoint] | None = None,
    ) -> None:
        self.link = LinkView(
            centre_online=False, since=clock.now(), backlog_records=0, oldest_age_s=0.0, last_ack_at=None
        )
        self._settings = settings
        self._lanes = lanes
        self._devices = devices
        self._verifier = verifier
        self._knowledge = knowledge
        self._desk = desk
        self._around = around
        self._clock = clock
        self._face_rates = face_rates
        self._trust_version = trust_version
        self._unlocks = unlocks
        self._lockdowns = Lockdowns(settings.paths.state, lanes)
        self._lockdowns.restore()
        self._of_lanes = {name for lane in settings.lane for name in lane_devices(lane)}
        self.help_points = HelpPoints(settings.lane, help_points or {}, self.help_requested, self.changed)
        self._sequence = 0
        self._languages = Choices[Language](clock.monotonic_s)
        self._speech = Choices[bool](clock.monotonic_s, SPEECH_WAITS_S)
        self._changes: Broadcaster[int] = Broadcaster()

    @property
    def changes(self) -> Broadcaster[int]:
        """Publishes the sequence after each change."""
        return self._changes

    def changed(self) -> None:
        """Say that something visible changed."""
        self._sequence += 1
        self._changes.publish(self._sequence)

    def snapshot(self) -> GateSnapshot:
        """Return everything a console shows."""
        knowledge = self._knowledge.current()
        ended = sorted(
            (summary for lane in self._lanes.values() for summary in lane.recent),
            key=lambda summary: summary.closed_at,
            reverse=True,
        )
        tasks = self._around.tasks(self._desk.tasks())
        return GateSnapshot(
            sequence=self._sequence,
            gate_id=self._settings.gate.gate_id,
            site=self._settings.gate.site,
            now=self._clock.now(),
            software_version=__version__,
            rulebook_version=knowledge.rulebook.version,
            watchlist_version=knowledge.watchlist_version,
            trust_version=self._trust_version(),
            lanes=[self._lane_view(lane) for lane in self._lanes.values()],
            alarms=[
                views.alarm(alarm)
                for alarms in (self._around.alarms(), *(lane.alarms.open.values() for lane in self._lanes.values()))
                for alarm in alarms
            ],
            customs_tasks=tasks,
            can_unlock_seals=self._unlocks is not None and self._unlocks.is_possible,
            link=self.link,
            recent=[views.ended(summary) for summary in ended[:50]],
            face_rates=self._face_rates(),
            devices=self._views_of(name for name in self._devices if name not in self._of_lanes),
            xray=self._around.xray_to_look_at(tasks),
            power=self._around.power_view(),
        )

    def _views_of(self, names: Iterable[str]) -> list[DeviceView]:
        found = ((name, self._devices.get(name)) for name in names)
        return [status.view(name, self._around.figures(name)) for name, status in found if status is not None]

    def _lane_view(self, lane: LaneController) -> LaneView:
        shown = views.lane(lane, self._views_of(lane_devices(lane.lane)), self.help_points.intercom(lane.lane.lane_id))
        if shown.referral is None:
            return shown
        seals = self._around.seals_of(shown.referral.transaction_id)
        return shown.model_copy(update={"referral": shown.referral.model_copy(update={"seals": seals})})

    def device_readings(self) -> list[DeviceReading]:
        """Return how every device is, for the centre: states and figures, no event and nothing of a traveller."""
        return [
            DeviceReading(
                name=name,
                device_class=status.device_class,
                state=status.state,
                fault=status.fault,
                since=status.since,
                figures=self._around.figures(name),
            )
            for name, status in self._devices.items()
        ]

    def device_history(self, name: str) -> DeviceHistory | None:
        """Return the last changes of a device's state, None for an unknown one."""
        status = self._devices.get(name)
        return None if status is None else status.history(name)

    def _lane(self, lane_id: int) -> LaneController:
        lane = self._lanes.get(lane_id)
        if lane is None:
            raise UnknownLane(lane_id)
        return lane

    def screen(self, lane_id: int) -> ScreenState:
        """Return the traveller's screen of a lane."""
        lane = self._lane(lane_id)
        shown = views.instruction(lane)
        return ScreenState(
            lane_id=lane_id,
            sequence=self._sequence,
            instruction=shown,
            step=views.step_of(shown),
            language=self._language(lane),
            remaining_s=lane.timers.remaining_s(),
            receipt=views.receipt(lane, self._knowledge.current().rulebook),
            cue=views.cue(lane, shown),
            read_percent=views.read_percent(lane, shown),
            printing=self._around.receipts.printing(lane_id, shown),
            other_lane=views.other_lane(lane, self._settings.lane, shown),
            speech=self._speech_of(lane),
        )

    def _language(self, lane: LaneController) -> Language:
        """Return what the traveller chose, else the document's language; the next traveller starts afresh."""
        chosen = self._languages.of(lane.lane.lane_id, lane.state.transaction_id)
        if chosen is not None:
            return chosen
        document = lane.borrowed.document if lane.borrowed else None
        if document is None or document.issuing_state == "UZB":
            return "uz-Latn"
        return "ru" if document.issuing_state in _RUSSIAN else "en"

    def image(self, transaction_id: uuid.UUID, kind: ImageKind) -> bytes | None:
        """Return a portrait or frame of a referred transaction."""
        return views.image_of(self._lanes.values(), transaction_id, kind)

    async def traveller_input(self, lane_id: int, pressed: TravellerInput) -> bool:
        """Pass on what the traveller pressed."""
        lane = self._lane(lane_id)
        match pressed.kind:
            case "help":
                self.help_requested(lane_id)
            case "more_time":
                lane.feed(ev.MoreTimeRequested())
            case "language" if pressed.language is not None:
                self._languages.choose(lane_id, lane.state.transaction_id, pressed.language)
            case "speech":
                if not self._ask_for_speech(lane, on=self._speech_of(lane) != "on"):
                    return False
            case "skip":
                if not lane.face.skip():
                    return False
            case "print":
                if not self._around.receipts.asked(lane_id, self):
                    return False
            case "nothing_to_declare":
                return lane.state.transaction_id is not None
            case _:
                return False
        self.changed()
        return True

    def help_requested(self, lane_id: int) -> None:
        """Call a guard for whoever asked on the screen or with a button; where speech is on request, it was asked for, too."""
        lane = self._lane(lane_id)
        self._ask_for_speech(lane, on=True)
        lane.feed(ev.HelpRequested(lane.new_id()))
        self.help_points.call(lane_id)
        self.changed()

    def _speech_of(self, lane: LaneController) -> Literal["none", "off", "on", "always"]:
        settings = lane.lane
        if not settings.speaker or settings.speech == "off":
            return "none"
        if settings.speech == "always":
            return "always"
        return "on" if self._speech.of(settings.lane_id, lane.state.transaction_id) else "off"

    def _ask_for_speech(self, lane: LaneController, *, on: bool) -> bool:
        """Switch the voice for one traveller; False where there is nothing to switch."""
        settings = lane.lane
        if not settings.speaker or settings.speech != "on_request":
            return False
        self._speech.choose(settings.lane_id, lane.state.transaction_id, on)
        if lane.state.transaction_id is None:  # whoever asked may go away again
            asyncio.get_running_loop().call_later(SPEECH_WAITS_S + 1.0, self.changed)
        return True

    async def act(self, signed: SignedAuthorisation) -> ActionAnswer:
        """Verify an authorisation and carry it out; refusals are answers, and events in the log."""
        try:
            verified = await self._verifier.verify(
                signed.payload, [(entry.officer_id, entry.signature_hex) for entry in signed.authorisers]
            )
        except AuthorityRefused as refused:
            log.warning("authorisation_refused", code=refused.code)
            return ActionAnswer(accepted=False, code=refused.code, message=str(refused))
        answer = await self._carry_out(verified)
        log.info(
            "authorisation_used",
            action=verified.authorisation.action,
            code=answer.code,
            officers=[officer.officer_id for officer in verified.officers],
        )
        self.changed()
        return answer

    async def _carry_out(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        order = verified.authorisation
        lane = self._lanes.get(order.lane_id)
        is_of_gate = order.action is AuthorisedAction.ACKNOWLEDGE_ALARM and order.lane_id == WHOLE_GATE
        if lane is None and order.action not in _OF_NO_LANE and not is_of_gate:
            return _refuse(_NO_SUCH_LANE, "this gate has no such lane")
        subject = order.subject_id or uuid.UUID(int=0)
        match order.action:
            case AuthorisedAction.RELEASE | AuthorisedAction.HAND_OVER if lane and order.transaction_id:
                taken = await lane.guard(
                    ev.GuardDecided(
                        order.transaction_id,
                        Admission(order.action.value),
                        _officers(verified),
                        order.reason_code,
                        order.reason_text,
                    )
                )
                return _accept() if taken else _refuse(_NOT_POSSIBLE_NOW, self._why_not(lane, order.transaction_id))
            case AuthorisedAction.CORRECT_READING if lane and order.transaction_id:
                return await self._correct(lane, order.transaction_id, order.lines, verified)
            case AuthorisedAction.SUSPEND_LANE if lane:
                lane.feed(ev.Hold(ReasonCode.LANE_SUSPENDED))
            case AuthorisedAction.RESUME_LANE if lane:
                lane.feed(ev.Unhold(ReasonCode.LANE_SUSPENDED))
                await self._lockdowns.lift(order.lane_id)
            case AuthorisedAction.LOCKDOWN_LANE if lane:
                await self._lockdowns.order(order.lane_id)
            case AuthorisedAction.ACKNOWLEDGE_ALARM if lane or is_of_gate:
                alarms = lane.alarms if lane else self._around
                if not await alarms.acknowledge(subject, verified.officers[0].officer_id):
                    return _refuse(_NO_SUCH_SUBJECT, "there is no such alarm now")
            case AuthorisedAction.CLOSE_CUSTOMS_TASK:
                seen = self._around.tasks([task for task in self._desk.tasks() if task.task_id == subject])
                screening = [scan for task in seen for scan in task.xray if scan.link == "scan"]
                if not await self._desk.close(subject, verified.officers[0].officer_id, screening):
                    return _refuse(_NO_SUCH_SUBJECT, "there is no such open customs task")
            case AuthorisedAction.UNLOCK_SEAL if self._unlocks is not None:
                return await self._unlocks.unlock(order.seal_id, verified.officers[0].officer_id)
            case _:
                return _refuse(_NOT_POSSIBLE_NOW, "the authorisation names nothing to act on")
        return _accept()

    @staticmethod
    async def _correct(
        lane: LaneController, transaction_id: uuid.UUID, lines: tuple[str, ...], verified: VerifiedAuthorisation
    ) -> ActionAnswer:
        """Take lines that an officer read by eye, if their check digits are right."""
        if not is_right(read_mrz(lines, lane.today)):
            return _refuse(_DIGITS_WRONG, "the check digits of these lines do not fit")
        officers = tuple(officer.officer_id for officer in verified.officers)
        taken = await lane.guard(ReadingCorrected(transaction_id, lines, officers))
        return _accept() if taken else _refuse(_NOT_POSSIBLE_NOW, "the lines are not what this referral waits for")

    @staticmethod
    def _why_not(lane: LaneController, transaction_id: uuid.UUID) -> str:
        if lane.state.transaction_id != transaction_id:
            return "this transaction is over"
        if lane.state.occupancy > 1:
            return "more than one person is inside: hand over"
        return "the transaction is not waiting for a guard"


def _officers(verified: VerifiedAuthorisation) -> tuple[Officer, ...]:
    order = verified.authorisation
    return tuple(Officer(entry.officer_id, entry.role.value, order.authorisation_id) for entry in verified.officers)


def _accept() -> ActionAnswer:
    return ActionAnswer(accepted=True, code="accepted", message="done")


def _refuse(code: str, message: str) -> ActionAnswer:
    return ActionAnswer(accepted=False, code=code, message=message)
