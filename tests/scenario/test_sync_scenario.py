"""Records from a real store over a real broker into a real database: once each, whatever happens in between."""

import asyncio
import contextlib
import gc
import json
import logging
import random
import shutil
import socket
import sqlite3
import sys
import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
import sqlalchemy as sa
import uvicorn
from amqtt.broker import Broker
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central_sync.bundle_shelf import BundleShelf
from central_sync.bundles import sign_bundle
from central_sync.centre.schema import ALARMS, LEDGER, QUARANTINE, RECORDS
from central_sync.centre.service import CentreService
from central_sync.gate_link import GateKeys, GateLink
from central_sync.passage_counts.rows import grouped
from central_sync.sealing import unseal
from central_sync.sync_socket import SyncSocket
from central_sync.topics import GateAddress, parse
from central_sync.transports import Incoming, Publication, Transport
from central_sync.transports.memory import MemoryBroker, MemoryTransport
from central_sync.transports.mqtt import MqttTransport
from central_sync.uplink import UplinkSettings
from gate_agent.clock import SystemClock
from gate_agent.domain.crossing import (
    Admission,
    Corridor,
    Crossing,
    DecidedBy,
    Decision,
    Officer,
    PassageOutcome,
    PolicyAnswer,
)
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.task_closing import TaskClosing
from gate_agent.runtime.sync_api import create_sync_api
from gate_agent.store import Store
from tests.unit.utopian_documents import document

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
ADDRESS = GateAddress("UTO", "demo", "gate-1")
FAST = UplinkSettings(batch_records=10, window_batches=8, ack_timeout_s=0.3, long_poll_s=0.5, backlog_patience_s=0.02)


def declaration(number: int) -> Declaration:
    now = datetime.now(UTC)
    return Declaration(
        token_id=number.to_bytes(16, "big"),
        reference=f"D-{number}",
        issued_at=now,
        expires_at=now + timedelta(hours=1),
        direction=Direction.ENTRY,
        mode=TravelMode.AIR,
        cash=(Money(500_000, "USD"),),
    )


async def let_through(store: Store, number: int, corridor: Corridor = Corridor.GREEN) -> None:
    """Four records: decision, crossing, stay, declaration."""
    now = datetime.now(UTC)
    decision = Decision(
        decision_id=uuid7(int(now.timestamp() * 1000)),
        transaction_id=uuid.uuid4(),
        lane_id=1,
        direction=Direction.ENTRY,
        decided_at=now,
        local_date=now.date(),
        decided_by=DecidedBy.MACHINE,
        answer=PolicyAnswer(
            Admission.RELEASE,
            (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),),
            corridor,
            (Reason(ReasonCode.NOTHING_DECLARED),),
        ),
        checks=(),
        document=document(number),
        declaration=declaration(number),
    )
    await store.commit_decision(decision)
    await store.commit_crossing(
        Crossing(
            crossing_id=uuid.uuid4(),
            transaction_id=decision.transaction_id,
            decision_id=decision.decision_id,
            lane_id=1,
            direction=Direction.ENTRY,
            occurred_at=now,
            local_date=now.date(),
            passage=PassageOutcome.PASSED,
            document=decision.document,
            declaration=decision.declaration,
            corridor=corridor,
        )
    )


class BrokerUnderTest(Protocol):
    port: int

    async def start(self) -> None: ...
    async def kill(self) -> None: ...


class EmbeddedBroker:
    def __init__(self, port: int) -> None:
        self.port = port
        self._broker: Broker | None = None

    async def start(self) -> None:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await self._broker.start()

    async def kill(self) -> None:
        if self._broker is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._broker.shutdown()
            self._broker = None
            await asyncio.sleep(0.05)
            with warnings.catch_warnings():  # the broker drops connections unclosed: let them go while this loop runs
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


class Mosquitto:
    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._configuration = folder / "mosquitto.conf"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            MOSQUITTO or "", "-c", str(self._configuration), stdout=quiet, stderr=quiet
        )
        await eventually(lambda: can_connect(self.port), 10)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def eventually(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.05)


@pytest.fixture(
    params=[pytest.param("amqtt"), pytest.param("mosquitto", marks=pytest.mark.mosquitto)],
)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerUnderTest]:
    if request.param == "mosquitto" and MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    one: BrokerUnderTest = EmbeddedBroker(free_port()) if request.param == "amqtt" else Mosquitto(free_port(), tmp_path)
    await one.start()
    yield one
    await one.kill()


