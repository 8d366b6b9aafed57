"""A help button beside the screen's: the guard is called at once, nothing is held against who pressed it, and his times are longer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers import contracts as dc
from drivers.accessibility import HelpPressed, IntercomReported
from drivers.help_point.errors import CallNotMade
from gate_agent.app.help_side import CALLED_FOR_S
from gate_agent.app.lane_source import SPEECH_WAITS_S, DeviceStatus, GateSource
from gate_agent.app.receipts import Receipts
from gate_agent.app.surroundings_side import SurroundingsSide
from gate_agent.app.xray_results import XrayResults
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Admission
from gate_agent.domain.events import Timer
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.lane.timers import LaneTimers
from gate_agent.settings import DocumentSettings, LaneSettings
from gate_agent.web.guard.view import Viewer, console_view
from gate_agent.web.i18n import GUARD_LANGUAGES, TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import GuardAction, Instruction, LinkView, TravellerInput
from models.results import ComparisonDecision
from tests.unit.test_lane_controller import Lane, lane
from tests.unit.virtual_time import VirtualClock, VirtualLoop, run

AROUND = {"help_point": "help-1", "speaker": "speaker-1"}


class Point:
    capabilities = frozenset({"call"})

    def __init__(self) -> None:
        self.calls = 0
        self.is_broken = False

    async def call(self) -> None:
        self.calls += 1
        if self.is_broken:
            raise CallNotMade("no answer")


class Desk:
    def tasks(self) -> list[Any]:
        return []

    async def may_unlock(self, _seal_id: str) -> bool:
        return False


def gate_source(
    walk: Lane,
    settings: Any,
    clock: Any,
    *,
    verifier: Any = None,
    statuses: Any = None,
    help_points: Any = None,
    fallback: Any = None,
) -> GateSource:
    """Return what the lane API asks, over one lane of the controller's tests."""
    lanes, words = {1: walk.controller}, load_catalogues("traveller", TRAVELLER_LANGUAGES)
    known, changed = statuses or {}, walk.house.changed
    receipts = Receipts(lanes, {}, known, words, changed)
    around = SurroundingsSide(settings, lanes, walk.house, receipts, XrayResults(timedelta(0)), clock, changed)
    return GateSource(
        settings, lanes, known, verifier, walk.house, Desk(), clock, around, help_points=help_points, fallback=fallback
    )


class Gate:
    """The agent's part between devices, lane and pages, over one lane of the controller's tests."""

    def __init__(self, walk: Lane, clock: Any) -> None:
        self.walk, self.point, self.sequence = walk, Point(), 0
        now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        statuses = {name: DeviceStatus("help_point", "ready", now) for name in AROUND.values()}
        self.source = gate_source(
            walk, walk.controller._settings, clock, statuses=statuses, help_points={"help-1": self.point}
        )
        self.source.link = LinkView(
            centre_online=True, since=now, backlog_records=0, oldest_age_s=0.0, last_ack_at=None
        )

    async def tell(self, data: dc.Payload, device: str = "help-1") -> bool:
        self.sequence += 1
        now, now_s = self.walk.clock.now(), self.walk.clock.monotonic_s()
        taken = self.source.help_points.event(dc.DeviceEvent(device, data, now, now_s, self.sequence))
        await self.walk.settle()
        return taken

    def lane(self) -> Any:
        (view,) = self.source.snapshot().lanes
        return view


@asynccontextmanager
async def gate(loop: VirtualLoop):
    clock = VirtualClock(loop)
    async with lane(around=AROUND, clock=clock, capture_timeout_s=20) as walk:
        yield Gate(walk, clock)


def virtual(scene: Any) -> Any:
    """Run an async test on virtual time."""

    def wrapped() -> None:
        loop = VirtualLoop()

        async def main() -> None:
            async with gate(loop) as made:
                await scene(made)

        run(main(), loop)

    wrapped.__name__ = scene.__name__
    wrapped.__doc__ = scene.__doc__
    return wrapped


@virtual
async def test_a_press_calls_the_guard_as_the_screens_button_does(gate: Gate) -> None:
    assert await gate.tell(HelpPressed())
    assert gate.walk.phase is Phase.REFERRED
    assert gate.source.screen(1).instruction is Instruction.HELP_IS_COMING
    view = gate.lane()
    assert [reason.code for reason in view.referral.reasons] == ["help_requested"]
    assert gate.point.calls == 1
    assert view.intercom == "calling"
    (decision,) = gate.walk.house.decisions
    assert decision.answer.admission is Admission.REFER
    assert {device.name for device in view.devices} >= {"help-1", "speaker-1"}


@virtual
async def test_the_screens_button_makes_the_intercom_call_too(gate: Gate) -> None:
    await gate.source.traveller_input(1, TravellerInput(kind="help"))
    await gate.walk.settle()
    assert gate.point.calls == 1
    await gate.source.traveller_input(1, TravellerInput(kind="help"))
    await gate.walk.settle()
    assert gate.point.calls == 1, "it rings already"


