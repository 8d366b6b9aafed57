"""One gate's agent, wired: devices, workers, store, lanes, the lane API and the sync API on Unix sockets."""

from __future__ import annotations

import asyncio
import signal

import structlog

from central_sync.identity import read_sealing_key, read_verification_key
from drivers import contracts as dc
from drivers.accessibility import LiftReported, SpeakerDriver, Spoken
from drivers.errors import DriverFault
from drivers.registry import BUILT_IN
from drivers.registry import build as build_driver
from drivers.seal_tracker.events import TAMPER_KINDS
from gate_agent.app.document_side import DocumentSide
from gate_agent.app.face_side import FaceSide
from gate_agent.app.height_side import wire_heights
from gate_agent.app.help_side import HelpPoint
from gate_agent.app.knowledge import GateKnowledge
from gate_agent.app.lane_source import DeviceStatus, GateSource
from gate_agent.app.speech import lane_speeches
from gate_agent.app.store_side import StoredDesk, link_view, settlement
from gate_agent.app.unusable_device import UnusableDevice, lane_roles, role_of
from gate_agent.clock import Clock
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.errors import DeviceFault, SettingsFault, StoreFault
from gate_agent.lane.authorisation import AuthorisationVerifier
from gate_agent.lane.controller import LaneController
from gate_agent.runtime.inference import FaceEngine
from gate_agent.runtime.sync_api import create_sync_api
from gate_agent.settings import DeviceSettings, LaneSettings, Settings
from gate_agent.store import Store
from gate_agent.web.lane_api import create_app as create_lane_api
from gate_agent.web.pages import serving

log = structlog.get_logger()

_RELOAD_S = 2.0
_LINK_S = 0.5


class BarrierPort:
    """The barrier as a lane sees it: driver faults become the gate's."""

    def __init__(self, driver: dc.BarrierDriver) -> None:
        self._driver = driver

    async def release(self, door: dc.Door, ttl_s: float) -> None:
        """Release one door."""
        try:
            await self._driver.release(door, ttl_s)
        except DriverFault as fault:
            raise DeviceFault(str(fault), code=fault.code) from fault

    async def secure(self) -> None:
        """End running releases."""
        try:
            await self._driver.secure()
        except DriverFault as fault:
            raise DeviceFault(str(fault), code=fault.code) from fault


class ReaderPort:
    """The document reader as a lane sees it."""

    def __init__(self, driver: dc.ReaderDriver) -> None:
        self._driver = driver

    async def read_again(self) -> None:
        """Ask for another read."""
        try:
            await self._driver.read_again()
        except DriverFault as fault:
            raise DeviceFault(str(fault), code=fault.code) from fault


