"""Records committed at the centre per second, beside plain paho QoS 1 publishing of the same records, over one broker in one run.

"Ours" ends when the centre's database has committed and the gate's store has marked every record as acknowledged; the peer ends when
the broker has said PUBACK to a paho client with its own defaults, which is durable nowhere. A second peer keeps a durable outbox and
sends it row by row, which is durable at the gate only. The centre is a process of its own, as in service. All run on one machine, over
mosquitto where it is installed, else over the embedded broker. The commit latency of a decision is measured on the same disk.
"""

import asyncio
import contextlib
import json
import logging
import shutil
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import paho.mqtt.client as mqtt
import structlog
from amqtt.broker import Broker
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from central_sync.centre.queries import CentreQueries
from central_sync.centre.schema import open_engine
from central_sync.gate_link import GateKeys, GateLink
from central_sync.topics import GateAddress
from central_sync.transports.mqtt import MqttTransport, MqttVersion
from central_sync.uplink import UplinkSettings
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy, Decision, PolicyAnswer
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.store import Store

NAME = "sync"
RECORDS = 3_000
DECISIONS = 200

_PROTOCOL: MqttVersion = "3.1.1"
_CENTRE = """
import asyncio, logging, sys
from pathlib import Path
import structlog
from central_sync.centre.service import CentreService
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
async def serve():
    centre = CentreService(sys.argv[1], "127.0.0.1", int(sys.argv[2]), Path(sys.argv[3]), "UTO", protocol="3.1.1")
    await centre.start()
    await centre.connected()
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(serve())
"""


