"""`egate sync`: this gate's connections to the broker and, where there is one, to its post. Keeps nothing; may be killed at any moment."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from random import Random

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundle_shelf import BundleShelf
from central_sync.errors import SyncError
from central_sync.gate_link import GateKeys, GateLink
from central_sync.identity import read_signing_key, read_verification_key
from central_sync.post.agent_socket import PostSocket
from central_sync.post.client import PostClient
from central_sync.post.directory import FILE_NAME, read_directory
from central_sync.post.files_beside import FilesBeside
from central_sync.post.link import PostLink
from central_sync.post.own_officers import OwnOfficers
from central_sync.post.tls import gate_context
from central_sync.sync_socket import SyncSocket
from central_sync.topics import GateAddress
from central_sync.transports.mqtt import MqttTransport
from central_sync.uplink import UplinkSettings
from gate_agent.clock import SystemClock
from gate_agent.errors import SettingsFault
from gate_agent.settings import SITE_FILE, Settings, load

SUMMARY = "carry records to the centre and bring back acknowledgements and bundles"

_BUNDLE_SIGNERS = ("rulebook.pub", "centre.pub")
_log = structlog.get_logger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, help="site file (TOML)")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Raises `SettingsFault` at a training gate."""
    settings = load(arguments.config)
    if settings.gate.training:
        raise SettingsFault("gate.training: no record of a training gate leaves it", code="EG-SET-015")
    asyncio.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Carry records until cancelled or told to stop. Raises `SettingsFault` when a key cannot be used."""
    source = SyncSocket(settings.paths.run / "sync.sock")
    post = PostSocket(settings.paths.run / "sync.sock")
    shelf = bundle_shelf(settings)
    link = asyncio.create_task(_all([gate_link(settings, source, shelf).run(), *post_links(settings, post, shelf)]))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # handlers exist in the main thread only; a caller in another thread cancels instead
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, link.cancel)
    try:
        await link
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            link.cancel()
            raise
        _log.info("sync_stopped")
    finally:
        await source.close()
        await post.close()


async def _all(links: list[Coroutine[None, None, None]]) -> None:
    await asyncio.gather(*links)


def bundle_shelf(settings: Settings) -> BundleShelf:
    """Return the folder of bundles; those that name a file wait for it where a post can bring it. Raises `SettingsFault`."""
    try:
        signers = _signers(settings.paths.keys)
    except SyncError as error:
        raise SettingsFault(str(error)) from error
    return BundleShelf(settings.paths.bundles, signers, SystemClock().now, waits_for_files=bool(settings.post.host))


def post_links(settings: Settings, gate: PostSocket, shelf: BundleShelf) -> list[Coroutine[None, None, None]]:
    """Return what goes through the post, nothing where the site names no post. Raises `SettingsFault` when a certificate cannot be used."""
    if not settings.post.host:
        return []
    keys = settings.paths.keys
    try:
        context = gate_context(read_directory(keys / FILE_NAME), keys / "gate.crt", keys / "gate.key")
        key = read_signing_key(keys / "gate.key")
        officers = OwnOfficers(settings.paths.bundles, read_verification_key(keys / "centre.pub"))
    except SyncError as fault:
        raise SettingsFault(f"{fault.code}: {fault}") from fault
    client = PostClient(settings.post.host, settings.post.port, context)
    link = PostLink(gate, client, key, jitter=Random(settings.gate.gate_id).random, officers=officers)
    return [link.run(), FilesBeside(shelf, client).run()]


def gate_link(settings: Settings, source: SyncSocket, shelf: BundleShelf) -> GateLink:
    """Return the link of this gate, ready to run. Raises `SettingsFault` when a key or an address cannot be used."""
    gate, keys = settings.gate, settings.paths.keys
    clock = SystemClock()
    try:
        address = GateAddress(gate.country, gate.site, gate.gate_id)
        gate_keys = GateKeys(read_signing_key(keys / "gate.key"), read_verification_key(keys / "centre.pub"))
    except (SyncError, ValueError) as error:
        raise SettingsFault(str(error)) from error
    transport = MqttTransport(
        settings.sync.broker_host,
        settings.sync.broker_port,
        f"egate-{gate.country}-{gate.site}-{gate.gate_id}",
        version=settings.sync.protocol,
    )
    return GateLink(
        address,
        source,
        transport,
        gate_keys,
        now=clock.now,
        settings=UplinkSettings(
            batch_records=settings.sync.batch_records,
            window_batches=settings.sync.window_batches,
            ack_timeout_s=settings.sync.ack_timeout_s,
            monotonic_s=clock.monotonic_s,
        ),
        heartbeat_s=settings.sync.heartbeat_s,
        shelf=shelf,
        software_version=version("egate"),
        telemetry=source.telemetry,
    )


def _signers(keys: Path) -> list[Ed25519PublicKey]:
    return [read_verification_key(keys / name) for name in _BUNDLE_SIGNERS if (keys / name).exists()]