class Scene:
    """Keys, store, centre and link of one gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.gate_key, self.centre_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.seal_key = X25519PrivateKey.generate()
        (self.keys / "centre.key").write_bytes(
            self.centre_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        pem = self.gate_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        gate = {"country": "UTO", "site": "demo", "gate_id": "gate-1", "public_key_pem": pem.decode()}
        (folder / "directory.json").write_text(json.dumps({"gates": [gate]}))
        self.database = f"sqlite:///{folder / 'centre.db'}"

    async def open_store(self) -> Store:
        return await Store.open(
            self.folder / "store",
            SystemClock(),
            SimpleNamespace(country="UTO", site="demo", gate_id="gate-1"),
            self.seal_key.public_key(),
            SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=1096, ballast_bytes=0),
            centre_public_key=self.centre_key.public_key(),
        )

    def centre(self, port: int = 0, transport: Transport | None = None, **options: Any) -> CentreService:
        return CentreService(self.database, "127.0.0.1", port, self.keys, "UTO", transport=transport, **options)

    def link(
        self, source: Any, transport: Transport, shelf: BundleShelf | None = None, settings: UplinkSettings = FAST
    ) -> GateLink:
        return GateLink(
            ADDRESS,
            source,
            transport,
            GateKeys(self.gate_key, self.centre_key.public_key()),
            now=lambda: datetime.now(UTC),
            settings=settings,
            heartbeat_s=0.5,
            shelf=shelf,
        )

    def outbox(self) -> set[tuple[str, int, bytes]]:
        with contextlib.closing(sqlite3.connect(self.folder / "store" / "store.db")) as connection:
            return {(i, s, bytes(h)) for i, s, h in connection.execute("SELECT id, seq, hash FROM outbox")}

    def states(self) -> dict[str, int]:
        with contextlib.closing(sqlite3.connect(self.folder / "store" / "store.db")) as connection:
            return dict(connection.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())


def ledger(centre: CentreService) -> list[tuple[str, int, bytes]]:
    with centre.engine.connect() as connection:
        return [(row.id, row.seq, bytes(row.hash)) for row in connection.execute(sa.select(LEDGER))]


def alarm_kinds(centre: CentreService) -> set[str]:
    with centre.engine.connect() as connection:
        return set(connection.execute(sa.select(ALARMS.c.kind)).scalars())


@contextlib.asynccontextmanager
async def running(link: GateLink) -> AsyncIterator[None]:
    task = asyncio.create_task(link.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class DroppingSource:
    """A store that never hears of every third acknowledgement."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard = 0
        self.dropped = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply_ack(self, wire: bytes) -> Any:
        self._heard += 1
        if self._heard % 3 == 0:
            self.dropped += 1
            raise_refused("dropped on the way")
        return await self._store.apply_ack(wire)


def raise_refused(why: str) -> None:
    from central_sync.errors import AckRefused

    raise AckRefused(why)


class ConfusingTransport:
    """Doubles batches and swaps neighbours."""

    def __init__(self, inner: Transport, seed: int) -> None:
        self._inner = inner
        self._random = random.Random(seed)
        self._held: Publication | None = None

    @property
    def protocol(self) -> str:
        return self._inner.protocol

    async def open(self, subscriptions: list[str], will: Publication | None = None) -> None:
        self._held = None
        await self._inner.open(subscriptions, will)

    async def publish(self, publication: Publication) -> None:
        if not publication.topic.endswith(("up/rec", "up/old")):
            await self._inner.publish(publication)
        elif self._held is None and self._random.random() < 0.4:
            self._held = publication
        else:
            await self._inner.publish(publication)
            if self._random.random() < 0.5:
                await self._inner.publish(publication)
            if self._held is not None:
                held, self._held = self._held, None
                await self._inner.publish(held)

    async def receive(self) -> Incoming:
        return await self._inner.receive()

    async def close(self) -> None:
        await self._inner.close()