class Agent:
    """Everything one gate runs in one process. `run` serves until cancelled or told to stop by a signal."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._drivers: dict[str, dc.Driver] = {}
        self._statuses: dict[str, DeviceStatus] = {}
        self._lanes: dict[int, LaneController] = {}
        self._source: GateSource | None = None
        self._knowledge = GateKnowledge(settings.paths.bundles, settings.paths.keys, clock)

    async def run(self) -> None:
        """Start everything, serve, and stop in the opposite order."""
        settings = self._settings
        settings.paths.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = await Store.open(
            settings.paths.state,
            self._clock,
            settings.gate,
            read_sealing_key(settings.paths.keys / "centre_seal.pub"),
            settings.store,
            centre_public_key=read_verification_key(settings.paths.keys / "centre.pub"),
        )
        engine = FaceEngine(settings.face, settings.paths.models, self._clock, state_folder=settings.paths.state)
        try:
            await self._reconcile(store)
            await self._import_stays(store)
            await engine.start()
            faces = await FaceSide.open(settings, engine, self._clock)
            try:
                documents = await DocumentSide.open(settings, self._knowledge.officers, self._clock)
                try:
                    await self._serve(store, engine, faces, documents)
                finally:
                    await documents.close()
            finally:
                await faces.close()
        finally:
            await engine.stop()
            await store.close()

    async def _serve(self, store: Store, engine: FaceEngine, faces: FaceSide, documents: DocumentSide) -> None:
        settings = self._settings
        for device in settings.device:
            driver = self._built(device)
            if driver is None:
                continue
            self._drivers[device.name] = driver
            self._statuses[device.name] = DeviceStatus(driver.device_class.value, "absent", self._clock.now())
        desk = StoredDesk(store)
        await desk.refresh()
        for lane in settings.lane:
            self._lanes[lane.lane_id] = self._controller(lane, store, engine, faces, documents)
        verifier = AuthorisationVerifier(
            settings.gate.gate_id, self._knowledge.officers, self._clock, store.remember_nonce
        )
        self._source = source = GateSource(
            settings,
            self._lanes,
            self._statuses,
            verifier,
            self._knowledge,
            desk,
            self._clock,
            face_rates=lambda: faces.rates,
            trust_version=lambda: documents.trust_version,
            help_points=self._help_points(),
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        run = settings.paths.run
        async with (
            asyncio.TaskGroup() as group,
            serving(create_lane_api(source), uds=run / "lane.sock"),
            serving(create_sync_api(store), uds=run / "sync.sock"),
        ):
            tasks = [group.create_task(controller.run()) for controller in self._lanes.values()]
            tasks += [group.create_task(driver.run()) for driver in self._drivers.values()]
            tasks += [group.create_task(self._follow_link(store, desk, source)), group.create_task(self._reload(store))]
            alarms = {lane_id: controller.alarms for lane_id, controller in self._lanes.items()}
            tasks.append(group.create_task(faces.run(alarms, self._changed)))
            speakers = self._speakers()
            voices = lane_speeches(settings, speakers, source.screen, source.changes, self._clock)
            tasks += [group.create_task(voice.run()) for voice in voices]
            for task in tasks:
                task.add_done_callback(
                    lambda _ended: stop.set()
                )  # nothing here may end quietly; the keeper starts us again
            log.info("agent_ready", lanes=len(self._lanes), devices=len(self._drivers))
            await stop.wait()
            source.changes.close()
            for task in tasks:
                task.cancel()

    def _built(self, device: DeviceSettings) -> dc.Driver | None:
        """Return the device's driver; one that cannot be built stands there in fault, so that the others go on.

        None when nobody can say what it should have been: no lane names it, and its driver is not known.
        """
        try:
            return build_driver(device.name, device.driver, self._options(device), self._dispatch, self._clock)
        except DriverFault as fault:
            log.error("device_unusable", device=device.name, code=fault.code)
            built_in = BUILT_IN.get(device.driver)
            role = role_of(self._settings, device.name) or (built_in.device_class if built_in else None)
            return UnusableDevice(device.name, role, fault, self._dispatch, self._clock) if role else None

    def _options(self, device: DeviceSettings) -> dict[str, object]:
        """Return a device's options; a camera that a lane reads codes from is told so, and a chip reader what the site wants."""
        reads = any(lane.camera == device.name and lane.read_barcode_from_camera for lane in self._settings.lane)
        built_in = BUILT_IN.get(device.driver)
        document = self._settings.document
        chip: dict[str, object] = {}
        if built_in is not None and built_in.device_class is dc.DeviceClass.CHIP_READER:
            chip = {"basic_access": document.basic_access, "read_timeout_s": document.chip_timeout_s}
        return {**chip, **device.options, **({"read_barcodes": True} if reads else {})}

    def _controller(
        self, lane: LaneSettings, store: Store, engine: FaceEngine, faces: FaceSide, documents: DocumentSide
    ) -> LaneController:
        controller = LaneController(
            self._settings,
            lane,
            reader=ReaderPort(self._of_class(lane.document_reader, dc.DeviceClass.DOCUMENT_READER)),  # type: ignore[arg-type] # checked by class
            camera=self._of_class(lane.camera, dc.DeviceClass.CAMERA),  # type: ignore[arg-type] # checked by class
            barrier=BarrierPort(self._of_class(lane.barrier, dc.DeviceClass.BARRIER)),  # type: ignore[arg-type] # checked by class
            matcher=engine,
            store=store,
            knowledge=self._knowledge,
            clock=self._clock,
            changed=self._changed,
            document=documents.ports(lane, self._of_class),
            monitor=faces.monitor,
            references=faces.references,
        )
        wire_heights(controller, self._of_class, self._clock)
        return controller

    def _of_class(self, name: str, device_class: dc.DeviceClass) -> dc.Driver:
        driver = self._drivers[name]
        if driver.device_class is not device_class:
            raise SettingsFault(f"device {name!r} is a {driver.device_class}, the lane needs a {device_class}")
        return driver

    def _speakers(self) -> dict[str, SpeakerDriver]:
        names = {lane.speaker for lane in self._settings.lane if lane.speaker}
        return {name: self._of_class(name, dc.DeviceClass.SPEAKER) for name in names}  # type: ignore[misc] # checked by class

    def _help_points(self) -> dict[str, HelpPoint]:
        names = {lane.help_point for lane in self._settings.lane if lane.help_point}
        return {name: self._of_class(name, dc.DeviceClass.HELP_POINT) for name in names}  # type: ignore[misc] # as above

    def _changed(self) -> None:
        if self._source is not None:
            self._source.changed()

    def _dispatch(self, event: dc.DeviceEvent) -> None:
        """Hand a device's event to the lanes that use it; seals belong to the whole gate."""
        if isinstance(event.data, dc.StateChanged):
            status = self._statuses[event.device]
            status.state, status.since = event.data.state.value, event.t_wall
            status.fault, status.remedy = event.data.fault, event.data.remedy
            log.info("device_state", device=event.device, state=event.data.state, fault=event.data.fault)
            self._changed()
        if isinstance(event.data, Spoken | LiftReported):
            return  # no lane waits for it
        if self._source is not None and self._source.help_points.event(event):
            return
        if isinstance(event.data, dc.SealReported):
            self._seal(event.data)
            return
        taken = False
        for controller in self._lanes.values():
            lane = controller.lane
            if event.device in {name for _, name in lane_roles(lane)}:
                controller.device_event(event)
                taken = True
        if not taken and isinstance(event.data, dc.FrameCaptured):
            event.data.release()

    def _seal(self, reported: dc.SealReported) -> None:
        tampered = reported.kind in TAMPER_KINDS
        state, event = (SealState.TAMPERED, reported.kind) if tampered else (SealState.INTACT, "")
        self._knowledge.seal_reported(SealReport(reported.seal_id, state, event, self._clock.now()))

    async def _reconcile(self, store: Store) -> None:
        """Settle releases that a stopped process left open: nobody can say whether the traveller passed."""
        for release in await store.undecided_releases():
            await store.commit_crossing(settlement(release, self._clock))
            log.warning("passage_settled_at_start", transaction_id=str(release.transaction_id))

    async def _import_stays(self, store: Store) -> None:
        bundle = self._knowledge.stays
        if bundle is not None:
            count = await store.import_stays(bundle.version, bundle.facts)
            log.info("stays_imported", count=count, version=bundle.version)

    async def _reload(self, store: Store) -> None:
        while True:
            await asyncio.sleep(_RELOAD_S)
            before = self._knowledge.stays
            if self._knowledge.reload():
                if self._knowledge.stays is not before:
                    await self._import_stays(store)
                self._changed()

    async def _follow_link(self, store: Store, desk: StoredDesk, source: GateSource) -> None:
        """Keep the console's view of delivery and of the customs desk fresh; a page never asks the disk."""
        while True:
            try:
                link = link_view(await store.link_state())
                changed = await desk.refresh()
            except StoreFault as fault:
                log.error("store_not_readable", code=fault.code)
            else:
                if changed or link != source.link:
                    source.link = link
                    self._changed()
            await asyncio.sleep(_LINK_S)