@virtual
async def test_the_console_shows_that_a_guard_speaks_and_when_nobody_does_any_more(gate: Gate) -> None:
    await gate.tell(HelpPressed())
    await gate.tell(IntercomReported(is_active=True))
    assert gate.lane().intercom == "speaking"
    viewer = Viewer(frozenset(GuardAction), {})
    for language in GUARD_LANGUAGES:
        catalogue = load_catalogues("guard", [language])[language]
        (shown,) = console_view(gate.source.snapshot(), catalogue, viewer)["lanes"]
        assert shown["intercom_text"] == catalogue.texts["intercom.speaking"]
    await gate.tell(IntercomReported(is_active=False))
    assert gate.lane().intercom == ""


@virtual
async def test_a_call_that_nobody_answers_or_that_fails_is_not_shown_for_ever(gate: Gate) -> None:
    await gate.tell(HelpPressed())
    await asyncio.sleep(CALLED_FOR_S + 1)
    assert gate.lane().intercom == ""
    gate.point.is_broken = True
    await gate.tell(HelpPressed())
    assert gate.point.calls == 2
    assert gate.lane().intercom == ""
    assert gate.walk.phase is Phase.REFERRED, "the guard is called all the same"


@virtual
async def test_a_press_turns_speech_on_for_this_traveller_alone(gate: Gate) -> None:
    assert gate.source.screen(1).speech == "off"
    await gate.tell(HelpPressed())
    assert gate.source.screen(1).speech == "on"
    await gate.walk.controller.guard(
        ev.GuardDecided(gate.walk.controller.state.transaction_id, Admission.HAND_OVER, (), "traveller_request", "")
    )
    await gate.walk.settle()
    assert gate.walk.phase is Phase.IDLE
    assert gate.source.screen(1).speech == "off"


@virtual
async def test_speech_that_was_asked_for_waits_a_minute_for_the_document(gate: Gate) -> None:
    async def press() -> bool:
        return await gate.source.traveller_input(1, TravellerInput(kind="speech"))

    assert await press()
    assert gate.source.screen(1).speech == "on"
    assert await press()
    assert gate.source.screen(1).speech == "off"
    assert await press()
    with gate.source.changes.subscribe() as place:
        await asyncio.sleep(SPEECH_WAITS_S + 2)
        assert await place.next(0.1) is not None, "the screen is told"
    assert gate.source.screen(1).speech == "off"
    assert await press()
    await gate.walk.present()
    assert gate.source.screen(1).speech == "on"


@virtual
async def test_events_of_other_devices_are_not_taken(gate: Gate) -> None:
    assert not await gate.tell(dc.DocumentPresented(), "reader-1")
    assert await gate.tell(HelpPressed(), "help-9"), "a button that no lane names calls nobody"
    assert gate.walk.phase is Phase.IDLE


@virtual
async def test_help_while_walking_out_raises_an_alarm_and_gives_time_and_holds_nothing(gate: Gate) -> None:
    walk = gate.walk
    await walk.present()
    await walk.inputs(1)
    await walk.look()
    assert walk.phase is Phase.PASSAGE_OPEN
    await asyncio.sleep(14)  # a second before the time is over
    await gate.tell(HelpPressed())
    assert walk.phase is Phase.PASSAGE_OPEN
    assert set(walk.controller.alarms.open) == {ReasonCode.HELP_REQUESTED}
    await asyncio.sleep(25)
    assert walk.phase is Phase.PASSAGE_OPEN, "the time began anew, and is longer"
    await walk.inputs(0, passed=True)
    assert [crossing.passage.value for crossing in walk.house.crossings] == ["passed"]
    (decision,) = walk.house.decisions
    assert decision.answer.admission is Admission.RELEASE


@virtual
async def test_who_asked_for_more_time_has_a_longer_look(gate: Gate) -> None:
    walk = gate.walk
    walk.house.decision = ComparisonDecision.UNDETERMINED
    await walk.present()
    await gate.source.traveller_input(1, TravellerInput(kind="more_time"))
    await walk.inputs(1)
    assert walk.controller.timers.remaining_s() == pytest.approx(120, abs=1)
    await asyncio.sleep(25)
    assert walk.phase is Phase.INSPECTING, "a look of twenty seconds lasts forty"
    await asyncio.sleep(20)
    assert walk.phase is Phase.REFERRED


def test_only_times_that_run_against_the_traveller_are_longer() -> None:
    def timers(**given: Any) -> LaneTimers:
        return LaneTimers(LaneSettings(lane_id=1, document_reader="r", camera="c", barrier="b", **given), DocumentSettings(), lambda _event: None)  # fmt: skip

    class State:
        transaction_id = None
        wants_more_time = True

    async def main() -> None:
        made = timers(time_factor=3)
        for timer in Timer:
            made.start(timer, State())
        now = asyncio.get_running_loop().time()
        lasts = {timer: handle.when() - now for timer, handle in made._running.items()}
        for timer in Timer:
            times = 3 if timer in {Timer.IDLE, Timer.ENTRY, Timer.INSPECTION, Timer.PASSAGE} else 1
            assert lasts[timer] == pytest.approx(times * made._seconds[timer], abs=0.1), timer
            made.stop(timer)

    asyncio.run(main())
