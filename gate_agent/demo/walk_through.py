"""The walk-through demonstration: synthetic people before a virtual camera, a real lane, a real store and a virtual exit.

The shipped model proves no false positive identification rate, so this mode runs here only, and every line and record says so. The
scene waits for the lane: a step is shown, looked at, and only then the next one, so that a slow machine sees the same video.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from central_sync.identity import read_sealing_key, read_verification_key
from drivers import contracts as dc
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.twin import CameraTwin
from drivers.registry import build as build_driver
from gate_agent.app.device_ports import BarrierPort
from gate_agent.app.knowledge import GateKnowledge
from gate_agent.clock import Clock
from gate_agent.demo.performance import DemoFault
from gate_agent.demo.walk_through_guard import OFFICER, WalkThroughGuard
from gate_agent.demo.walk_through_matcher import WalkThroughWorker
from gate_agent.demo.walk_through_play import FPS, LABEL, Play, WalkerLine
from gate_agent.demo.walk_through_scene import hall
from gate_agent.demo.walk_through_scripts import Scenario
from gate_agent.domain.walk_through_state import WalkThroughRules
from gate_agent.lane.authorisation import AuthorisationVerifier
from gate_agent.lane.walk_through import Permission, WalkThroughLane
from gate_agent.lane.walk_through_ports import ReleaseZone, zone_of
from gate_agent.provisioning import provision
from gate_agent.settings import LaneSettings, Settings
from gate_agent.store import Store

_CAMERA, _BARRIER = "hall-camera", "exit-barrier"
_PATIENT_S = 30.0
_READY_TIMEOUT_S = 60.0
_RULES = WalkThroughRules(patience_s=2.0)
_ZONE = ReleaseZone(smallest_face_ratio=0.145)
_TIME_ZONE = "Asia/Tashkent"


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
    guard: WalkThroughGuard
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
        self._shown_s = self.clock.monotonic_s() + 1 / FPS  # the picture on its way is the one before

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
            lane.feed(zone_of(inputs))
            playing = asyncio.create_task(Play(self, lane, scenario).run(), name="walk-through-play")
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


@asynccontextmanager
async def opened_hall(clock: Clock, cache: Path) -> AsyncIterator[Hall]:
    """Start camera, exit, worker and store of a throw-away site, and stop them in the opposite order.

    Raises `InferenceFault` when the models are not built, `SettingsFault` when a portrait was not fetched.
    """
    with tempfile.TemporaryDirectory(prefix="egate-walk-through-") as folder:
        site = Path(folder)
        provisioned = provision(
            site, country="UTO", site="demo", gate_id="gate-1", officers={OFFICER: "guard"}, clock=clock
        )
        async with (
            CameraTwin(fps=FPS, variants=2) as camera,
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
                time_zone=ZoneInfo(_TIME_ZONE),
            )
            try:
                knowledge = GateKnowledge(provisioned.bundles, provisioned.keys, clock, time_zone=_TIME_ZONE)
                await knowledge.draw_book.keep(store.selection)
                verifier = AuthorisationVerifier(settings.gate.source, knowledge.officers, clock, store.remember_nonce)
                guard = WalkThroughGuard(provisioned, verifier, clock)
                opened = Hall(settings, clock, camera, barrier, worker, store, knowledge, cache / "portraits", guard)
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
        {"name": _CAMERA, "driver": "opencv_camera", "options": {"source": camera.url, "fps": FPS}},
        {"name": _BARRIER, "driver": "modbus_barrier", "options": patient},
    ]
    gate = {"country": "UTO", "site": "demo", "gate_id": "gate-1", "time_zone": _TIME_ZONE}
    site = {"gate": gate, "document": {"accept_specimens": True}, "device": devices}
    return Settings.model_validate(site | {"lane": [LaneSettings.model_validate(lane)]})


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