async def test_a9_remote_processing_three_hundred_records_through_a_dying_broker_arrive_once_each(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    scene = Scene(tmp_path)
    store, centre = await scene.open_store(), scene.centre(broker.port)
    source = DroppingSource(store)
    mqtt = MqttTransport("127.0.0.1", broker.port, "egate-UTO-demo-gate-1")
    await centre.start()
    async with running(scene.link(source, ConfusingTransport(mqtt, seed=7))):
        for number in range(75):
            await let_through(store, number)
            if number in (25, 50):
                await broker.kill()
            if number in (35, 60):
                await broker.start()
        await eventually(lambda: scene.states() == {"acked": 300}, 30)
        expected = "MQTT 5" if isinstance(broker, Mosquitto) else "MQTT 3.1.1"
        assert mqtt.protocol == expected
        await eventually(lambda: gate_status(centre).backlog == 0)
        status = gate_status(centre)
        assert (status.online, status.stored, status.missing, status.last_seq) == (True, 300, 0, 300)
        assert status.protocol == expected
    rows = ledger(centre)
    assert len(rows) == 300
    assert set(rows) == scene.outbox()
    assert source.dropped > 0
    assert alarm_kinds(centre) == set()
    assert centre.queries.counts()["kinds"] == {"decision": 75, "crossing": 75, "stay": 75, "declaration": 75}
    passed = grouped(centre.queries.passages(date.min, date.max), ["corridor"])
    assert [(group.key["corridor"], group.count("passages")) for group in passed] == [("green", 75)]
    await centre.stop()
    await store.close()


def gate_status(centre: CentreService) -> Any:
    return next(iter(centre.queries.gates()), SimpleNamespace(backlog=-1))


async def test_a9_remote_processing_records_that_wait_for_an_absent_centre_follow_when_it_comes(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    scene = Scene(tmp_path)
    store = await scene.open_store()
    transport = MqttTransport("127.0.0.1", broker.port, "egate-UTO-demo-gate-1", version="3.1.1")
    async with running(scene.link(store, transport)):
        for number in range(20):
            await let_through(store, number)
        await asyncio.sleep(1.0)
        state = await store.link_state()
        assert (state.backlog_records, state.centre_online) == (80, False)
        centre = scene.centre(broker.port)
        await centre.start()
        await eventually(lambda: scene.states() == {"acked": 80})
        state = await store.link_state()
        assert state.last_ack_at is not None
        assert state.oldest_age_s == 0.0
    assert set(ledger(centre)) == scene.outbox()
    await centre.stop()
    await store.close()


async def test_over_the_agents_socket_and_nothing_personal_in_clear(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    path = tmp_path / "sync.sock"
    server = uvicorn.Server(uvicorn.Config(create_sync_api(store), uds=str(path), log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    source = SyncSocket(path)
    async with running(scene.link(source, MemoryTransport(broker))):
        await let_through(store, 4711, Corridor.RED)
        await eventually(lambda: scene.states() == {"acked": 4})
    with centre.engine.connect() as connection:
        rows = connection.execute(sa.select(RECORDS.c.id, RECORDS.c.kind, RECORDS.c.body)).all()
    for row in rows:
        assert b"X00004711" not in row.body
        assert b"SPECIMEN" not in row.body
    decision = next(row for row in rows if row.kind == "decision")
    sealed = json.loads(decision.body)["data"]["sealed"]
    opened = unseal(sealed, scene.seal_key, uuid.UUID(decision.id))
    assert opened["document_number"] == "X00004711"
    assert "X00004711" not in repr(centre.queries.recent_records(10)) + repr(centre.queries.gates())
    task = (await store.desk.tasks())[0]
    officer = Officer("officer-1", "customs_inspector", uuid.uuid4())
    assert await store.desk.close(TaskClosing(task.task_id, InspectionFinding.NOTHING_FOUND, (officer,)))
    server.should_exit = True
    await serving
    await source.close()
    await centre.stop()
    await store.close()
    disk = b"".join(file.read_bytes() for file in (tmp_path / "store").iterdir())
    assert b"X00004711" not in disk


async def test_poison_goes_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    for number in range(5):
        await let_through(store, number)
    poison_row(scene, seq=7)
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"acked": 19, "quarantined": 1})
        await let_through(store, 99)
        await eventually(lambda: scene.states() == {"acked": 23, "quarantined": 1})
        await eventually(lambda: gate_status(centre).backlog == 0)
        assert gate_status(centre).missing == 0
    assert "record_quarantined" in alarm_kinds(centre)
    with centre.engine.connect() as connection:
        aside = connection.execute(sa.select(QUARANTINE)).one()
    assert (aside.seq, bytes(aside.body), aside.reason) == (7, b"not a record", "CS-REC-001")
    assert (await store.link_state()).quarantined_records == 1
    await centre.stop()
    await store.close()


def poison_row(scene: Scene, seq: int) -> None:
    """Write another body into a row and carry the chain on, as a gate with a broken writer would."""
    from central_sync.messages import chain_hash

    with contextlib.closing(sqlite3.connect(scene.folder / "store" / "store.db")) as connection, connection:
        rows = connection.execute(
            "SELECT seq, body, prev_hash FROM outbox WHERE seq >= ? ORDER BY seq", (seq,)
        ).fetchall()
        head = bytes(rows[0][2])
        for place, body, _ in rows:
            text = b"not a record" if place == seq else bytes(body)
            if place > seq:
                text = text.replace(_prev_in(text), head.hex().encode())
            following = chain_hash(head, text)
            connection.execute(
                "UPDATE outbox SET body = ?, prev_hash = ?, hash = ? WHERE seq = ?", (text, head, following, place)
            )
            head = following
        connection.execute("UPDATE chain SET head = ?", (head,))


def _prev_in(body: bytes) -> bytes:
    return json.loads(body)["prev_hash"].encode()


async def test_a_record_changed_after_delivery_raises_the_tamper_alarm(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    await let_through(store, 1)
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"acked": 4})
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "store.db")) as connection, connection:
        from central_sync.messages import chain_hash

        body, prev = connection.execute("SELECT body, prev_hash FROM outbox WHERE seq = 4").fetchone()
        changed = body.replace(b"500000", b"100000")
        assert changed != body
        connection.execute(
            "UPDATE outbox SET body = ?, hash = ?, state = 'pending' WHERE seq = 4",
            (changed, chain_hash(prev, changed)),
        )
        connection.execute("UPDATE chain SET head = ?", (chain_hash(prev, changed),))
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"acked": 3, "quarantined": 1})
    assert {"tampered_record", "chain_head_differs"} <= alarm_kinds(centre)
    assert len(ledger(centre)) == 4
    await centre.stop()
    await store.close()


