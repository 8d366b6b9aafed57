"""What the agent answers on its lane API: snapshots out, verified authorisations and button presses in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, cast

import structlog

from central_sync.presence import DeviceReading
from gate_agent import __version__
from gate_agent.app import views
from gate_agent.app.appeals import Appeals
from gate_agent.app.choices import Choices
from gate_agent.app.desk_order import Desk
from gate_agent.app.device_status import DeviceStatus
from gate_agent.app.fallback import Fallback
from gate_agent.app.help_side import HelpPoint, HelpPoints
from gate_agent.app.lockdowns import Lockdowns
from gate_agent.app.referral_orders import NOT_POSSIBLE_NOW, correct, decide
from gate_agent.app.seal_unlocks import SealUnlocks
from gate_agent.app.stay_desk import StayDesk
from gate_agent.app.surroundings_side import WHOLE_GATE, SurroundingsSide
from gate_agent.app.unusable_device import lane_devices
from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import AuthorityRefused
from gate_agent.lane.authorisation import (
    FALLBACK_ACTIONS,
    AuthorisationVerifier,
    AuthorisedAction,
    VerifiedAuthorisation,
)
from gate_agent.lane.controller import LaneController
from gate_agent.lane.ports import KnowledgeSource
from gate_agent.settings import Settings
from gate_agent.web.device_messages import DeviceHistory, DeviceView
from gate_agent.web.events import Broadcaster
from gate_agent.web.face_rates_messages import FaceRatesView
from gate_agent.web.lane_api import UnknownLane
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    GateSnapshot,
    ImageKind,
    LaneView,
    LinkView,
    ScreenState,
    SignedAuthorisation,
    TravellerInput,
)
from gate_agent.web.languages import FIRST_LANGUAGE, Language, language_of_state
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptsFound

log = structlog.get_logger()

_NO_SUCH_LANE = "EG-LAN-001"
_NO_SUCH_SUBJECT = "EG-LAN-003"
_SEAL_OF_NO_TASK = "EG-LAN-014"
_OF_NO_LANE = {
    AuthorisedAction.CLOSE_CUSTOMS_TASK,
    AuthorisedAction.NOTE_APPEAL,
    AuthorisedAction.UNLOCK_SEAL,
    AuthorisedAction.CORRECT_STAY,
    *FALLBACK_ACTIONS,
}
SPEECH_WAITS_S = 60.0
"""A voice that was asked for before a document lies there falls silent after this time."""


class GateSource:
    """The `LaneApiSource` of one agent."""

    def __init__(
        self,
        settings: Settings,
        lanes: Mapping[int, LaneController],
        devices: Mapping[str, DeviceStatus],
        verifier: AuthorisationVerifier,
        knowledge: KnowledgeSource,
        desk: Desk,
        clock: Clock,
        around: SurroundingsSide,
        face_rates: Callable[[], list[FaceRatesView]] = list,
        trust_version: Callable[[], int | None] = lambda: None,
        unlocks: SealUnlocks | None = None,
        help_points: Mapping[str, HelpPoint] | None = None,
        appeals: Appeals | None = None,
        stays: StayDesk | None = None,
        fallback: Fallback | None = None,
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
        self._appeals = appeals
        self._around = around
        self._clock = clock
        self._face_rates = face_rates
        self._trust_version = trust_version
        self._unlocks = unlocks
        self._stays = stays
        self._fallback = fallback
        self._lockdowns = Lockdowns(settings.paths.state, lanes)
        self._lockdowns.restore()
        self._of_lanes = {name for lane in settings.lane for name in lane_devices(lane)}
        self.help_points = HelpPoints(settings.lane, help_points or {}, self.help_requested, self.changed)
        self._sequence = 0
        self._languages = Choices[Language](clock.monotonic_s)
        self._speech = Choices[bool](clock.monotonic_s, SPEECH_WAITS_S)
        self._said_in: dict[int, Language] = {}
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
            source=self._settings.gate.source,
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
            stay_orphans=self._stays.orphans() if self._stays is not None else [],
            link=self.link,
            recent=[views.ended(summary) for summary in ended[:50]],
            face_rates=self._face_rates(),
            devices=self._views_of(name for name in self._devices if name not in self._of_lanes),
            xray=self._around.xray_to_look_at(tasks),
            power=self._around.power_view(),
            fallback=self._fallback.view() if self._fallback is not None else None,
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
            receipt=views.receipt(lane),
            receipt_code=views.receipt_code(lane),
            cue=views.cue(lane, shown),
            read_percent=views.read_percent(lane, shown),
            printing=self._around.receipts.printing(lane_id, shown),
            other_lane=views.other_lane(lane, self._settings.lane, shown),
            speech=self._speech_of(lane),
            said_in=self._said_in.get(lane_id),
        )

    def said_in(self, lane_id: int, language: str) -> None:
        """Take in which language a lane's speaker said something last: it may have no voice for the screen's."""
        if self._said_in.get(lane_id) != language:
            self._said_in[lane_id] = cast("Language", language)
            self.changed()

    def _language(self, lane: LaneController) -> Language:
        """Return what the traveller chose, else the document's language; the next traveller starts afresh."""
        chosen = self._languages.of(lane.lane.lane_id, lane.state.transaction_id)
        if chosen is not None:
            return chosen
        document = lane.borrowed.document if lane.borrowed else None
        return FIRST_LANGUAGE if document is None else language_of_state(document.issuing_state)

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

    async def receipts(self, query: ReceiptQuery) -> ReceiptsFound:
        """Return the receipts that were given to a document's holder."""
        return await self._around.receipts.find(query)

    async def act(self, signed: SignedAuthorisation) -> ActionAnswer:
        """Verify an authorisation and carry it out; refusals are answers, and events in the log."""
        try:
            verified = await self._verifier.verify(
                signed.payload, [(entry.officer_id, entry.signature_hex) for entry in signed.authorisers]
            )
        except AuthorityRefused as refused:
            log.warning("authorisation_refused", code=refused.code)
            return ActionAnswer.refused(refused.code, str(refused))
        answer = await self._carry_out(verified)
        log.info(
            "authorisation_used",
            action=verified.authorisation.action,
            lane_id=verified.authorisation.lane_id,
            reason=verified.authorisation.reason_code,
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
            return ActionAnswer.refused(_NO_SUCH_LANE, "this gate has no such lane")
        subject = order.subject_id or uuid.UUID(int=0)
        match order.action:
            case AuthorisedAction.RELEASE | AuthorisedAction.HAND_OVER if lane and order.transaction_id:
                return await decide(lane, order.transaction_id, verified)
            case AuthorisedAction.CORRECT_READING if lane and order.transaction_id:
                return await correct(lane, order.transaction_id, verified)
            case AuthorisedAction.SUSPEND_LANE if lane:
                lane.feed(ev.Hold(ReasonCode.LANE_SUSPENDED))
            case AuthorisedAction.RESUME_LANE if lane:
                lane.feed(ev.Unhold(ReasonCode.LANE_SUSPENDED))
                lane.feed(ev.Unhold(ReasonCode.LANE_OUTSIDE_HOURS))
            case AuthorisedAction.LOCKDOWN_LANE if lane:
                await self._lockdowns.order(order.lane_id)
            case AuthorisedAction.END_LOCKDOWN if lane:
                if not lane.state.lockdown:
                    return ActionAnswer.refused(NOT_POSSIBLE_NOW, "this lane is in no lockdown")
                await self._lockdowns.lift(order.lane_id)
            case AuthorisedAction.ACKNOWLEDGE_ALARM if lane or is_of_gate:
                alarms = lane.alarms if lane else self._around
                if not await alarms.acknowledge(subject, verified.officers[0].officer_id):
                    return ActionAnswer.refused(_NO_SUCH_SUBJECT, "there is no such alarm now")
            case AuthorisedAction.CLOSE_CUSTOMS_TASK:
                return await self._desk.close(verified)
            case AuthorisedAction.NOTE_APPEAL if self._appeals is not None:
                return await self._appeals.note(verified)
            case AuthorisedAction.CORRECT_STAY if self._stays is not None:
                return await self._stays.correct(verified)
            case AuthorisedAction.BEGIN_FALLBACK | AuthorisedAction.END_FALLBACK if self._fallback is not None:
                return await self._fallback.order(verified)
            case AuthorisedAction.UNLOCK_SEAL if self._unlocks is not None:
                if not await self._desk.may_unlock(order.seal_id):
                    return ActionAnswer.refused(
                        _SEAL_OF_NO_TASK, "this seal belongs to no open customs task of this gate"
                    )
                return await self._unlocks.unlock(verified)
            case _:
                return ActionAnswer.refused(NOT_POSSIBLE_NOW, "the authorisation names nothing to act on")
        return ActionAnswer.done()
