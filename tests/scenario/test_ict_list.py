"""A9, the list of information technology at a border: what each of its items shows here, item by item.

Elsewhere: the single window is A3 (`test_customs_desk`), processing away from the centre is `test_sync_scenario`, self-measured accuracy is
`test_continuous_evaluation` and `test_short_stay_and_counts`.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import zxingcpp
from structlog.testing import capture_logs

from central_sync import strict_json
from central_sync.acks import Ack, sign_ack
from central_sync.centre import ingest, telemetry
from central_sync.centre.schema import RECORDS, open_engine
from central_sync.messages import CONTENT_MODELS, read_record, record_body
from central_sync.presence import Telemetry
from central_sync.transports.memory import MemoryBroker, MemoryTransport
from drivers.contracts import DeviceEvent, SealReported
from drivers.seal_tracker import driver as seal_driver
from drivers.seal_tracker.twin import JointechSealTwin
from drivers.surroundings import UavReported, XrayDecision, XrayReported
from drivers.uav.twin import MavlinkTwin
from drivers.xray_inbox.twin import XrayFolderTwin
from gate_agent.app.device_status import DeviceStatus
from gate_agent.app.seal_watch import SealWatch
from gate_agent.cli import main
from gate_agent.cli.inspect_barcode import inspect_file
from gate_agent.cli.journal_source import read_journal
from gate_agent.cli.shift_of_records import decided_records, transactions
from gate_agent.cli.shift_tally import Decided
from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection_settings import CheckSettings
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.ports import DocumentPorts
from gate_agent.lane.presented import is_right
from gate_agent.policy.rulebook_comparison import RulebookComparison
from gate_agent.runtime.plugin_checks import PluginChecks
from gate_agent.store import journal
from gate_agent.web.guard.view import Viewer, console_view
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from tests.contract.check_packages import TEMPLATE, leave_a_distribution, worker_of
from tests.contract.running_driver import RunningDriver
from tests.scenario.desk_gate import DeskClock, DeskGate, declaration, goods, person, sign_in
from tests.scenario.test_customs_desk import NOTHING
from tests.scenario.test_declaration_formats import KEY, code
from tests.scenario.test_sync_scenario import Scene, eventually, let_through, running
from tests.scenario.watched_lane import be_referred, desks, trust, walk_through
from tests.unit.test_barcode_frames import drawn, encoded
from tests.unit.test_lane_controller import lane
from tests.unit.test_store import open_store
from tests.waiting import until

RED_WITHIN_S = 2.0


# automation


async def test_a9_automation_clear_cases_pass_untouched_and_only_the_doubtful_one_waits_for_an_officer() -> None:
    async with lane() as walk:
        for _ in range(9):
            await walk_through(walk)
        await be_referred(walk)
        released = [one for one in walk.house.decisions if one.answer.admission is Admission.RELEASE]
        assert {one.decided_by for one in released} == {DecidedBy.MACHINE}
        untouched = sum(one.decided_by is DecidedBy.MACHINE for one in released) / (len(released) + 1)
        assert untouched == 0.9
        assert len(walk.house.crossings) == 9


async def test_a9_automation_the_share_of_untouched_passages_is_counted_per_gate_and_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a lane decided, in a gate's store: counted as it is committed, and told by `egate counts`."""
    async with lane() as walk:
        for _ in range(9):
            await walk_through(walk)
        await be_referred(walk)
        store = await open_store(tmp_path)
        for decision in walk.house.decisions:
            await store.commit_decision(decision)
        for crossing in walk.house.crossings:
            await store.commit_crossing(crossing)
        await store.close()
    at_gate = ["--journal", str(tmp_path / "store")]
    capsys.readouterr()  # the lane's log
    assert main(["counts", "show", *at_gate, "--by", "gate"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["gate"], told["decided"], told["passages"], told["untouched"]) == ("UTO/demo/gate-1", 10, 9, 9)
    assert (told["untouched_percent"], told["referred"], told["by_guard"]) == ("90.0", 1, 0)
    assert main(["counts", "show", *at_gate, "--by", "gate,hour"]) == 0
    hours = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(hour["untouched"] for hour in hours) == 9
    assert main(["counts", "verify", *at_gate]) == 0


# remote control


async def test_a9_remote_control_orders_that_are_replayed_late_or_of_the_wrong_role_are_refused_and_logged(
    tmp_path: Path,
) -> None:
    store = await open_store(tmp_path)
    async with lane() as walk:
        offices = desks(walk, tmp_path, store, walk.clock)
        long_ago = datetime.now(UTC) - timedelta(minutes=2)
        order = offices.order("suspend_lane", "supervisor-1")
        late = offices.order(
            "resume_lane", "supervisor-1", issued_at=long_ago, expires_at=long_ago + timedelta(seconds=30)
        )
        with capture_logs() as logged:
            assert (await offices.act(order)).accepted
            assert walk.phase is Phase.SUSPENDED
            refused = [(await offices.act(one)).code for one in (order, late, offices.order("release", "technician-1"))]
            refused.append((await offices.act(offices.order("resume_lane", "guard-1", source="UTO/demo/gate-2"))).code)
        assert walk.phase is Phase.SUSPENDED, "none of them did anything"
        assert refused[:2] == ["EG-AUT-017", "EG-AUT-014"]
        assert refused[3] == "EG-AUT-013"
        assert [one["code"] for one in logged if one["event"] == "authorisation_refused"] == refused
        assert [one["officers"] for one in logged if one["event"] == "authorisation_used"] == [["supervisor-1"]]
    await store.close()


async def test_a9_remote_control_a_guard_takes_a_gate_over_from_another_desk(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    async with lane() as walk:
        offices = desks(walk, tmp_path, store, walk.clock)
        await be_referred(walk)
        (seen,) = offices.source.snapshot().lanes
        assert seen.referral is not None, "every desk is told the same"
        waiting = seen.referral.transaction_id
        slow = offices.order("release", "guard-1", transaction_id=waiting)
        assert (await offices.act(offices.order("hand_over", "guard-2", transaction_id=waiting))).accepted
        assert (await offices.act(slow)).code == "EG-LAN-002", "who comes second changes nothing"
        decision = walk.house.decisions[-1]
        assert (decision.decided_by, decision.answer.admission) == (DecidedBy.GUARD, Admission.HAND_OVER)
        assert [one.officer_id for one in decision.officers] == ["guard-2"]
        assert walk.house.releases == []
    await store.close()


# compatibility


async def test_a9_compatibility_two_versions_of_agent_and_centre_run_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer agent says more, an older one says only what must be said, a newer centre adds to its answers: every record arrives."""
    now_in_force = record_body

    def newer(content: Any, **attributes: Any) -> bytes:
        return now_in_force(content.model_copy(update={"of_a_later_release": "kept"}), **attributes)

    def older(content: Any, **attributes: Any) -> bytes:
        model = CONTENT_MODELS[content.kind]
        needed = {name for name, field in model.model_fields.items() if field.is_required()}
        body = strict_json.load_object(now_in_force(content, **attributes))
        data = {name: value for name, value in body["data"].items() if name in needed}
        return strict_json.dumps(body | {"data": data})

    def of_newer_centre(ack: Ack, key: Any) -> bytes:
        return sign_ack(ack.model_copy(update={"of_a_later_release": 1}), key)

    monkeypatch.setattr(ingest, "sign_ack", of_newer_centre)
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    for number, writes in enumerate((newer, older, now_in_force)):
        monkeypatch.setattr(journal, "record_body", writes)
        await let_through(store, number)
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"acked": 12})
    assert centre.queries.counts()["totals"] == {"stored": 12, "quarantined": 0, "alarms": 0}
    with centre.engine.connect() as connection:
        bodies = [bytes(row.body) for row in connection.execute(sa.select(RECORDS.c.body))]
    kept = [read_record(body).content().model_extra for body in bodies]
    assert sum(extra == {"of_a_later_release": "kept"} for extra in kept) == 4, "what is not understood is kept"
    await centre.stop()
    await store.close()


# laptops for guards


async def test_a9_laptops_the_console_works_in_a_browser_with_the_centre_dark(tmp_path: Path) -> None:
    gate = await DeskGate(tmp_path, DeskClock(), roles={"guard-1": "guard"}).open()
    stop = await gate.pass_through(declaration("UTO-A9", goods("rifle", 50, 4, "weapon", 1)), person(12345678))
    address = await gate.serve()
    client = await asyncio.to_thread(sign_in, address, "guard-1")
    state = (await asyncio.to_thread(client.get, "/guard/state")).json()
    assert state["link"]["online"] is False, "and the console says so"
    page = await asyncio.to_thread(client.get, f"/desk/stops/{stop}")
    assert page.status_code == 200
    assert "UTO-A9" in page.text
    task = gate.tasks(stop)["border"].task_id
    form = {
        "csrf": client.headers["x-csrf-token"], "action_id": str(uuid.uuid4()), "order": NOTHING.model_dump_json()
    }  # fmt: skip
    await asyncio.to_thread(lambda: client.post(f"/desk/stops/{stop}/tasks/{task}/close", data=form))
    client.close()
    assert [(one.officer_id, one.finding) for one in await gate.inspections()] == [("guard-1", "nothing_found")]
    assert (await gate.store.link_state()).backlog_records > 0, "the record waits for the centre"
    await gate.close()


# tracking seals


async def test_a9_tracking_seals_a_cut_rope_is_red_within_two_seconds(tmp_path: Path) -> None:
    """From the tracker's socket through the driver to the lane's decision, and to the alarm."""
    clock = SystemClock()
    store = await open_store(tmp_path, clock)
    watch = SealWatch(clock, timedelta(hours=24))
    alarms = LaneAlarms(1, clock, store)

    def sink(event: DeviceEvent) -> None:
        if isinstance(event.data, SealReported):
            watch.reported(event.data, event.t_wall)

    driver = seal_driver.build("seals", {"port": 0}, sink, clock)
    tasks = [asyncio.create_task(driver.run()), asyncio.create_task(watch.run(store, alarms, lambda: None))]
    try:
        await until(lambda: driver.port)
        async with JointechSealTwin(driver.port, clock) as lock, lane() as walk:
            trust(walk, KEY)
            walk.house.seals = watch.reports  # type: ignore[method-assign] # the test's own house
            await lock.tell(41.3, 69.2)
            holder = specimen(1, walk.controller.today)
            sealed = {"goods": (), "seal_ids": (lock.seal_id,)}
            await walk_through(walk, code("UTO-SEAL-1", holder, **sealed))
            assert walk.house.decisions[-1].answer.corridor is Corridor.GREEN
            cut_s = time.monotonic()
            await lock.tell(41.3, 69.2, ["rope_cut"])
            await walk_through(walk, code("UTO-SEAL-2", holder, **sealed))
            await until(lambda: ReasonCode.SEAL_TAMPERED in alarms.open)
            assert time.monotonic() - cut_s < RED_WITHIN_S
            answer = walk.house.decisions[-1].answer
            assert answer.corridor is Corridor.RED
            assert answer.corridor_reasons[0].code is ReasonCode.SEAL_TAMPERED
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


# scanners


def test_a9_scanners_every_symbology_and_the_printed_lines_are_read(tmp_path: Path) -> None:
    formats = zxingcpp.BarcodeFormat
    for kind in (formats.QRCode, formats.Aztec, formats.DataMatrix, formats.PDF417):
        picture = tmp_path / f"{kind.name}.png"
        picture.write_bytes(encoded(drawn(b"EG1:declared", kind)))
        (symbol,) = inspect_file(picture)["symbols"]
        assert bytes.fromhex(symbol["bytes_hex"]) == b"EG1:declared", kind
    today = datetime.now(UTC).date()
    assert is_right(read_mrz(specimen(1, today).lines(), today))
    assert not is_right(read_mrz(specimen(1, today).lines(wrong_digit=True), today))


async def test_a9_scanners_an_x_ray_result_has_its_slot_at_the_customs_desk(tmp_path: Path) -> None:
    gate = await DeskGate(tmp_path, SystemClock(), roles={}).open()
    stop = await gate.pass_through(declaration("UTO-XRAY", goods("camera", 1500, 2)), person(12345678))
    assert gate.tasks(stop)["customs"].xray == []
    machine = XrayFolderTwin(tmp_path / "inbox")
    await machine.plug()
    driver = RunningDriver("xray_folder", path=str(machine.path), poll_s=0.01)
    driver.run()
    machine.screen(XrayDecision.ALARM, "UTO-XRAY")
    await until(lambda: any(isinstance(one, XrayReported) for one in driver.told()))
    for event in driver.events:
        if isinstance(event.data, XrayReported):
            assert gate.around.take(event)
    (scan,) = gate.tasks(stop)["customs"].xray
    assert (scan.scan_id, scan.decision, scan.link) == ("UTO-XRAY", "alarm", "scan")
    await driver.stop()
    await machine.unplug()
    await gate.close()


# UAV


async def test_a9_uav_a_sighting_stands_at_gate_and_centre_with_place_and_time_and_nothing_is_steered(
    tmp_path: Path,
) -> None:
    aircraft = MavlinkTwin(heartbeat_s=0.1)
    await aircraft.plug()
    driver = RunningDriver("mavlink_uav", host="127.0.0.1", port=aircraft.port, dead_s=1.0, frame_gap_s=0.1)
    assert driver.driver.capabilities == frozenset()
    driver.run()
    store = await open_store(tmp_path)
    status = DeviceStatus("uav", "ready", datetime.now(UTC))
    async with lane() as walk:
        await driver.until_ready()
        aircraft.fly(41.29, 69.24, 60.0)
        await driver.until(lambda: any(isinstance(one, UavReported) for one in driver.told()))
        source = desks(walk, tmp_path, store, walk.clock).source
        source._devices = {"device": status}
        for event in driver.events:
            status.note(event)
            source._around.take(event)
        (shown,) = source.snapshot().devices
        assert shown.last_event == "uav_reported"
        assert datetime.now(UTC) - shown.last_event_at < timedelta(minutes=1)
        assert (shown.figures["latitude"], shown.figures["longitude"]) == ("41.29000", "69.24000")
        readings = source.device_readings()
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    told = Telemetry(
        source="UTO/demo/gate-1",
        session="0198f0aa-0000-7000-8000-000000000001",
        sent_at=datetime.now(UTC),
        devices=readings,
    )
    telemetry.note(engine, told, datetime.now(UTC))
    (at_centre,) = telemetry.newest(engine)["UTO/demo/gate-1"].devices
    assert at_centre.figures["latitude"] == "41.29000"
    engine.dispose()
    await driver.stop()
    await aircraft.unplug()
    await store.close()


# new security technology


async def test_a9_new_security_technology_a_plug_in_check_joins_the_result_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an installed package to the decision, the guard's table in his language, the record, the centre, and the replay of the journal."""
    leave_a_distribution(TEMPLATE, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    named = [CheckSettings(name="example_series")]
    plugins = await PluginChecks.open(named, SystemClock(), worker_of(tmp_path, TEMPLATE))
    scene = Scene(tmp_path)
    store, broker = await scene.open_store(), MemoryBroker()
    try:
        async with lane(ports=DocumentPorts(plugins=plugins), checks=[{"name": "example_series"}]) as walk:
            await walk.present()
            await until(lambda: walk.house.entrances, 5.0)
            await walk.inputs(1)
            await walk.look()
            await walk.inputs(0, passed=True)
            await walk.present(document_number="X7766552")  # of a series that was reported stolen
            await until(lambda: walk.phase is Phase.REFERRED, 5.0)
            clear, stolen = walk.house.decisions
            console = desks(walk, tmp_path, store, walk.clock).source.snapshot()
            rulebook = walk.house.current().rulebook
        rows = [
            {one.check: one.outcome.value for one in decision.checks}["plugin.example_series"]
            for decision in (clear, stolen)
        ]
        assert rows == ["successful", "failed"]
        assert [one.answer.admission for one in (clear, stolen)] == [Admission.RELEASE, Admission.REFER]
        # the guard's table, beside ours and marked as the package's own
        page = console_view(console, load_catalogues("guard", GUARD_LANGUAGES)["ru"], Viewer(frozenset(), {}))
        detail = page["referrals"][0]["detail"]
        (document,) = [group for group in detail["groups"] if group["group"] == "document"]
        assert {"mrz_check_digits", "expiry", "plugin.example_series"} <= {row["key"] for row in document["checks"]}
        (row,) = [row for row in document["checks"] if row["key"] == "plugin.example_series"]
        assert row["check_text"] == "Похищенные бланки (добавлено пакетом egate-example-check 0.1.0)"
        assert row["outcome"] == document["outcome"] == "failed"
        assert "Номер входит в серию бланков" in row["reasons"][0]
        assert "X7766552" in row["compared"][0]
        assert detail["reasons"] == row["reasons"]
        # the record at the gate and at the centre; the number that was compared is sealed
        for decision in (clear, stolen):
            await store.commit_decision(decision)
        recorded = list(read_journal(str(tmp_path / "store")))
        centre = scene.centre(transport=MemoryTransport(broker))
        await centre.start()
        async with running(scene.link(store, MemoryTransport(broker))):
            await eventually(lambda: scene.states() == {"acked": 2})
        with centre.engine.connect() as connection:
            bodies = [bytes(one.body) for one in connection.execute(sa.select(RECORDS.c.body))]
        await centre.stop()
        for records in (recorded, [read_record(body) for body in bodies]):
            parts = [part for one in records for part in one.content().checks if part.check == "plugin.example_series"]
            assert sorted(part.outcome for part in parts) == ["failed", "successful"]
            assert {(part.plugin.package, part.plugin.version, part.plugin.family) for part in parts} == {
                ("egate-example-check", "0.1.0", "combined")
            }
        assert not any(b"X7766552" in body for body in bodies)
        # the journal is decided again without the package: what was recorded counts, and nothing is asked anew
        await plugins.close()
        known = transactions(recorded, gate=None, since=None, until=None)
        again = list(decided_records(known, RulebookComparison(rulebook, rulebook)))
        told = {one.name: one for one in again if isinstance(one, Decided) and one.about == "admission"}
        assert {(one.before, one.is_as_recorded) for one in told.values()} == {("release", True), ("refer", True)}
    finally:
        await plugins.close()
        await store.close()