async def test_a_restored_centre_gets_its_records_again_and_a_restored_store_a_new_epoch(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    for number in range(3):
        await let_through(store, number)
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"acked": 12})
    with centre.engine.begin() as connection:  # the centre's disk was replaced by yesterday's copy
        lost = connection.execute(sa.select(LEDGER.c.id).where(LEDGER.c.seq > 5)).scalars().all()
        connection.execute(sa.delete(LEDGER).where(LEDGER.c.id.in_(lost)))
        connection.execute(sa.delete(RECORDS).where(RECORDS.c.id.in_(lost)))
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: len(ledger(centre)) == 12)
        await eventually(lambda: scene.states() == {"acked": 12})
    assert set(ledger(centre)) == scene.outbox()

    before = (await store.position()).epoch
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "store.db")) as connection, connection:
        head = connection.execute("SELECT hash FROM outbox WHERE seq = 8").fetchone()[0]
        connection.execute("DELETE FROM outbox WHERE seq > 8")
        connection.execute("UPDATE sqlite_sequence SET seq = 8 WHERE name = 'outbox'")
        connection.execute("UPDATE chain SET last_seq = 8, head = ?", (head,))
    async with running(scene.link(store, MemoryTransport(broker))):

        async def has_new_epoch() -> bool:
            return (await store.position()).epoch != before

        await eventually(has_new_epoch)
        await let_through(store, 9)
        await eventually(lambda: scene.states() == {"acked": 12})
    assert "store_went_back" in alarm_kinds(centre)
    assert len(ledger(centre)) == 16
    assert gate_status(centre).missing == 0
    await centre.stop()
    await store.close()


