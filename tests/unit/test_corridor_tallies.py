"""The centre's live counters of corridors: counted with the records, once, and equal to what a recount of the bodies gives."""

import asyncio
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from central_sync import strict_json
from central_sync.centre import corridor_tallies
from central_sync.centre.corridor_tallies import CorridorTally
from central_sync.centre.schema import CORRIDOR_TALLIES, RECORDS, open_engine
from central_sync.messages import read_record
from gate_agent.domain.crossing import Corridor, PassageOutcome
from gate_agent.domain.identifiers import uuid7
from tests.unit.test_store import NOW, HandClock, crossed, decided, open_store

GATE = "UTO/demo/gate-1"
BEGUN_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def engine(tmp_path: Path):
    made = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    yield made
    made.dispose()


async def records(folder: Path):
    """Return the records of a gate where green takes 40 s; one traveller did not pass."""
    clock = HandClock()
    store = await open_store(folder, clock)
    for corridor in [Corridor.GREEN] * 3 + [Corridor.YELLOW] + [Corridor.RED] * 2:
        decision = decided(corridor=corridor, transaction_id=uuid7(BEGUN_MS), declaration=None)
        await store.commit_decision(decision)
        moment = datetime.fromtimestamp(BEGUN_MS / 1000 + 40, UTC)
        await store.commit_crossing(crossed(decision, occurred_at=moment))
    refused = decided(transaction_id=uuid7(BEGUN_MS), declaration=None)
    await store.commit_decision(refused)
    await store.commit_crossing(crossed(refused, PassageOutcome.NOT_PASSED))
    rows = await store._database.write(lambda connection: connection.execute("SELECT body FROM outbox").fetchall())
    await store.close()
    return [read_record(bytes(row["body"])) for row in rows]


def keep(engine: sa.Engine, told, gate: str = GATE) -> None:
    with engine.begin() as connection:
        for record in told:
            body = strict_json.dumps(record.model_dump(mode="json"))
            connection.execute(
                RECORDS.insert().values(
                    id=str(uuid.uuid4()), gate=gate, kind=record.kind, time=record.time.isoformat(),
                    stored_at=NOW.isoformat(), corridor="", outcome="", reasons="[]", body=body,
                )
            )  # fmt: skip


def test_live_counters_equal_a_recount(tmp_path: Path, engine: sa.Engine) -> None:
    told = asyncio.run(records(tmp_path))
    with engine.begin() as connection:
        for record in told:  # one commit or many: the sums are the same
            corridor_tallies.note(connection, engine.dialect.name, GATE, [record])
        live = corridor_tallies.tallies(connection)
    assert {name: tally.crossings for name, tally in live.items()} == Counter(green=3, yellow=1, red=2)
    assert (live["green"].timed, live["green"].seconds) == (3, 120)
    assert live["yellow"].timed == 0
    assert not corridor_tallies.rebuild(engine)  # there are counters already
    keep(engine, told)
    with engine.begin() as connection:
        connection.execute(CORRIDOR_TALLIES.delete())
    assert corridor_tallies.rebuild(engine)
    with engine.connect() as connection:
        assert corridor_tallies.tallies(connection) == live


def test_a_recount_tells_the_gates_apart(tmp_path: Path, engine: sa.Engine) -> None:
    told = asyncio.run(records(tmp_path))
    keep(engine, told)
    keep(engine, told[:2], "UTO/demo/gate-2")  # the first traveller of three in green
    assert corridor_tallies.rebuild(engine)
    counted = sa.select(CORRIDOR_TALLIES.c.gate, CORRIDOR_TALLIES.c.corridor, CORRIDOR_TALLIES.c.crossings)
    with engine.connect() as connection:
        found = {(row.gate, row.corridor): row.crossings for row in connection.execute(counted)}
    of_first = {(GATE, "green"): 3, (GATE, "yellow"): 1, (GATE, "red"): 2}
    assert found == of_first | {("UTO/demo/gate-2", "green"): 1}


def test_an_empty_centre_has_nothing_to_count(engine: sa.Engine) -> None:
    assert not corridor_tallies.rebuild(engine)
    with engine.connect() as connection:
        assert corridor_tallies.tallies(connection) == {}
    assert CorridorTally().crossings == 0