def run() -> list[BenchRow]:
    """Measure once; takes about a minute."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="egate-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[BenchRow]:
    gate_key, centre_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    _write_keys(folder, gate_key, centre_key)
    store = await Store.open(
        folder / "store",
        SystemClock(),
        SimpleNamespace(country="UTO", site="bench", gate_id="gate-1"),
        X25519PrivateKey.generate().public_key(),
        SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=1096, ballast_bytes=0),
        centre_public_key=centre_key.public_key(),
    )
    latencies_ms = await _decision_latencies_ms(store)
    for number in range(RECORDS - DECISIONS):
        await store.commit_seal(SealReport(f"S{number}", SealState.INTACT, "", datetime.now(UTC)))
    bodies = await _bodies(store)
    rates, peer_rates = [], []
    async with _broker(folder) as port:
        peer_rates.append(await asyncio.to_thread(_peer_rate, port, bodies))
        rates.append(await _our_rate(folder, port, store, GateKeys(gate_key, centre_key.public_key())))
        peer_rates.append(await asyncio.to_thread(_peer_rate, port, bodies))
        naive = await asyncio.to_thread(_naive_rate, folder, port, bodies[:500])
    await store.close()
    ours, peer = max(rates), max(peer_rates)
    quantiles = statistics.quantiles(latencies_ms, n=100)
    return [
        BenchRow("sync: committed at the centre / PUBACK of plain paho", ours, peer, ours / peer, "records/s"),
        BenchRow(
            "sync: committed at the centre / SQLite outbox, each row to PUBACK", ours, naive, ours / naive, "records/s"
        ),
        BenchRow("sync: commit of a decision, p50", quantiles[49], None, None, "ms"),
        BenchRow("sync: commit of a decision, p99", quantiles[98], None, None, "ms"),
    ]


def _write_keys(folder: Path, gate_key: Ed25519PrivateKey, centre_key: Ed25519PrivateKey) -> None:
    (folder / "centre.key").write_bytes(
        centre_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    pem = gate_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    gate = {"country": "UTO", "site": "bench", "gate_id": "gate-1", "public_key_pem": pem.decode()}
    (folder / "directory.json").write_text(json.dumps({"gates": [gate]}), encoding="ascii")


async def _decision_latencies_ms(store: Store) -> list[float]:
    latencies_ms = []
    for _ in range(DECISIONS):
        now = datetime.now(UTC)
        decision = Decision(
            decision_id=uuid.uuid4(),
            transaction_id=uuid.uuid4(),
            lane_id=1,
            direction=Direction.ENTRY,
            decided_at=now,
            local_date=now.date(),
            decided_by=DecidedBy.MACHINE,
            answer=PolicyAnswer(Admission.RELEASE, (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),), Corridor.GREEN, ()),
            checks=(),
            document=None,
            declaration=None,
        )
        began_s = time.perf_counter()
        await store.commit_decision(decision)
        latencies_ms.append((time.perf_counter() - began_s) * 1000)
    return latencies_ms


async def _bodies(store: Store) -> list[bytes]:
    bodies: list[bytes] = []
    after = 0
    while rows := (await store.next_batch("live", 50, after)).bodies():
        bodies += [row.body for row in rows]
        after = rows[-1].seq
    return bodies


async def _our_rate(folder: Path, port: int, store: Store, keys: GateKeys) -> float:
    database_url = f"sqlite:///{folder / 'centre.db'}"
    centre = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CENTRE, database_url, str(port), str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert centre.stdout is not None
    if await asyncio.wait_for(centre.stdout.readline(), 30) != b"ready\n":
        raise RuntimeError("the centre's process did not start")
    link = GateLink(
        GateAddress("UTO", "bench", "gate-1"),
        store,
        MqttTransport("127.0.0.1", port, "egate-UTO-bench-gate-1", version=_PROTOCOL),
        keys,
        now=lambda: datetime.now(UTC),
        settings=UplinkSettings(),
    )
    began_s = time.perf_counter()
    running = asyncio.create_task(link.run())
    while (await store.position()).backlog_records:
        await asyncio.sleep(0.02)
    took_s = time.perf_counter() - began_s
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    centre.terminate()
    await centre.wait()
    totals = await asyncio.to_thread(CentreQueries(open_engine(database_url)).counts)
    stored = totals["totals"]["stored"]
    if stored != RECORDS:
        raise RuntimeError(f"the centre stored {stored} of {RECORDS} records")
    return RECORDS / took_s


def _naive_rate(folder: Path, port: int, bodies: list[bytes]) -> float:
    """One durable row at a time: published, PUBACK awaited, deleted. Power-safe at the gate only."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    with contextlib.closing(sqlite3.connect(folder / "naive.db", isolation_level=None)) as rows:
        rows.execute("PRAGMA journal_mode=WAL")
        rows.execute("PRAGMA synchronous=FULL")
        rows.execute("CREATE TABLE outbox (seq INTEGER PRIMARY KEY, body BLOB)")
        rows.executemany("INSERT INTO outbox (body) VALUES (?)", [(body,) for body in bodies])
        began_s = time.perf_counter()
        for seq in range(1, len(bodies) + 1):
            (body,) = rows.execute("SELECT body FROM outbox WHERE seq = ?", (seq,)).fetchone()
            client.publish("peer/records", body, qos=1).wait_for_publish(60)
            rows.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
        took_s = time.perf_counter() - began_s
    client.disconnect()
    client.loop_stop()
    return len(bodies) / took_s


def _peer_rate(port: int, bodies: list[bytes]) -> float:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    began_s = time.perf_counter()
    messages = [client.publish("peer/records", body, qos=1) for body in bodies]
    for message in messages:
        message.wait_for_publish(60)
    took_s = time.perf_counter() - began_s
    client.disconnect()
    client.loop_stop()
    return len(bodies) / took_s


@contextlib.asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    executable = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    if executable is None:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        yield port
        await broker.shutdown()
        return
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n", encoding="ascii"
    )
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(executable, "-c", str(configuration), stdout=quiet, stderr=quiet)
    for _ in range(200):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.02)
    try:
        yield port
    finally:
        process.terminate()
        await process.wait()