async def test_forged_batches_and_strangers_store_nothing(tmp_path: Path) -> None:
    from central_sync.envelope import seal_batch

    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    await let_through(store, 1)
    page = await store.next_batch("live", 50)
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    stranger = MemoryTransport(broker)
    await centre.connected()
    await stranger.open([ADDRESS.topic("down/ack")])
    forged = seal_batch(page.source, page.epoch, "live", page.bodies(), Ed25519PrivateKey.generate())
    genuine = seal_batch(page.source, page.epoch, "live", page.bodies(), scene.gate_key)
    await stranger.publish(Publication(ADDRESS.topic("up/rec"), forged))
    await stranger.publish(Publication("bcp/v1/UTO/demo/gate-9/up/rec", genuine))
    await stranger.publish(Publication(ADDRESS.topic("up/rec"), genuine[:-1] + bytes([genuine[-1] ^ 1])))
    await eventually(lambda: alarm_kinds(centre) == {"batch_refused"})
    assert ledger(centre) == []
    await stranger.publish(Publication(ADDRESS.topic("up/rec"), genuine))
    answer = await asyncio.wait_for(stranger.receive(), 5)
    assert parse(answer.topic) == (ADDRESS, "down/ack")
    assert (await store.apply_ack(answer.payload)).changed == 4
    await centre.stop()
    await store.close()


async def test_bundles_reach_the_gate_and_an_older_one_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    now, rulebook_key = datetime.now(UTC), Ed25519PrivateKey.generate()
    shelf_folder, centre_folder = tmp_path / "bundles", tmp_path / "centre-bundles"
    centre_folder.mkdir()
    second, first = (
        sign_bundle("rulebook", version, now, now + timedelta(days=1), {"rules": []}, rulebook_key)
        for version in (2, 1)
    )
    (centre_folder / "rulebook.bundle").write_bytes(second)
    shelf = BundleShelf(shelf_folder, [rulebook_key.public_key()], lambda: datetime.now(UTC))
    centre = scene.centre(transport=MemoryTransport(broker), bundles_folder=centre_folder)
    await centre.start()
    on_gate = shelf_folder / "rulebook.bundle"
    async with running(scene.link(store, MemoryTransport(broker), shelf)):
        await eventually(lambda: on_gate.exists() and on_gate.read_bytes() == second)
        await centre.publish_bundle("rulebook", first)
        await asyncio.sleep(0.2)
        assert on_gate.read_bytes() == second
    await centre.stop()
    await store.close()


async def test_a_link_ends_whenever_it_is_told_to(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    moments = random.Random(3)
    for number in range(60):
        task = asyncio.create_task(scene.link(store, MemoryTransport(broker)).run())
        await let_through(store, number)
        await asyncio.sleep(moments.random() * 0.03)
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"acked": 240})
    assert set(ledger(centre)) == scene.outbox()
    await centre.stop()
    await store.close()


async def test_egate_sync_survives_being_killed_with_the_agent_and_the_broker_coming_late(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    scene = Scene(tmp_path)
    (scene.keys / "gate.key").write_bytes(
        scene.gate_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (scene.keys / "centre.pub").write_bytes(
        scene.centre_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    site = tmp_path / "gate.toml"
    site.write_text(
        f"""
        [paths]
        keys = "keys"
        bundles = "bundles"
        run = "."
        [sync]
        broker_port = {broker.port}
        protocol = "3.1.1"
        ack_timeout_s = 0.3
        batch_records = 5
        """
    )

    async def start_sync() -> asyncio.subprocess.Process:
        quiet = asyncio.subprocess.DEVNULL
        command = (sys.executable, "-m", "gate_agent", "sync", "--config", str(site))
        return await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, cwd=Path(__file__).parents[2])

    sync = await start_sync()  # nobody serves the socket yet
    await broker.kill()
    await asyncio.sleep(0.8)
    assert sync.returncode is None
    store = await scene.open_store()
    server = uvicorn.Server(
        uvicorn.Config(create_sync_api(store), uds=str(tmp_path / "sync.sock"), log_level="critical", lifespan="off")
    )
    serving = asyncio.create_task(server.serve())
    await broker.start()
    centre = scene.centre(broker.port, protocol="3.1.1")
    await centre.start()
    for kill in range(2):
        for number in range(10):
            await let_through(store, 100 * kill + number)
        sync.kill()
        await sync.wait()
        sync = await start_sync()
    await eventually(lambda: scene.states() == {"acked": 80}, 30)
    assert set(ledger(centre)) == scene.outbox()
    assert (await store.link_state()).centre_online
    sync.terminate()
    assert await asyncio.wait_for(sync.wait(), 10) == 0
    server.should_exit = True
    await serving
    await centre.stop()
    await store.close()
