"""The walk-through demonstration: synthetic people before a virtual camera, a real lane, a real store and a virtual exit.

The shipped model proves no false positive identification rate, so this mode runs here only, and every line and record says so. The
scene waits for the lane: a step is shown, looked at, and only then the next one, so that a slow machine sees the same video.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from central_sync.identity import read_sealing_key, read_verification_key
from drivers import contracts as dc
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.twin import CameraTwin
from drivers.registry import build as build_driver
from gate_agent.app.agent import BarrierPort
from gate_agent.app.knowledge import GateKnowledge
from gate_agent.clock import Clock
from gate_agent.demo.performance import DemoFault
from gate_agent.demo.specimens import specimen
from gate_agent.demo.walk_through_cast import Performer
from gate_agent.demo.walk_through_matcher import WalkThroughWorker
from gate_agent.demo.walk_through_scene import cut_out, hall, load_portrait, render
from gate_agent.demo.walk_through_scripts import ZONE_FACE_PX, Scenario
from gate_agent.domain import walk_through_events as ev
from gate_agent.domain.walk_through_state import WalkThroughRules
from gate_agent.lane.walk_through import Permission, WalkThroughLane
from gate_agent.lane.walk_through_ports import ReleaseZone
from gate_agent.provisioning import provision
from gate_agent.settings import LaneSettings, Settings
from gate_agent.store import Store

LABEL = "demonstration: the shipped model proves no false positive identification rate"
_CAMERA, _BARRIER = "hall-camera", "exit-barrier"
_FPS = 20.0
_SCENE_STEP_S = 0.1
_PATIENT_S = 30.0
_PAUSE_S = 5.0  # of the scene's time between two scenarios: no track lives that long
_NEAR_SHARE = 0.85  # whom the camera already sees in the zone when the floor does not yet
_LOOK_TIMEOUT_S = 60.0
_READY_TIMEOUT_S = 60.0
_PASSAGE_TIMEOUT_S = 30.0
_RULES = WalkThroughRules(patience_s=2.0)
_ZONE = ReleaseZone(smallest_face_ratio=0.145)
_TIME_ZONE = "Asia/Tashkent"


@dataclass(frozen=True, slots=True)
class WalkerLine:
    """What became of one walker."""

    scenario: int
    title: str
    traveller: str
    enrolled: bool
    outcome: str
    decided_by: str
    reasons: tuple[str, ...]
    released_as_himself: bool | None
    seconds: float
    as_expected: bool

    def fields(self) -> dict[str, object]:
        """Return the JSON fields of one line."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "traveller": self.traveller,
            "enrolled": self.enrolled,
            "outcome": self.outcome,
            "decided_by": self.decided_by,
            "reasons": list(self.reasons),
            "released_as_himself": self.released_as_himself,
            "seconds": round(self.seconds, 1),
            "as_expected": self.as_expected,
            "label": LABEL,
        }


