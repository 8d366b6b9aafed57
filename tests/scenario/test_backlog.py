"""A9, remote data processing at the border: a long backlog, written while the centre is dark, drains whole through interruptions.

`make backlog` has a gate write 100,000 records; the suite takes a part of them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from central_sync.centre.schema import ALARMS, LEDGER, QUARANTINE, RECORDS, open_engine
from central_sync.gate_link import GateKeys, GateLink
from central_sync.transports.mqtt import MqttTransport
from central_sync.uplink import UplinkSettings
from gate_agent.cli import counts_source
from gate_agent.store import Store
from tests.scenario.test_sync_scenario import ADDRESS, MOSQUITTO, Mosquitto, Scene, free_port, let_through, running
from tests.whole_sweeps import SWEEPS_ARE_WHOLE

BACKLOG_RECORDS = 100_000 if SWEEPS_ARE_WHOLE else 1_000
RECORDS_OF_ONE = 4
TOGETHER = 50  # travellers whose commits wait for the disk at the same time, as on the lanes of a busy gate
UPLINK = UplinkSettings() if SWEEPS_ARE_WHOLE else UplinkSettings(batch_records=10, window_batches=8, ack_timeout_s=1.0)
LONGEST_S = 3_600.0 if SWEEPS_ARE_WHOLE else 240.0

_CENTRE = """
import asyncio, logging, sys
from pathlib import Path
import structlog
from central_sync.centre.service import CentreService
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
async def serve():
    centre = CentreService(sys.argv[1], "127.0.0.1", int(sys.argv[2]), Path(sys.argv[3]), "UTO")
    await centre.start()
    await asyncio.Event().wait()
asyncio.run(serve())
"""


class CentreProcess:
    """The centre in a process of its own, so that it can be killed in the middle of a commit."""

    def __init__(self, scene: Scene, port: int) -> None:
        self._words = (scene.database, str(port), str(scene.keys))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-c", _CENTRE, *self._words)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


async def written(store: Store) -> float:
    """Write the backlog; return how many records a second that was."""
    began_s = time.monotonic()
    travellers = BACKLOG_RECORDS // RECORDS_OF_ONE
    for first in range(0, travellers, TOGETHER):
        await asyncio.gather(
            *(let_through(store, number) for number in range(first, min(first + TOGETHER, travellers)))
        )
    return BACKLOG_RECORDS / (time.monotonic() - began_s)


async def drained_to(store: Store, share: float) -> None:
    """Wait until that share of the backlog has arrived."""
    async with asyncio.timeout(LONGEST_S):
        while (await store.position()).backlog_records > BACKLOG_RECORDS * (1 - share):
            await asyncio.sleep(0.05)


@pytest.mark.mosquitto
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
async def test_a9_remote_processing_a_long_backlog_drains_with_no_duplicate_and_none_lost(tmp_path: Path) -> None:
    """Written in the dark; while it drains the broker dies once, the centre is killed once, and both come back."""
    scene = Scene(tmp_path)
    store = await scene.open_store()
    write_rate = await written(store)
    waiting = await store.link_state()
    assert (waiting.backlog_records, waiting.centre_online) == (BACKLOG_RECORDS, False)

    broker = Mosquitto(free_port(), tmp_path)
    centre = CentreProcess(scene, broker.port)
    link = GateLink(
        ADDRESS, store, MqttTransport("127.0.0.1", broker.port, "egate-UTO-demo-gate-1"),
        GateKeys(scene.gate_key, scene.centre_key.public_key()), now=lambda: datetime.now(UTC),
        settings=UPLINK, heartbeat_s=1.0,
    )  # fmt: skip
    await broker.start()
    await centre.start()
    try:
        async with running(link):
            began_s = time.monotonic()
            await drained_to(store, 0.3)
            await broker.kill()
            await asyncio.sleep(1.0)
            await broker.start()
            await drained_to(store, 0.6)
            await centre.kill()
            await asyncio.sleep(1.0)
            at_kill = (await store.position()).backlog_records
            await centre.start()
            await drained_to(store, 1.0)
            drain_rate = BACKLOG_RECORDS / (time.monotonic() - began_s)
    finally:
        await centre.kill()
        await broker.kill()
        await store.close()
    assert 0 < at_kill < BACKLOG_RECORDS, "the interruptions came while it drained"
    assert scene.states() == {"acked": BACKLOG_RECORDS}
    engine = open_engine(scene.database)
    with engine.connect() as connection:
        ledger = [(row.id, row.seq, bytes(row.hash)) for row in connection.execute(sa.select(LEDGER))]
        bodies = connection.execute(sa.select(sa.func.count(), sa.func.count(RECORDS.c.id.distinct()))).one()
        aside = [
            connection.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for one in (QUARANTINE, ALARMS)
        ]
    engine.dispose()
    assert len(ledger) == BACKLOG_RECORDS
    assert set(ledger) == scene.outbox()
    assert tuple(bodies) == (BACKLOG_RECORDS, BACKLOG_RECORDS)
    assert aside == [0, 0]
    for source in (str(tmp_path / "store"), scene.database):
        assert counts_source.compared(source)[0] == []
        cells = counts_source.cells(source, date.min, date.max, None)
        assert sum(figures["passages"] for _, _, figures in cells) == BACKLOG_RECORDS // RECORDS_OF_ONE
    print(
        f"\n{BACKLOG_RECORDS} records: {write_rate:.0f} written and {drain_rate:.0f} drained each second, two interruptions"
    )
