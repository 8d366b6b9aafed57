"""The gate's store: one owner, one chain, one transaction per fact; acknowledgements believed only with our own hash."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from structlog.testing import capture_logs

from central_sync.acks import Ack, sign_ack
from central_sync.commands import Command, sign_command
from central_sync.errors import AckRefused, CommandRefused
from central_sync.handover import LinkReport
from central_sync.messages import chain_hash, first_prev_hash, read_record
from central_sync.screening_part import ScreeningPart
from central_sync.sealing import unseal
from central_sync.stay_parts import CorrectionV1
from gate_agent.app.knowledge import StayBundle
from gate_agent.app.stay_desk import StayImport
from gate_agent.domain.alarm import Alarm, AlarmPriority
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
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
from gate_agent.domain.declaration import (
    Declaration,
    DeclaredGoods,
    Direction,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.domain.stay import Stay
from gate_agent.domain.task_closing import TaskClosing
from gate_agent.errors import StoreFault
from gate_agent.policy.stay_rules import open_stay
from gate_agent.runtime.sync_api import create_sync_api
from gate_agent.store import StayFact, Store, records
from gate_agent.store.database import DISK_ERROR, DISK_FULL
from tests.unit.utopian_documents import document

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CENTRE, SEALING = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
GATE = SimpleNamespace(country="UTO", site="demo", gate_id="gate-1")


class HandClock:
    def __init__(self) -> None:
        self.time = NOW
        self.ticks_s = 100.0

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return self.ticks_s

    def turn(self, **step: float) -> None:
        self.time += timedelta(**step)
        self.ticks_s += timedelta(**step).total_seconds()


DOCUMENT = document(12345678)
DECLARATION = Declaration(
    token_id=b"token-1",
    reference="D-1",
    issued_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    direction=Direction.ENTRY,
    mode=TravelMode.AIR,
    goods=(DeclaredGoods("textile", Money(120_00, "USD"), 2_000),),
)


def decided(admission=Admission.RELEASE, corridor=Corridor.GREEN, **changes) -> Decision:
    values = {
        "decision_id": uuid.uuid4(),
        "transaction_id": uuid.uuid4(),
        "lane_id": 1,
        "direction": Direction.ENTRY,
        "decided_at": NOW,
        "local_date": NOW.date(),
        "decided_by": DecidedBy.MACHINE,
        "answer": PolicyAnswer(
            admission,
            (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),),
            corridor,
            (Reason(ReasonCode.VALUE_OVER_ALLOWANCE, {"value": "9", "allowance": "1"}),),
        ),
        "checks": (
            CheckResult(
                CheckName.EXPIRY, CheckOutcome.SUCCESSFUL, compared=(Compared("date_of_expiry", "310101", "260501"),)
            ),
        ),
        "document": DOCUMENT,
        "declaration": DECLARATION,
    }
    return Decision(**(values | changes))


def crossed(decision: Decision, passage=PassageOutcome.PASSED, **changes) -> Crossing:
    values = {
        "crossing_id": uuid.uuid4(),
        "transaction_id": decision.transaction_id,
        "decision_id": decision.decision_id,
        "lane_id": decision.lane_id,
        "direction": decision.direction,
        "occurred_at": NOW,
        "local_date": NOW.date(),
        "passage": passage,
        "document": decision.document,
        "declaration": decision.declaration,
        "corridor": decision.answer.corridor,
    }
    return Crossing(**(values | changes))


def closing_of(task_id: uuid.UUID, officer_id: str, **changes) -> TaskClosing:
    officer = Officer(officer_id, "customs_inspector", uuid.uuid4())
    return TaskClosing(task_id, **({"finding": InspectionFinding.NOTHING_FOUND, "officers": (officer,)} | changes))


async def open_store(folder: Path, clock=None, ballast_bytes=0, days=30) -> Store:
    return await Store.open(
        folder / "store",
        clock or HandClock(),
        GATE,
        SEALING.public_key(),
        SimpleNamespace(keep_acknowledged_days=days, keep_receipts_days=1096, ballast_bytes=ballast_bytes),
        centre_public_key=CENTRE.public_key(),
    )


@pytest.fixture
async def clock():
    return HandClock()


@pytest.fixture
async def store(tmp_path, clock):
    one = await open_store(tmp_path, clock)
    yield one
    await one.close()


async def seals(store: Store, count: int) -> None:
    for number in range(count):
        await store.commit_seal(SealReport(f"S{number}", SealState.INTACT, "", NOW))


async def rows_of(store: Store):
    live = await store.next_batch("live", 50)
    backlog = await store.next_batch("backlog", 50)
    return sorted(live.bodies() + backlog.bodies(), key=lambda row: row.seq)


async def kinds(store: Store) -> list[str]:
    return [read_record(row.body).kind for row in await rows_of(store)]


def acknowledgement(epoch, first, last, head, key=CENTRE, **changes) -> bytes:
    values = {
        "source": "UTO/demo/gate-1",
        "epoch": epoch,
        "ranges": [(first, last)],
        "status": "stored",
        "head": head.hex(),
        "centre_time": NOW,
    }
    return sign_ack(Ack.model_validate(values | changes), key)


async def test_every_fact_gets_its_place_in_one_chain(store):
    decision = decided()
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision))
    await store.commit_alarm(Alarm(uuid.uuid4(), 1, AlarmPriority.HIGH, Reason(ReasonCode.FIRE), NOW))
    await store.commit_seal(SealReport("S1", SealState.TAMPERED, "wire_cut", NOW))
    await store.commit_correction(CorrectionV1(corrects=decision.decision_id, reason="wrong_lane", officer_id="o-1"))
    assert await kinds(store) == ["decision", "crossing", "stay", "declaration", "alarm", "seal", "correction"]
    position = await store.position()
    head = first_prev_hash(position.epoch)
    for place, row in enumerate(await rows_of(store), start=1):
        record = read_record(row.body)
        assert (row.seq, record.seq, row.prev_hash, record.prev_hash) == (place, place, head, head.hex())
        assert record.epoch == position.epoch
        head = chain_hash(head, row.body)
    assert (position.first_seq, position.first_unacked, position.last_seq, position.head) == (1, 1, 7, head.hex())


async def test_the_same_fact_again_changes_nothing(store):
    decision = decided(corridor=Corridor.RED)
    crossing = crossed(decision)
    for _ in range(2):
        await store.commit_decision(decision)
        await store.commit_crossing(crossing)
    assert await kinds(store) == ["decision", "crossing", "stay", "declaration"]
    assert len(await store.desk.tasks()) == 1


@pytest.mark.parametrize("passage", [PassageOutcome.NOT_PASSED, PassageOutcome.UNDETERMINED])
async def test_without_confirmed_passage_nothing_is_consumed_or_opened(store, passage):
    decision = decided(corridor=Corridor.RED)
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision, passage))
    assert await kinds(store) == ["decision", "crossing"]
    assert not await store.token_used(b"token-1", "UTO", "X12345678")
    assert open_stay(await store.stays_of("UTO", "X12345678"), date.max) is None
    assert await store.desk.tasks() == []


async def test_passage_consumes_the_token_for_its_document_and_opens_a_stay_that_an_exit_closes(store):
    decision = decided()
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision))
    assert await store.token_used(b"token-1", "UTO", "X12345678")
    assert not await store.token_used(b"token-1", "UTO", "X12345679")
    assert not await store.token_used(b"token-2", "UTO", "X12345678")
    assert open_stay(await store.stays_of("UTO", "X12345678"), date.max) == Stay(NOW.date(), None, "UTO/demo/gate-1")
    leaving = decided(direction=Direction.EXIT, declaration=None)
    await store.commit_decision(leaving)
    await store.commit_crossing(crossed(leaving, local_date=date(2026, 5, 20)))
    assert open_stay(await store.stays_of("UTO", "X12345678"), date.max) is None
    stays = [read_record(row.body) for row in await rows_of(store) if b"egate.stay.v1" in row.body]
    assert [(stay.data["action"], stay.data["entered_on"], stay.data["exited_on"]) for stay in stays] == [
        ("opened", "2026-05-01", None),
        ("closed", "2026-05-01", "2026-05-20"),
    ]
    assert stays[0].data["stay_id"] == stays[1].data["stay_id"]


async def test_an_exit_without_an_entry_is_kept_as_such(store):
    leaving = decided(direction=Direction.EXIT, declaration=None)
    await store.commit_decision(leaving)
    await store.commit_crossing(crossed(leaving))
    stay = read_record((await rows_of(store))[-1].body)
    assert (stay.data["action"], stay.data["entered_on"], stay.data["exited_on"]) == ("closed", None, "2026-05-01")


async def test_stay_facts_count_once_per_version_and_reopen_nothing(store):
    fact = StayFact(uuid.uuid4(), "UTO", "X12345678", date(2026, 4, 1), None, "centre")
    assert await store.import_stays(3, [fact]) == 1
    assert await store.import_stays(3, [fact]) == 0
    assert await store.import_stays(2, [fact]) == 0
    assert open_stay(await store.stays_of("UTO", "X12345678"), date.max) == Stay(date(2026, 4, 1), None, "centre")
    leaving = decided(direction=Direction.EXIT, declaration=None)
    await store.commit_crossing(crossed(leaving))
    assert await store.import_stays(4, [fact]) == 0
    assert open_stay(await store.stays_of("UTO", "X12345678"), date.max) is None


async def test_stays_are_imported_behind_the_lanes_and_what_the_disk_refused_is_tried_again(store, monkeypatch):
    facts = [StayFact(uuid.uuid4(), "UTO", f"X{number:08}", date(2026, 4, 1), None, "centre") for number in range(450)]
    bundle = StayBundle(3, tuple(facts))
    write, urgencies, refusals = store._database.write, [], [DISK_ERROR, DISK_FULL, DISK_FULL]

    async def refusing(work, *, is_urgent=True):
        urgencies.append(is_urgent)
        if len(urgencies) > 2 and refusals:
            raise StoreFault("the gate's disk refused", code=refusals.pop(0))
        return await write(work, is_urgent=is_urgent)

    monkeypatch.setattr(store._database, "write", refusing)
    told = StayImport(store)
    with capture_logs() as logs:
        for _ in range(5):
            await told.take(bundle)
    assert [(one["event"], one.get("code")) for one in logs] == [
        ("stays_not_imported", DISK_ERROR), ("stays_not_imported", DISK_FULL), ("stays_imported", None),
    ]  # fmt: skip
    assert set(urgencies) == {False}
    for number in (0, 449):
        assert len(await store.stays_of("UTO", f"X{number:08}")) == 1


async def test_customs_work_is_closed_once_and_recorded(store):
    decision = decided(corridor=Corridor.RED)
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision))
    (task,) = await store.desk.tasks()
    assert task.reasons == decision.answer.corridor_reasons
    assert task.declaration_reference == "D-1"
    assert await store.desk.close(closing_of(task.task_id, "officer-1"))
    assert not await store.desk.close(closing_of(task.task_id, "officer-2"))
    assert not await store.desk.close(closing_of(uuid.uuid4(), "officer-1"))
    assert await store.desk.tasks() == []
    inspection = read_record((await rows_of(store))[-1].body)
    assert (inspection.kind, inspection.data["officer_id"]) == ("inspection", "officer-1")


async def test_a_scan_that_stood_at_the_task_is_recorded_with_the_inspection(store):
    decision = decided(corridor=Corridor.RED)
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision))
    (task,) = await store.desk.tasks()
    scan = ScreeningPart(scan_id="D-1", decision="alarm", reported_at=NOW, file_reference="images/D-1.dcs")
    assert await store.desk.close(closing_of(task.task_id, "officer-1"), [scan])
    inspection = read_record((await rows_of(store))[-1].body)
    assert inspection.content().screening == [scan]


async def test_a_release_without_a_crossing_is_found_after_a_restart(tmp_path):
    store = await open_store(tmp_path)
    finished, open_release, referred = decided(), decided(), decided(Admission.REFER)
    for decision in (finished, open_release, referred):
        await store.commit_decision(decision)
    await store.commit_entrance(open_release.transaction_id, 1)
    await store.commit_crossing(crossed(finished))
    await store.close()
    store = await open_store(tmp_path)
    (found,) = await store.undecided_releases()
    assert (found.decision_id, found.transaction_id) == (open_release.decision_id, open_release.transaction_id)
    assert (found.direction, found.corridor, found.decided_at) == (Direction.ENTRY, Corridor.GREEN, NOW)
    await store.commit_crossing(crossed(open_release, PassageOutcome.UNDETERMINED, document=None, declaration=None))
    assert await store.undecided_releases() == []
    await store.close()


async def test_a_nonce_counts_once_also_across_a_restart_and_is_forgotten_after_expiry(tmp_path, clock):
    store = await open_store(tmp_path, clock)
    assert await store.remember_nonce("n" * 16, NOW + timedelta(minutes=1))
    assert not await store.remember_nonce("n" * 16, NOW + timedelta(minutes=1))
    await store.close()
    store = await open_store(tmp_path, clock)
    assert not await store.remember_nonce("n" * 16, NOW + timedelta(minutes=1))
    clock.turn(minutes=2)
    assert await store.remember_nonce("m" * 16, NOW + timedelta(minutes=5))
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "store.db")) as connection:
        assert connection.execute("SELECT count(*) FROM nonces").fetchone() == (1,)
    await store.close()


async def test_only_one_process_owns_the_store(tmp_path, store):
    with pytest.raises(StoreFault) as fault:
        await open_store(tmp_path)
    assert fault.value.code == "EG-STO-003"
    await seals(store, 1)


async def test_nothing_personal_lies_in_clear_and_files_are_the_owners_alone(tmp_path, store):
    decision = decided(reason_text="seen with SPECIMEN", officers=(Officer("o-1", "guard", uuid.uuid4()),))
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision))
    content = b"".join(file.read_bytes() for file in (tmp_path / "store").iterdir())
    for value in (b"X12345678", b"SPECIMEN", b"UTOPIA", b"900101", b"310101", b"seen with"):
        assert value not in content
    assert stat.S_IMODE((tmp_path / "store" / "lookup.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "store" / "store.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


async def test_durability_settings_are_in_force(store):
    read = lambda connection: (
        connection.execute("PRAGMA journal_mode").fetchone()[0],
        connection.execute("PRAGMA synchronous").fetchone()[0],
        connection.execute("PRAGMA secure_delete").fetchone()[0],
    )
    assert await store._database.write(read) == ("wal", 2, 1)


async def test_an_acknowledgement_counts_only_with_our_own_hash(store):
    await seals(store, 5)
    rows, epoch = await rows_of(store), (await store.position()).epoch
    refusals = [
        (acknowledgement(epoch, 1, 5, rows[4].hash, key=Ed25519PrivateKey.generate()), "CS-ACK-002"),
        (acknowledgement(epoch, 1, 5, rows[4].hash, source="UTO/demo/gate-2"), "CS-ACK-003"),
        (acknowledgement(uuid.uuid4(), 1, 5, rows[4].hash), "CS-ACK-004"),
        (acknowledgement(epoch, 1, 5, rows[3].hash), "CS-ACK-005"),
        (acknowledgement(epoch, 1, 6, rows[4].hash), "CS-ACK-005"),
        (b"rubbish", "CS-ACK-001"),
    ]
    for wire, code in refusals:
        with pytest.raises(AckRefused) as refusal:
            await store.apply_ack(wire)
        assert refusal.value.code == code
    assert len(await rows_of(store)) == 5
    assert (await store.apply_ack(acknowledgement(epoch, 2, 3, rows[2].hash))).changed == 2
    position = await store.position()
    assert (position.first_unacked, position.last_seq, position.backlog_records) == (1, 5, 3)
    assert (await store.apply_ack(acknowledgement(epoch, 1, 5, rows[4].hash))).changed == 3
    assert (await store.apply_ack(acknowledgement(epoch, 1, 5, rows[4].hash))).changed == 0
    assert (await store.position()).first_unacked == 6


async def test_a_refused_record_waits_aside_and_a_late_refusal_unstores_nothing(store):
    await seals(store, 2)
    rows, epoch = await rows_of(store), (await store.position()).epoch
    await store.apply_ack(acknowledgement(epoch, 1, 1, rows[0].hash, status="quarantined", reason="CS-REC-002"))
    assert (await store.link_state()).quarantined_records == 1
    assert [row.seq for row in await rows_of(store)] == [2]
    assert (await store.apply_ack(acknowledgement(epoch, 1, 1, rows[0].hash))).changed == 1
    assert (
        await store.apply_ack(acknowledgement(epoch, 1, 1, rows[0].hash, status="quarantined", reason="x"))
    ).changed == 0


async def test_acknowledged_rows_leave_after_their_days_and_others_never(tmp_path, clock):
    store = await open_store(tmp_path, clock, days=2)
    await seals(store, 3)
    rows, epoch = await rows_of(store), (await store.position()).epoch
    await store.apply_ack(acknowledgement(epoch, 1, 2, rows[1].hash))
    clock.turn(days=1)
    assert await store.purge() == 0
    clock.turn(days=400)
    assert await store.purge() == 2
    assert [row.seq for row in await rows_of(store)] == [3]
    await seals(store, 1)
    assert [row.seq for row in await rows_of(store)] == [3, 4]
    await store.close()
    store = await open_store(tmp_path, clock, days=2)
    assert (await store.position()).last_seq == 4
    await store.close()


async def test_the_lanes_and_the_link(store, clock):
    await seals(store, 2)
    assert len((await store.next_batch("live", 50)).rows) == 2
    await store.report_link(LinkReport(centre_online=True))
    assert len((await store.next_batch("backlog", 50)).rows) == 2
    await seals(store, 1)
    assert [row.seq for row in (await store.next_batch("live", 50)).rows] == [3]
    assert [row.seq for row in (await store.next_batch("backlog", 1, after_seq=1)).rows] == [2]
    clock.turn(seconds=20)
    state = await store.link_state()
    assert (state.centre_online, state.backlog_records, state.oldest_age_s) == (True, 3, 20.0)
    clock.turn(seconds=10)
    state = await store.link_state()
    assert (state.centre_online, state.since) == (False, clock.now())


async def test_a_waiting_reader_is_woken_by_the_next_commit(store):
    waiting = [asyncio.create_task(store.next_batch("live", 50, 0, 30.0)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await seals(store, 1)
    pages = await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert [len(page.rows) for page in pages] == [1, 1, 1]


def command(epoch, action, **changes) -> Command:
    values = {"command_id": uuid.uuid4(), "source": "UTO/demo/gate-1", "action": action, "epoch": epoch}
    return Command.model_validate(values | {"not_after": NOW + timedelta(hours=1)} | changes)


async def test_commands_run_once(store):
    await seals(store, 3)
    rows, epoch = await rows_of(store), (await store.position()).epoch
    await store.apply_ack(acknowledgement(epoch, 1, 3, rows[2].hash))
    again = sign_command(command(epoch, "resend", ranges=[(2, 3)]), CENTRE)
    first = await store.apply_command(again)
    assert first.changed == 2
    await store.apply_ack(acknowledgement(epoch, 1, 3, rows[2].hash))
    assert await store.apply_command(again) == first
    assert await rows_of(store) == []
    with pytest.raises(CommandRefused):
        await store.apply_command(sign_command(command(epoch, "resend"), Ed25519PrivateKey.generate()))
    harmless = command(epoch, "new_epoch", ranges=[(3, 3)], head=rows[2].hash.hex())
    assert (await store.apply_command(sign_command(harmless, CENTRE))).changed == 0
    assert (await store.position()).epoch == epoch
    await store.apply_command(sign_command(command(epoch, "new_epoch", ranges=[(9, 9)], head="0" * 64), CENTRE))
    position = await store.position()
    assert position.epoch != epoch
    assert (position.first_seq, position.head) == (4, first_prev_hash(position.epoch).hex())
    with pytest.raises(CommandRefused):
        await store.apply_command(sign_command(command(epoch, "new_epoch"), CENTRE))


async def test_a_fact_that_is_no_record_is_a_fault_and_leaves_the_chain_whole(store):
    with pytest.raises(StoreFault) as fault:
        await store.commit_seal(SealReport("S" * 100, SealState.INTACT, "", NOW))
    assert fault.value.code == "EG-STO-005"
    await seals(store, 1)
    assert (await store.position()).last_seq == 1


async def test_a_closed_store_says_so(tmp_path):
    store = await open_store(tmp_path)
    await store.close()
    with pytest.raises(StoreFault):
        await seals(store, 1)


async def test_the_sync_api_answers_and_refuses_in_its_own_words(store):
    await seals(store, 2)
    rows, epoch = await rows_of(store), (await store.position()).epoch
    client = httpx.AsyncClient(transport=httpx.ASGITransport(create_sync_api(store)), base_url="http://agent")
    async with client:
        assert len((await client.get("/v1/batch", params={"lane": "live"})).json()["rows"]) == 2
        for bad in ({"lane": "fast"}, {"lane": "live", "limit": 51}, {"lane": "live", "wait_s": 999}):
            assert (await client.get("/v1/batch", params=bad)).status_code == 422
        forged = await client.post("/v1/ack", content=b"x" * 200_000)
        assert (forged.status_code, forged.json()["code"]) == (409, "CS-ACK-001")
        good = await client.post("/v1/ack", content=acknowledgement(epoch, 1, 2, rows[1].hash))
        assert (good.status_code, good.json()["changed"]) == (200, 2)
        assert (await client.get("/v1/birth")).json()["first_unacked"] == 3
        assert (await client.post("/v1/link", json={"centre_online": True, "door": "open"})).status_code == 422
        assert (await client.post("/v1/link", json={"centre_online": True})).status_code == 204
        assert (await client.get("/v1/link")).json()["centre_online"] is True
        assert (await client.post("/v1/command", content=b"open")).status_code == 409
        await store.close()
        assert (await client.get("/v1/birth")).status_code == 503


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a small file system needs root and mount")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("this machine does not let tests mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk_refuses_new_work_still_records_deliveries_and_recovers(small_disk):
    clock = HandClock()
    store = await open_store(small_disk, clock, ballast_bytes=786_432, days=30)
    ballast = small_disk / "store" / "ballast"
    assert ballast.stat().st_size == 786_432

    def big_alarm() -> Alarm:
        return Alarm(uuid.uuid4(), 1, AlarmPriority.LOW, Reason(ReasonCode.FIRE, {"fill": "f" * 20_000}), NOW)

    committed = 0
    code = ""
    while not code and committed < 5_000:
        try:
            await store.commit_alarm(big_alarm())
            committed += 1
        except StoreFault as fault:
            code = fault.code
    assert code == "EG-STO-002"
    assert ballast.exists()
    (small_disk / "filler").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
    position = await store.position()
    assert position.last_seq == committed > 10
    delivered = 0
    while rows := (await store.next_batch("live", 10)).bodies():
        wire = acknowledgement(position.epoch, rows[0].seq, rows[-1].seq, rows[-1].hash)
        delivered += (await store.apply_ack(wire)).changed
    assert delivered == committed
    await seals(store, 20)
    state = await store.link_state()
    assert (state.position.last_seq, state.backlog_records) == (committed + 20, 20)
    assert ballast.exists()
    await store.close()


async def test_while_the_ballast_is_spent_new_work_is_refused_and_unsent_rows_stay(small_disk):
    store = await open_store(small_disk, ballast_bytes=786_432)
    await seals(store, 3)
    store._database.release_ballast()
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 400_000))
    with pytest.raises(StoreFault) as fault:
        await seals(store, 1)
    assert fault.value.code == "EG-STO-002"
    assert len(await rows_of(store)) == 3
    (small_disk / "filler").unlink()
    await seals(store, 1)
    assert (small_disk / "store" / "ballast").exists()
    await store.close()


def test_a_declaration_record_seals_what_tells_whose_it_is() -> None:
    """Goods travel readable, number plates and IMEI sealed to the centre; a declaration without them seals nothing."""
    crossing = crossed(decided(), PassageOutcome.PASSED)
    record_id = uuid.uuid4()
    plain = records.declaration_content(crossing, DECLARATION, SEALING.public_key(), record_id)
    assert plain.sealed is None
    full = replace(
        DECLARATION,
        vehicles=(Vehicle("01A777AA", "UTO", "Lada"),),
        phone_imeis=("490154203237518",),
        goods=(DeclaredGoods("kamera", Money(90_000, "USD"), 900, is_temporary=True, mark="SN 4711"),),
        unaccompanied=UnaccompaniedGoods("S-1", ("kitob",), date(2026, 8, 1)),
        filled_in_s=41,
    )
    content = records.declaration_content(crossing, full, SEALING.public_key(), record_id)
    assert not {"01A777AA", "490154203237518", "4711"} & set(content.model_dump_json().replace('"', " ").split())
    opened = unseal(content.sealed or "", SEALING, record_id)
    assert opened["vehicles"] == [{"plate": "01A777AA", "country": "UTO", "make": "Lada"}]
    assert opened["phone_imeis"] == ["490154203237518"]
    assert opened["marks"] == ["SN 4711"]
    assert content.goods[0].is_temporary
    assert content.unaccompanied is not None
    assert (content.unaccompanied.deadline, content.filled_in_s) == (date(2026, 8, 1), 41)


async def test_an_open_task_of_an_older_release_has_a_stop_and_can_be_closed(tmp_path):
    store = await open_store(tmp_path)
    decision = decided(corridor=Corridor.RED)
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision))
    await store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "store.db")) as connection:
        connection.execute("DROP TABLE stops")
        for column in ("agency", "corridor", "finding"):
            connection.execute(f"ALTER TABLE customs_tasks DROP COLUMN {column}")
        for column in ("tasks", "rules", "rulebook_version"):
            connection.execute(f"ALTER TABLE decisions DROP COLUMN {column}")
        connection.commit()
    store = await open_store(tmp_path)
    (stop,) = await store.desk.stops()
    assert (stop.stop_id, stop.reference, stop.corridor) == (decision.transaction_id, "D-1", Corridor.RED)
    assert (stop.identity, stop.declared.goods) == ({}, ()), "an older release kept nothing of it"
    assert [(task.agency, task.reasons) for task in stop.tasks] == [("customs", decision.answer.corridor_reasons)]
    assert await store.desk.close(closing_of(stop.tasks[0].task_id, "officer-1"))
    assert await store.desk.stops() == []
    await store.close()
