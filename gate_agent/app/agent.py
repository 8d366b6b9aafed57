"""One gate's agent, wired: devices, workers, store, lanes, the lane API and the sync API on Unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

import structlog

from central_sync.identity import read_sealing_key, read_verification_key
from central_sync.post.directory import FILE_NAME, read_directory
from drivers import contracts as dc
from drivers.accessibility import LiftReported, SpeakerDriver, Spoken
from drivers.errors import DriverFault
from drivers.registry import BUILT_IN
from drivers.registry import build as build_driver
from gate_agent.app.appeals import Appeals
from gate_agent.app.channel_cameras import ChannelCameras
from gate_agent.app.customs_desk import CustomsDesk, desk_knowledge
from gate_agent.app.device_options import options_of
from gate_agent.app.device_ports import BarrierPort, ReaderPort
from gate_agent.app.device_status import DeviceStatus
from gate_agent.app.document_side import DocumentSide
from gate_agent.app.face_side import FaceSide
from gate_agent.app.fallback import Fallback
from gate_agent.app.field_devices import DeviceHosts
from gate_agent.app.height_side import wire_heights
from gate_agent.app.help_side import HelpPoint
from gate_agent.app.knowledge import GateKnowledge
from gate_agent.app.lane_hours import LaneHours
from gate_agent.app.lane_source import GateSource
from gate_agent.app.post_side import DEVICE as POST
from gate_agent.app.post_side import LONGEST_PAGE_BYTES, PostSide, read_post
from gate_agent.app.receipts import Receipts, receipt_issuer
from gate_agent.app.seal_unlocks import SealUnlocks
from gate_agent.app.speech import lane_speeches
from gate_agent.app.stay_desk import StayDesk, StayImport
from gate_agent.app.store_side import link_view, settlement
from gate_agent.app.surroundings_side import SurroundingsSide
from gate_agent.app.unlock_orders import UnlockOrders
from gate_agent.app.unusable_device import UnusableDevice, lane_devices, role_of
from gate_agent.app.watchlist_side import WatchlistSide, screened_crossings
from gate_agent.clock import Clock
from gate_agent.errors import SettingsFault, StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.authorisation import AuthorisationVerifier
from gate_agent.lane.controller import LaneController
from gate_agent.runtime.inference import FaceEngine
from gate_agent.runtime.post_sync_api import add_post_routes
from gate_agent.runtime.sync_api import create_sync_api
from gate_agent.settings import DeviceSettings, LaneSettings, Settings
from gate_agent.store import Store
from gate_agent.web.appeal_api import add_appeal_routes
from gate_agent.web.desk_api import add_desk_routes
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.lane_api import create_app as create_lane_api
from gate_agent.web.pages import serving

log = structlog.get_logger()

_RELOAD_S = 2.0
_LINK_S = 0.5


class Agent:
    """Everything one gate runs in one process. `run` serves until cancelled or told to stop by a signal."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._drivers: dict[str, dc.Driver] = {}
        self._statuses: dict[str, DeviceStatus] = {}
        self._lanes: dict[int, LaneController] = {}
        self._users: dict[str, list[LaneController]] = {}  # of a device, by its name
        self._source: GateSource | None = None
        self._around: SurroundingsSide | None = None
        self._knowledge = GateKnowledge.of_site(settings, clock)
        self._hosts = DeviceHosts(settings, clock)

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
            post=read_post(settings.paths.keys) if settings.post.host else None,
            screened=screened_crossings(settings),
            time_zone=ZoneInfo(settings.gate.time_zone),
            is_training=settings.gate.training,
        )
        engine = FaceEngine(settings.face, settings.paths.models, self._clock, state_folder=settings.paths.state)
        try:
            await self._reconcile(store)
            told_stays = StayImport(store)
            await told_stays.take(self._knowledge.stays)
            await self._knowledge.seal_watch.restore(store)
            await self._knowledge.draw_book.keep(store.selection)
            await engine.start()
            faces = await FaceSide.open(settings, engine, self._clock)
            try:
                documents = await DocumentSide.open(settings, self._knowledge.officers, self._clock)
                try:
                    await self._serve(store, engine, faces, documents, told_stays)
                finally:
                    await documents.close()
            finally:
                await faces.close()
        finally:
            await engine.stop()
            await store.close()

    async def _serve(
        self, store: Store, engine: FaceEngine, faces: FaceSide, documents: DocumentSide, told_stays: StayImport
    ) -> None:
        settings = self._settings
        for device in settings.device:
            driver = self._built(device)
            if driver is None:
                continue
            self._drivers[device.name] = driver
            self._statuses[device.name] = DeviceStatus(driver.device_class.value, "absent", self._clock.now())
        for lane in settings.lane:
            controller = self._lanes[lane.lane_id] = self._controller(lane, store, engine, faces, documents)
            for name in lane_devices(lane):
                self._users.setdefault(name, []).append(controller)
        verifier = AuthorisationVerifier(
            settings.gate.source, self._knowledge.officers, self._clock, store.remember_nonce
        )
        words = load_catalogues("traveller", TRAVELLER_LANGUAGES)
        receipts = Receipts(self._lanes, self._drivers, self._statuses, words, self._changed, store)
        self._around = around = SurroundingsSide(
            settings, self._lanes, store, receipts, self._knowledge.xray, self._clock, self._changed
        )
        known = desk_knowledge(settings, self._knowledge)
        appeals = Appeals(store.selection, known.rulebook, self._clock, settings.gate.time_zone)
        desk = CustomsDesk(store.desk, known, self._clock, around.tasks, around.tell)
        await desk.refresh()
        orders = self._unlock_orders(store)
        fallback = self._fallback(store, around)
        await fallback.restore()
        stays = StayDesk(store.stays, self._clock, settings.gate.time_zone, self._changed)
        self._source = source = GateSource(
            settings,
            self._lanes,
            self._statuses,
            verifier,
            self._knowledge,
            desk,
            self._clock,
            around,
            face_rates=lambda: faces.rates,
            trust_version=lambda: documents.trust_version,
            unlocks=SealUnlocks(
                self._drivers,
                self._knowledge.seal_watch,
                store,
                timedelta(minutes=settings.policy.seal_unlock_stands_min),
                orders,
            ),
            help_points=self._help_points(),
            appeals=appeals,
            stays=stays,
            fallback=fallback,
        )
        alarms = {lane_id: controller.alarms for lane_id, controller in self._lanes.items()}
        sync_api = create_sync_api(store, source.device_readings)
        post = self._post_side(store, alarms, orders, fallback)
        if post is not None:
            add_post_routes(sync_api, post, LONGEST_PAGE_BYTES)
        lane_api = create_lane_api(source)
        add_desk_routes(lane_api, desk)
        add_appeal_routes(lane_api, appeals)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        run = settings.paths.run
        async with (
            asyncio.TaskGroup() as group,
            serving(lane_api, uds=run / "lane.sock"),
            # a training gate has no door through which a record could leave
            contextlib.nullcontext() if settings.gate.training else serving(sync_api, uds=run / "sync.sock"),
        ):
            tasks = [group.create_task(controller.run()) for controller in self._lanes.values()]
            tasks += [group.create_task(driver.run()) for driver in self._drivers.values()]
            tasks.append(group.create_task(LaneHours(settings, self._lanes, self._clock).run()))
            tasks += [
                group.create_task(self._follow_link(store, desk, source)),
                group.create_task(self._reload(told_stays)),
            ]
            tasks += [group.create_task(part.run()) for part in (around, stays, fallback)]
            lists = WatchlistSide(
                self._knowledge,
                store.rescreening,
                self._clock,
                around.tell,
                settings.policy,
                time_zone=settings.gate.time_zone,
            )
            tasks.append(group.create_task(lists.run()))
            tasks.append(group.create_task(self._knowledge.draw_book.run(store.selection)))
            tasks.append(group.create_task(faces.run(alarms, self._changed)))
            first = min(alarms, default=None)  # a seal belongs to the whole gate
            seal_alarms = alarms[first] if first is not None else None
            tasks.append(group.create_task(self._knowledge.seal_watch.run(store, seal_alarms, self._changed)))
            tasks += [group.create_task(post.run())] if post is not None else []
            speakers = self._speakers()
            voices = lane_speeches(settings, speakers, source.screen, source.changes, self._clock, source.said_in)
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

    def _unlock_orders(self, store: Store) -> UnlockOrders | None:
        if store.exchange is None:
            return None
        key = read_directory(self._settings.paths.keys / FILE_NAME).post_key
        return UnlockOrders(store.source, key, self._clock, self._changed)

    def _post_side(
        self, store: Store, alarms: Mapping[int, LaneAlarms], orders: UnlockOrders | None, fallback: Fallback
    ) -> PostSide | None:
        if store.exchange is None or orders is None:
            return None
        key = read_directory(self._settings.paths.keys / FILE_NAME).post_key
        return PostSide(
            store.exchange,
            key,
            self._statuses,
            alarms,
            self._clock,
            report=self._dispatch,
            changed=self._changed,
            orders=orders,
            told_of_fallback=fallback.look,
        )

    def _fallback(self, store: Store, around: SurroundingsSide) -> Fallback:
        has_post = store.exchange is not None
        gates = read_directory(self._settings.paths.keys / FILE_NAME).gates if has_post else ()
        return Fallback(
            store.source,
            store.fallback,
            self._lanes,
            self._knowledge.officers,
            tuple(gates),
            self._clock,
            tell=around.tell,
            changed=self._changed,
            post_answers=lambda: not has_post or self._statuses[POST].state == dc.DeviceState.READY,
        )

    def _built(self, device: DeviceSettings) -> dc.Driver | None:
        """Return the device's driver; one that cannot be built stands there in fault, so that the others go on.

        None when nobody can say what it should have been: no lane names it, and its driver is not known.
        """
        try:
            options = options_of(self._settings, device)
            driver = build_driver(device.name, device.driver, options, self._dispatch, self._clock)
            return self._hosts.client(device, driver, self._dispatch)
        except DriverFault as fault:
            log.error("device_unusable", device=device.name, code=fault.code)
            built_in = BUILT_IN.get(device.driver)
            role = role_of(self._settings, device.name) or (built_in.device_class if built_in else None)
            return UnusableDevice(device.name, role, fault, self._dispatch, self._clock) if role else None

    def _controller(
        self, lane: LaneSettings, store: Store, engine: FaceEngine, faces: FaceSide, documents: DocumentSide
    ) -> LaneController:
        controller = LaneController(
            self._settings,
            lane,
            reader=ReaderPort(self._of_class(lane.document_reader, dc.DeviceClass.DOCUMENT_READER)),  # type: ignore[arg-type] # checked by class
            camera=ChannelCameras(
                *(self._of_class(name, dc.DeviceClass.CAMERA) for name in (lane.camera, *lane.channel_cameras))
            ),
            barrier=BarrierPort(self._of_class(lane.barrier, dc.DeviceClass.BARRIER)),  # type: ignore[arg-type] # checked by class
            matcher=engine,
            store=store,
            knowledge=self._knowledge,
            clock=self._clock,
            changed=self._changed,
            document=documents.ports(lane, self._of_class),
            monitor=faces.monitor,
            references=faces.references,
            receipts=receipt_issuer(self._settings.paths.keys, store.source),
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
            if self._around is not None:
                self._around.look(self._source)
            self._source.changed()

    def _dispatch(self, event: dc.DeviceEvent) -> None:
        """Hand a device's event to the lanes that use it; seals belong to the whole gate."""
        if isinstance(event.data, dc.StateChanged):
            log.info("device_state", device=event.device, state=event.data.state, fault=event.data.fault)
        status = self._statuses.get(event.device)
        if status is not None and status.note(event):  # a device of the post is known once the post has named it
            self._changed()
        if isinstance(event.data, Spoken | LiftReported):
            return  # no lane waits for it
        if self._source is not None and self._source.help_points.event(event):
            return
        if isinstance(event.data, dc.SealReported):
            if self._knowledge.seal_watch.reported(event.data, event.t_wall):
                self._changed()
            return
        if self._around is not None and self._around.take(event):
            return
        users = self._users.get(event.device, ())
        for controller in users:
            controller.device_event(event)
        if not users and isinstance(event.data, dc.FrameCaptured):
            event.data.release()

    async def _reconcile(self, store: Store) -> None:
        """Settle releases that a stopped process left open: nobody can say whether the traveller passed."""
        for release in await store.undecided_releases():
            await store.commit_crossing(settlement(release, self._clock))
            log.warning("passage_settled_at_start", transaction_id=str(release.transaction_id))

    async def _reload(self, told_stays: StayImport) -> None:
        while True:
            await asyncio.sleep(_RELOAD_S)
            is_new = await self._knowledge.reload_beside()
            await told_stays.take(self._knowledge.stays)
            if is_new:
                self._changed()

    async def _follow_link(self, store: Store, desk: CustomsDesk, source: GateSource) -> None:
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
