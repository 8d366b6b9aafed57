"""A border post for tests: the real `egate post` in a process of its own, and gates with real stores, sync APIs and links, over loopback."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from central_sync.identity import read_sealing_key, read_signing_key, read_verification_key
from central_sync.post.agent_socket import PostSocket
from central_sync.post.client import PostClient
from central_sync.post.directory import FILE_NAME, read_directory
from central_sync.post.link import PostLink
from central_sync.post.own_officers import OwnOfficers
from central_sync.post.tls import gate_context
from drivers import contracts as dc
from gate_agent.app.lane_source import DeviceStatus
from gate_agent.app.post_side import LONGEST_PAGE_BYTES, PostSide, read_post
from gate_agent.app.unlock_orders import UnlockOrders
from gate_agent.clock import SystemClock
from gate_agent.demo.site import free_ports
from gate_agent.domain.crossing import Corridor, Crossing, PassageOutcome
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.stay import NO_TERMS, StayTerms
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.provisioning import provision
from gate_agent.runtime.post_sync_api import add_post_routes
from gate_agent.runtime.sync_api import create_sync_api
from gate_agent.store import Store
from gate_agent.web.pages import serving
from tests.unit.utopian_documents import document

REPORT_S = 0.2
GATES = ("gate-1", "gate-2")
LIMITS = SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=1096, ballast_bytes=0)


def make_site(folder: Path, gates=GATES) -> Path:
    """Provision a site with several gates; return its folder of keys."""
    for gate_id in gates:
        made = provision(folder, country="UTO", site="demo", gate_id=gate_id, officers={}, clock=SystemClock())
    return made.keys


def keys_of(keys: Path, gate_id: str) -> Path:
    return keys if gate_id == "gate-1" else keys / "gates" / gate_id


def declaration(number: int, now: datetime | None = None) -> Declaration:
    now = now or datetime.now(UTC)
    return Declaration(
        token_id=number.to_bytes(16, "big"),
        reference=f"D-{number}",
        issued_at=now,
        expires_at=now + timedelta(hours=72),
        direction=Direction.ENTRY,
        mode=TravelMode.AIR,
    )


async def cross(
    store: Store,
    number: int,
    direction: Direction = Direction.ENTRY,
    passage: PassageOutcome = PassageOutcome.PASSED,
    at: datetime | None = None,
    terms: StayTerms = NO_TERMS,
    corridor: Corridor = Corridor.GREEN,
) -> uuid.UUID:
    """Let the holder of document `number` through, with the declaration of that number on entry; return the transaction."""
    at = at or datetime.now(UTC)
    transaction_id = uuid.uuid4()
    await store.commit_crossing(
        Crossing(
            crossing_id=uuid.uuid4(),
            transaction_id=transaction_id,
            decision_id=uuid.uuid4(),
            lane_id=1,
            direction=direction,
            occurred_at=at,
            local_date=at.date(),
            passage=passage,
            document=document(number),
            declaration=declaration(number) if direction is Direction.ENTRY else None,
            corridor=corridor,
            stay_terms=terms,
        )
    )
    return transaction_id


async def is_used(store: Store, number: int) -> bool:
    return await store.token_used(number.to_bytes(16, "big"), "UTO", f"X{number:08d}")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0, step_s: float = 0.005) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(step_s)


async def no_lanes() -> None:
    """Gates without lanes have nothing to put into fallback."""


class PostProcess:
    """`egate post` as systemd would start it."""

    def __init__(self, folder: Path, keys: Path, extra: str = "") -> None:
        (self.port,) = free_ports(1)
        self.keys = keys
        self.folder = folder
        self.site_file = folder / "post.toml"
        self.site_file.write_text(
            f'[paths]\nkeys = "{keys}"\nbundles = "{keys.parent / "bundles"}"\n[post]\nhost = "127.0.0.1"\nport = {self.port}\nstate = "post-state"\n{extra}'
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EGATE_")}
        with (self.folder / "post.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-m", "gate_agent", "post", "--config", str(self.site_file), "--json",
                stdout=asyncio.subprocess.PIPE, stderr=log, env=environment,
            )  # fmt: skip
        async with asyncio.timeout(120):
            line = await self.process.stdout.readline()
        if not line:
            raise AssertionError((self.folder / "post.log").read_text())
        while not line.startswith(b'{"address"'):
            line = await self.process.stdout.readline()
        self.address = json.loads(line)["address"]

    async def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.communicate()

    async def stop(self) -> None:
        await self.kill(signal.SIGTERM)


class Gate:
    """One gate without lanes: its store, what the agent does with the post, and the link that `egate sync` runs."""

    def __init__(self, folder: Path, keys: Path, gate_id: str, port: int, clock=None) -> None:
        self.gate_id = gate_id
        self.folder = folder / gate_id
        self.folder.mkdir(exist_ok=True)
        self.keys = keys_of(keys, gate_id)
        self.port = port
        self.clock = clock or SystemClock()
        self.statuses: dict[str, DeviceStatus] = {}
        self.seals: list[dc.DeviceEvent] = []
        self._tasks: list[asyncio.Task] = []
        self._link: asyncio.Task | None = None
        self.report_s = REPORT_S
        self.told_of_fallback: Callable[[], Awaitable[None]] = no_lanes
        self.officers: OwnOfficers | None = None  # what `egate sync` would bring to the post

    async def start(self) -> "Gate":
        self.store = await Store.open(
            self.folder / "state",
            self.clock,
            SimpleNamespace(country="UTO", site="demo", gate_id=self.gate_id),
            read_sealing_key(self.keys / "centre_seal.pub"),
            LIMITS,
            centre_public_key=read_verification_key(self.keys / "centre.pub"),
            post=read_post(self.keys),
        )
        self.alarms = LaneAlarms(1, self.clock, self.store)
        post_key = read_directory(self.keys / FILE_NAME).post_key
        self.orders = UnlockOrders(self.store.source, post_key, self.clock, lambda: None)
        self.side = PostSide(
            self.store.exchange,
            post_key,
            self.statuses,
            {1: self.alarms},
            self.clock,
            report=self.seals.append,
            changed=lambda: None,
            orders=self.orders,
            told_of_fallback=self.told_of_fallback,
        )
        api = create_sync_api(self.store)
        add_post_routes(api, self.side, LONGEST_PAGE_BYTES)
        self._stopped = asyncio.Event()
        ready = asyncio.Event()
        self._tasks = [asyncio.create_task(self._serve(api, ready)), asyncio.create_task(self.side.run())]
        await ready.wait()
        self.connect()
        return self

    async def _serve(self, api, ready: asyncio.Event) -> None:
        async with serving(api, uds=self.folder / "sync.sock"):
            ready.set()
            await self._stopped.wait()

    def connect(self) -> None:
        """Start the link, as `egate sync` does."""
        self._socket = PostSocket(self.folder / "sync.sock")
        context = gate_context(read_directory(self.keys / FILE_NAME), self.keys / "gate.crt", self.keys / "gate.key")
        self.client = PostClient("127.0.0.1", self.port, context)
        key = read_signing_key(self.keys / "gate.key")
        link = PostLink(
            self._socket, self.client, key, jitter=lambda: 0.5, report_s=self.report_s, officers=self.officers
        )
        self._link = asyncio.create_task(link.run())

    async def disconnect(self) -> None:
        """End the link as a kill of `egate sync` does: whatever is under way is lost."""
        if self._link is not None:
            self._link.cancel()
            await asyncio.gather(self._link, return_exceptions=True)
            await self.client.close()
            await self._socket.close()
            self._link = None

    async def stop(self) -> None:
        await self.disconnect()
        self._stopped.set()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()


@contextlib.asynccontextmanager
async def running_post(
    folder: Path, make: Callable[[Path, Path], PostProcess] = PostProcess, gates=GATES
) -> AsyncIterator[PostProcess]:
    process = make(folder, make_site(folder / "site", gates))
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


@contextlib.asynccontextmanager
async def two_gates(folder: Path, post: PostProcess) -> AsyncIterator[tuple[Gate, Gate]]:
    first, second = [await Gate(folder, post.keys, gate_id, post.port).start() for gate_id in GATES]
    try:
        yield first, second
    finally:
        await first.stop()
        await second.stop()