@dataclass(slots=True)
class Hall:
    """Everything the scenarios share: devices, worker, store, and where events go."""

    settings: Settings
    clock: Clock
    camera: CameraTwin
    exit: ModbusBarrierTwin
    worker: WalkThroughWorker
    store: Store
    knowledge: GateKnowledge
    portraits: Path
    drivers: dict[str, dc.Driver] = field(default_factory=dict)
    lane: WalkThroughLane | None = None
    frames: int = 0
    scene_s: float = 0.0
    _scene_before_s: float = 0.0
    _shown_s: float = 0.0

    def now(self) -> datetime:
        """Return the time of day."""
        return self.clock.now()

    def monotonic_s(self) -> float:
        """Return the scene's time, by which the lane and its matcher go: it stands still until a step was looked at."""
        return self.scene_s

    def shown(self, scene_s: float) -> None:
        """Note that the camera shows a new moment of the scene from now on."""
        self._scene_before_s, self.scene_s = self.scene_s, scene_s
        self._shown_s = self.clock.monotonic_s() + 1 / _FPS  # the picture on its way is the one before

    def dispatch(self, event: dc.DeviceEvent) -> None:
        """Hand a device's event to the lane that runs now; frames carry the moment of the scene that they show."""
        if self.lane is not None:
            is_new = event.t_mono_s >= self._shown_s
            self.lane.device_event(replace(event, t_mono_s=self.scene_s if is_new else self._scene_before_s))
        elif isinstance(event.data, dc.FrameCaptured):
            event.data.release()

    def build_lane(self) -> WalkThroughLane:
        """Return a fresh lane on the shared devices."""
        return WalkThroughLane(
            self.settings,
            self.settings.lane[0],
            permission=Permission.DEMONSTRATION,
            camera=self.drivers[_CAMERA],  # type: ignore[arg-type] # built as a camera below
            barrier=BarrierPort(self.drivers[_BARRIER]),  # type: ignore[arg-type] # built as a barrier below
            matcher=self.worker,
            store=self.store,
            knowledge=self.knowledge,
            clock=self,
            zone=_ZONE,
            rules=_RULES,
        )

    async def play(self, scenario: Scenario) -> list[WalkerLine]:
        """Play one scenario and return what became of everybody in it."""
        self.lane = lane = self.build_lane()
        running = asyncio.create_task(lane.run(), name="walk-through-lane")
        try:
            inputs = await self.drivers[_BARRIER].read_inputs()  # type: ignore[attr-defined] # a barrier
            lane.feed(
                ev.ZoneChanged(inputs.exit_open, inputs.occupancy, inputs.exit_passages, inputs.fire, inputs.tamper)
            )
            playing = asyncio.create_task(_Play(self, lane, scenario).run(), name="walk-through-play")
            await asyncio.wait({running, playing}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                playing.cancel()
                running.result()  # raises what ended the lane
            return await playing
        finally:
            self.lane = None
            self.frames += lane.frames_seen
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self.exit.set_occupancy(0)

    def summary(self, lines: Sequence[WalkerLine], unsettled: int) -> dict[str, object]:
        """Return the sum of all lines."""
        unexpected = [f"{line.scenario} {line.traveller}" for line in lines if not line.as_expected]
        ready = self.worker.ready
        return {
            "label": LABEL,
            "travellers": len(lines),
            "as_expected": len(lines) - len(unexpected),
            "unexpected": unexpected,
            "released": sum(line.outcome == "released" for line in lines),
            "released_as_somebody_else": sum(line.released_as_himself is False for line in lines),
            "releases_unsettled": unsettled,
            "frames": self.frames,
            "frame_ms_median": round(statistics.median(self.worker.look_ms), 1) if self.worker.look_ms else None,
            "calibration_id": ready.calibration_id,
            "false_match_rate": ready.false_match_rate,
            "identification_proven": ready.is_proven,
            "identification_detail": ready.detail,
            "ok": not unexpected and not unsettled and bool(lines),
        }


class _Play:
    """One scenario being played."""

    def __init__(self, hall_: Hall, lane: WalkThroughLane, scenario: Scenario) -> None:
        self._hall = hall_
        self._lane = lane
        self._scenario = scenario
        self._background = hall()
        self._calls = 0
        self._now_s = 0.0
        self._begun_s = hall_.scene_s + _PAUSE_S
        self._performers = [
            Performer(
                walker,
                number,
                None if walker.live is None else cut_out(load_portrait(hall_.portraits, walker.live), walker.live),
            )
            for number, walker in enumerate(scenario.walkers)
        ]

    async def run(self) -> list[WalkerLine]:
        begun_s = time.monotonic()
        await self._enrol()
        while self._now_s < self._scenario.longest_s and not all(one.is_done for one in self._performers):
            gone = {one.walker.name for one in self._performers if one.is_gone}
            for one in self._performers:
                one.advance(self._now_s, gone)
            self._hall.exit.set_occupancy(len(self._in_zone()))
            await self._show()
            await self._watch_calls()
            await self._watch_door()
            self._now_s += _SCENE_STEP_S
        seconds = time.monotonic() - begun_s
        return [self._line(one, seconds) for one in self._performers]

    async def _enrol(self) -> None:
        """Let everybody who is expected pass the kiosk."""
        for number, one in enumerate(self._performers):
            reference = one.walker.reference
            if reference is None:
                continue
            document = specimen(20 + 3 * self._scenario.number + number, self._lane.kiosk.today)
            portrait = load_portrait(self._hall.portraits, reference)
            enrolment = await self._lane.enrol(document.lines(), portrait)
            if enrolment.prepared is None:
                raise DemoFault(f"{one.walker.name} was not enrolled: {[r.code.value for r in enrolment.reasons]}")
            one.transaction_id = enrolment.transaction_id

    def _in_zone(self) -> list[Performer]:
        return [one for one in self._performers if one.is_in_zone]

    async def _show(self) -> None:
        """Show this moment and wait until the lane has looked at a frame that was taken after it was shown."""
        figures = [figure for one in self._performers if (figure := one.figure()) is not None]
        frame = render(self._background, figures, self._now_s)
        await asyncio.to_thread(self._hall.camera.show, frame)
        self._hall.shown(self._begun_s + self._now_s)
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                while self._lane.last_frame_s < self._hall.scene_s:  # noqa: ASYNC110 - the lane tells nobody about single frames
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise DemoFault("the lane saw no frame; is the camera or the worker gone?") from error

    async def _watch_calls(self) -> None:
        """Note whom a guard was called to; he leads everybody out of the zone."""
        calls = list(self._lane.calls)[self._calls :]
        self._calls += len(calls)
        for call in calls:
            reasons = tuple(dict.fromkeys(reason.code.value for reason in call.reasons))
            for one in self._performers:
                if one.is_near(_NEAR_SHARE * ZONE_FACE_PX):
                    one.end("referred", "machine", reasons)
            self._hall.exit.set_occupancy(0)
            if call.transaction_id is None:
                await self._lane.guard(ev.GuardCleared())

    async def _watch_door(self) -> None:
        """Let whoever stands before the released door walk out, and see for whom it was released."""
        if not self._hall.exit.is_released(dc.Door.EXIT):
            return
        released_for = self._lane.state.active
        zone = self._in_zone()
        for one in zone:
            one.released_as = released_for
        if any(one.walker.lingers for one in zone) or not zone:
            return
        self._hall.exit.walk_out(len(zone))
        await self._ended(released_for)
        for one in zone:
            one.end("released", "machine", ())

    async def _ended(self, transaction_id: uuid.UUID | None) -> None:
        try:
            async with asyncio.timeout(_PASSAGE_TIMEOUT_S):
                while all(one.transaction_id != transaction_id for one in self._lane.ended):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            phases = [one.phase.value for one in self._lane.state.travellers.values()]
            raise DemoFault(f"the passage was not confirmed; travellers are {', '.join(phases)}") from error

    def _line(self, one: Performer, seconds: float) -> WalkerLine:
        walker = one.walker
        if not one.outcome:
            waits = one.transaction_id in self._lane.state.travellers
            one.end("expected" if walker.live is None and waits else "not_decided", "", ())
        himself = None if one.released_as is None else one.released_as == one.transaction_id
        expected = one.outcome == walker.outcome and (not walker.reason or walker.reason in one.reasons)
        return WalkerLine(
            self._scenario.number,
            self._scenario.title,
            walker.name,
            walker.reference is not None,
            one.outcome,
            one.decided_by,
            one.reasons,
            himself,
            seconds,
            expected and himself is not False,
        )


@asynccontextmanager
async def opened_hall(clock: Clock, cache: Path) -> AsyncIterator[Hall]:
    """Start camera, exit, worker and store of a throw-away site, and stop them in the opposite order.

    Raises `InferenceFault` when the models are not built, `SettingsFault` when a portrait was not fetched.
    """
    with tempfile.TemporaryDirectory(prefix="egate-walk-through-") as folder:
        site = Path(folder)
        provisioned = provision(site, country="UTO", site="demo", gate_id="gate-1", officers={}, clock=clock)
        async with (
            CameraTwin(fps=_FPS, variants=2) as camera,
            WalkThroughWorker(cache / "models") as worker,
        ):
            barrier = ModbusBarrierTwin(watchdog_s=_PATIENT_S)
            await barrier.plug()
            settings = _settings(camera, barrier)
            store = await Store.open(
                site / "state",
                clock,
                settings.gate,
                read_sealing_key(provisioned.keys / "centre_seal.pub"),
                settings.store,
                centre_public_key=read_verification_key(provisioned.keys / "centre.pub"),
            )
            try:
                knowledge = GateKnowledge(provisioned.bundles, provisioned.keys, clock)
                opened = Hall(settings, clock, camera, barrier, worker, store, knowledge, cache / "portraits")
                async with _driven(opened):
                    yield opened
            finally:
                await store.close()
                await barrier.stop()


def _settings(camera: CameraTwin, barrier: ModbusBarrierTwin) -> Settings:
    lane = {
        "lane_id": 1,
        "document_reader": "kiosk",
        "camera": _CAMERA,
        "barrier": _BARRIER,
        "release_ttl_s": 30.0,  # timers run on the machine's clock, the walkers on the scene's
        "passage_timeout_s": 40.0,
        "inspection_timeout_s": 300.0,
    }
    # a machine whose cores all look at faces must not take its own virtual exit for dead
    patient = {
        "host": "127.0.0.1",
        "port": barrier.port,
        "reply_timeout_s": 2.0,
        "confirm_timeout_s": 8.0,
        "dead_s": 20.0,
    }
    devices = [
        {"name": "kiosk", "driver": "mrz_serial", "options": {"path": "/dev/null"}},
        {"name": _CAMERA, "driver": "opencv_camera", "options": {"source": camera.url, "fps": _FPS}},
        {"name": _BARRIER, "driver": "modbus_barrier", "options": patient},
    ]
    gate = {"country": "UTO", "site": "demo", "gate_id": "gate-1", "time_zone": _TIME_ZONE}
    return Settings.model_validate({"gate": gate, "lane": [LaneSettings.model_validate(lane)], "device": devices})


@asynccontextmanager
async def _driven(opened: Hall) -> AsyncIterator[None]:
    """Run the drivers of camera and barrier, and wait until both are ready."""
    for device in opened.settings.device:
        if device.name in {_CAMERA, _BARRIER}:
            opened.drivers[device.name] = build_driver(
                device.name, device.driver, device.options, opened.dispatch, opened.clock
            )
    await asyncio.to_thread(opened.camera.show, hall())
    tasks = [asyncio.create_task(driver.run(), name=name) for name, driver in opened.drivers.items()]
    try:
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                while any(  # noqa: ASYNC110 - asked once, at the start
                    driver.state is not dc.DeviceState.READY for driver in opened.drivers.values()
                ):
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise DemoFault("camera or exit did not become ready") from error
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
