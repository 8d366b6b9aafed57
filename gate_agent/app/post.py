"""`egate post`, wired: the drivers of the post's devices, its ledger of facts, its book of seals, and the door to its gates."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from central_sync.bundles import SIGNATURE
from central_sync.errors import BundleRefused, IdentityFault
from central_sync.identity import read_signing_key, read_verification_key
from central_sync.post.directory import FILE_NAME, PostDirectory, read_directory
from central_sync.post.messages import PostDevice, PostState
from central_sync.post.tls import post_context
from drivers import contracts as dc
from drivers.errors import DriverFault
from drivers.registry import build as build_driver
from gate_agent.app.officer_roll import OfficerRoll
from gate_agent.app.post_seals import SealPages
from gate_agent.app.post_unlocks import PostUnlocks
from gate_agent.app.seal_servers import may_unlock, unlocking
from gate_agent.app.unusable_device import UnusableDevice
from gate_agent.clock import Clock
from gate_agent.errors import SettingsFault, StoreFault
from gate_agent.lane.authorisation import OfficerRecord
from gate_agent.runtime.blob_cache import BlobCache
from gate_agent.runtime.post_api import LONGEST_REQUEST_BYTES, create_post_api, gate_protocol
from gate_agent.settings import DeviceSettings, Settings
from gate_agent.store.post_ledger import PostLedger
from gate_agent.store.seal_book import SealBook
from gate_agent.web.pages import BodyLimit, serving

log = structlog.get_logger()

_FORGET_S = 60.0
_DISK_REMEDY = "Free the disk of the post's machine; reports of seals wait in memory until it takes them."


class Post:
    """Everything one border post runs in one process. It decides nothing, and it knows no traveller."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._devices: dict[str, PostDevice] = {}
        self._directory = self._read_directory()
        keys, post = settings.paths.keys, settings.post
        try:
            self._tls = post_context(self._directory, keys / "post.crt", keys / "post.key")
            key = read_signing_key(keys / "post.key")
        except IdentityFault as fault:
            raise SettingsFault(f"{fault.code}: {fault}") from fault
        self._ledger = PostLedger(post.state, tuple(self._directory.gates), clock, kept_days=post.facts_kept_days)
        self._book = SealBook(post.state / "seals.db", clock, kept_h=post.seals_kept_h, limit_rows=post.seals_limit)
        self._seals = SealPages(self._book, key, clock)
        self._roll = _roll(settings, clock)
        self._unlocks = PostUnlocks(self._ledger, self._directory.gate_keys(), self._officers, key, clock)
        self._blobs = BlobCache(
            post.state / "blobs",
            post.blobs_upstream,
            clock,
            limit_bytes=post.blobs_limit_bytes,
            reserve_bytes=post.blobs_reserve_bytes,
            trust=_trust(post.blobs_trust),
        )

    async def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        """Serve until cancelled or told to stop by a signal; `on_ready` is told the address. Raises `StoreFault` for a disk it cannot use."""
        await self._ledger.open()
        try:
            self._book.open()
            self._blobs.open()
            try:
                await self._serve(on_ready)
            finally:
                await self._blobs.close()
                self._book.close()
        finally:
            await self._ledger.close()

    def _officers(self) -> Mapping[str, OfficerRecord]:
        """Return the officers whom the post knows: nobody while it has no bundle of them that can be used."""
        return self._roll.officers() if self._roll is not None else {}

    async def state(self) -> PostState:
        """Return how the post and its devices are.

        A disk that refuses reports of seals is shown on all of them; no seal can be unlocked while no officer is known.
        """
        devices = list(self._devices.values())
        if any(device.may_unlock for device in devices) and not self._officers():
            devices = [device.model_copy(update={"may_unlock": False}) for device in devices]
        if fault := self._seals.disk_fault:
            devices = [device.model_copy(update={"fault": fault, "remedy": _DISK_REMEDY}) for device in devices]
        version = self._roll.version if self._roll is not None else -1
        generation = await self._ledger.generation()
        return PostState(generation=generation, now=self._clock.now(), devices=devices, officers_version=version)

    def bring_officers(self, wire: bytes) -> int:
        """Keep the officers' bundle that a gate brought; return the version in force. Raises `BundleRefused`, `StoreFault`."""
        if self._roll is None:
            raise BundleRefused("this post was given no key of the centre", code=SIGNATURE)
        return self._roll.take(wire)

    async def _serve(self, on_ready: Callable[[str], None] | None) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        gates = self._directory.gate_keys()
        app = create_post_api(self._ledger, self._seals, self._blobs, self, gates, self._unlocks)
        app.add_middleware(BodyLimit, maximum_bytes=LONGEST_REQUEST_BYTES)
        protocol = gate_protocol(self._directory.sources_by_fingerprint())
        drivers = [self._built(device) for device in self._settings.post.device]
        self._unlocks.servers = tuple(unlocking(drivers))
        post = self._settings.post
        async with serving(app, host=post.listen, port=post.port, tls=self._tls, protocol=protocol) as address:
            tasks = [asyncio.create_task(driver.run()) for driver in drivers]
            tasks.append(asyncio.create_task(self._forget()))
            for task in tasks:
                task.add_done_callback(
                    lambda _ended: stop.set()
                )  # nothing here may end quietly; the keeper starts us again
            log.info("post_ready", gates=len(self._directory.gates), devices=len(drivers))
            if on_ready is not None:
                on_ready(address.replace("http:", "https:", 1))
            await stop.wait()
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended

    def _built(self, device: DeviceSettings) -> dc.Driver:
        self._devices[device.name] = self._shown(
            device.name, dc.DeviceClass.SEAL_TRACKER, dc.StateChanged(dc.DeviceState.ABSENT)
        )
        try:
            driver = build_driver(device.name, device.driver, device.options, self._dispatch, self._clock)
        except DriverFault as fault:
            log.error("device_unusable", device=device.name, code=fault.code)
            return UnusableDevice(device.name, dc.DeviceClass.SEAL_TRACKER, fault, self._dispatch, self._clock)
        shown = self._devices[device.name]
        self._devices[device.name] = shown.model_copy(update={"may_unlock": may_unlock(driver)})
        return driver

    def _dispatch(self, event: dc.DeviceEvent) -> None:
        """Keep what a driver tells. A report of a seal is on the disk before its tracker is answered."""
        if isinstance(event.data, dc.StateChanged):
            before = self._devices[event.device]
            shown = self._shown(event.device, dc.DeviceClass(before.device_class), event.data)
            self._devices[event.device] = shown.model_copy(update={"may_unlock": before.may_unlock})
            log.info("device_state", device=event.device, state=event.data.state, fault=event.data.fault)
        elif isinstance(event.data, dc.SealReported):
            self._seals.keep(event, event.data)

    def _shown(self, name: str, device_class: dc.DeviceClass, state: dc.StateChanged) -> PostDevice:
        return PostDevice(
            name=name,
            device_class=device_class.value,
            state=state.state.value,
            since=self._clock.now(),
            fault=state.fault,
            remedy=state.remedy,
        )

    async def _forget(self) -> None:
        while True:
            try:
                self._seals.keep_waiting()
                forgotten = await self._ledger.forget()
                forgotten += self._book.forget()
            except StoreFault as fault:
                log.error("post_not_forgetting", code=fault.code)
            else:
                if forgotten:
                    log.info("post_forgot", rows=forgotten)
            await asyncio.sleep(_FORGET_S)

    def _read_directory(self) -> PostDirectory:
        try:
            return read_directory(self._settings.paths.keys / FILE_NAME)
        except IdentityFault as fault:
            raise SettingsFault(f"{fault.code}: {fault}") from fault


def _roll(settings: Settings, clock: Clock) -> OfficerRoll | None:
    """Return who may authorise unlocks; None when the post was given no key of the centre, by which it would believe it."""
    path = settings.paths.keys / "centre.pub"
    if not path.exists():
        return None
    try:
        return OfficerRoll(settings.paths.bundles, settings.post.state, read_verification_key(path), clock)
    except IdentityFault as fault:
        raise SettingsFault(f"{fault.code}: {fault}") from fault


def _trust(path: Path | None) -> ssl.SSLContext | None:
    """Return what the source of large files is believed by. Raises `SettingsFault`."""
    if path is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise SettingsFault(f"post.blobs_trust: {path} holds no certificates that can be used") from error
