"""Around the gate: scans and tags stand beside a traveller and decide nothing; a low battery stops lanes in order; paper holds nobody."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import contracts as dc
from drivers import surroundings as ds
from drivers.printer.errors import PaperOut, ReceiptUndetermined
from drivers.printer.escpos import can_write
from gate_agent.app import surroundings_side
from gate_agent.app.device_status import DeviceStatus
from gate_agent.app.power_watch import STOP_FILE, PowerWatch
from gate_agent.app.receipts import Receipts, receipt_lines
from gate_agent.app.seal_sightings import SealSightings, seal_number
from gate_agent.app.surroundings_side import SurroundingsSide
from gate_agent.app.xray_results import XrayResults
from gate_agent.domain import events as ev
from gate_agent.domain.alarm import Alarm
from gate_agent.domain.demands import Demands
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction import step
from gate_agent.domain.transaction_state import Phase, TransactionState
from gate_agent.errors import StoreFault
from gate_agent.settings import PathSettings, Settings
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import CustomsTaskView, Instruction, ScreenState

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALARM, CLEAR, OPEN = ds.XrayDecision.ALARM, ds.XrayDecision.CLEAR, ds.XrayDecision.UNDETERMINED
WORDS = load_catalogues("traveller", TRAVELLER_LANGUAGES)
MAINS = ds.UpsReported(False, False, 1.0, 1800.0, ("OL",))
BATTERY = ds.UpsReported(True, False, 0.5, 900.0, ("OB",))
LOW = ds.UpsBatteryLow(0.2, 120.0)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@dataclass
class Noon:
    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class Store:
    alarms: list[Alarm] = field(default_factory=list)
    is_broken: bool = False

    async def commit_alarm(self, alarm: Alarm) -> None:
        if self.is_broken:
            raise StoreFault("the disk refused")
        self.alarms.append(alarm)


@dataclass
class Lane:
    """A lane as the stop and the receipts see it: its machine is the real one."""

    state: TransactionState = field(
        default_factory=lambda: TransactionState(demands=Demands(frozenset(), frozenset()), phase=Phase.IDLE)
    )
    lane: Any = field(default_factory=lambda: SimpleNamespace(printer="printer", print_receipt="always"))
    borrowed: Any = None
    today = NOON.date()

    def feed(self, event: ev.Event) -> None:
        self.state, _ = step(self.state, event)


def scan(scan_id: str, decision: ds.XrayDecision = ALARM) -> ds.XrayReported:
    return ds.XrayReported(scan_id, decision, f"images/{scan_id}.dcs")


# X-ray ----------------------------------------------------------------------------------------------------------------


def test_a_scan_of_the_declaration_is_told_alone_and_the_others_only_as_near() -> None:
    results = XrayResults(minutes(30))
    results.take(scan("AAAA-1111"), NOON)
    results.take(scan("BAG-7", OPEN), NOON + minutes(2))
    results.take(scan("BAG-8", CLEAR), NOON + minutes(-31))
    own = results.of_task("AAAA-1111", NOON + minutes(3), {"AAAA-1111"})
    assert [(one.scan_id, one.link) for one in own] == [("AAAA-1111", "scan")]
    near = results.of_task("BBBB-2222", NOON + minutes(3), {"AAAA-1111", "BBBB-2222"})
    assert [(one.scan_id, one.link) for one in near] == [("BAG-7", "near")], "another declaration's scan is not offered"
    assert XrayResults(timedelta(0)).of_task("", NOON, set()) == []


def test_a_revised_scan_replaces_the_one_before_and_memory_is_bounded() -> None:
    results = XrayResults(minutes(30))
    results.take(scan("BAG-1"), NOON)
    results.take(scan("BAG-1", CLEAR), NOON + minutes(1))
    assert [one.decision for one in results.of_task("BAG-1", NOON, set())] == ["clear"]
    for number in range(600):
        results.take(scan(f"S{number}"), NOON)
    assert results.of_task("BAG-1", NOON, set()) != results.of_task("S599", NOON, set())
    assert len(results._scans) == 500


def test_what_is_clear_or_shown_elsewhere_or_old_needs_no_look() -> None:
    results = XrayResults(minutes(30))
    for scan_id, decision, age in (("a", ALARM, 0), ("b", CLEAR, 0), ("c", OPEN, 5), ("d", ALARM, 90), ("e", ALARM, 1)):
        results.take(scan(scan_id, decision), NOON - minutes(age))
    assert {one.scan_id for one in results.to_look_at(NOON, {"e"})} == {"a", "c"}


# Seals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epc", "mapping", "number"),
    [
        ("000000000000009900000001", "digits", "9900000001"),
        ("0000000000000099000000AB", "digits", ""),
        ("E28011700000020D", "hex", "e28011700000020d"),
        ("5554303031320000", "text", "UT0012"),
        ("0000", "text", ""),
        ("5554200A", "text", ""),
    ],
)
def test_an_epc_tells_the_number_by_the_configured_mapping(epc: str, mapping: Any, number: str) -> None:
    assert seal_number(bytes.fromhex(epc), mapping) == number


@given(number=st.integers(min_value=1, max_value=10**20), zeros=st.integers(0, 4))
def test_leading_zeros_of_a_number_do_not_matter(number: int, zeros: int) -> None:
    transaction = uuid.uuid4()
    sightings = SealSightings("digits", minutes(30))
    sightings.take(bytes.fromhex(str(number).rjust(24, "0")), NOON)
    sightings.declared(transaction, ["0" * zeros + str(number)])
    assert sightings.of_crossing(transaction, NOON)[0].seen_at == NOON


def test_a_tag_that_was_not_seen_is_undetermined_and_an_old_sighting_is_none() -> None:
    transaction = uuid.uuid4()
    sightings = SealSightings("digits", minutes(30))
    sightings.take(bytes.fromhex("000000000000009900000001"), NOON)
    sightings.declared(transaction, ["9900000001", "9900000002"])
    assert [one.seen_at for one in sightings.of_crossing(transaction, NOON + minutes(5))] == [NOON, None]
    assert [one.seen_at for one in sightings.of_crossing(transaction, NOON + minutes(31))] == [None, None]
    assert sightings.of_crossing(uuid.uuid4(), NOON) == []


# The orderly stop -----------------------------------------------------------------------------------------------------


def test_lanes_finish_take_nobody_new_and_go_on_when_the_mains_are_back(tmp_path: Path) -> None:
    busy, idle = Lane(), Lane()
    busy.feed(ev.HelpRequested(uuid.UUID(int=7)))
    assert busy.state.transaction_id is not None
    watch = PowerWatch({1: busy, 2: idle}, tmp_path, Noon())
    watch.take("ups", BATTERY)
    assert watch.view().state == "battery"
    assert idle.state.phase is Phase.IDLE, "on battery alone everything goes on"
    watch.take("ups", LOW)
    watch.look()
    assert (idle.state.phase, busy.state.phase is Phase.SUSPENDED) == (Phase.SUSPENDED, False)
    assert watch.view().state == "stopping"
    assert not (tmp_path / STOP_FILE).exists(), "one lane still serves somebody"
    begun = idle.state.transaction_id
    idle.feed(ev.DocumentPresented(uuid.UUID(int=8)))
    assert idle.state.transaction_id is begun is None, "nobody new"
    busy.state = replace(busy.state, transaction_id=None, phase=Phase.SUSPENDED)
    watch.look()
    assert watch.view().state == "stopped"
    assert json.loads((tmp_path / STOP_FILE).read_text())["lanes"] == [1, 2]
    watch.take("ups", MAINS)
    assert not (tmp_path / STOP_FILE).exists()
    assert idle.state.phase is Phase.IDLE, "by themselves"
    assert watch.view().state == "mains"


def test_a_supply_that_falls_silent_or_orders_a_shutdown_is_no_reason_to_go_on(tmp_path: Path) -> None:
    lane = Lane()
    watch = PowerWatch({1: lane}, tmp_path, Noon())
    watch.take("ups", replace(MAINS, flags=("OL", "FSD")))
    assert lane.state.holds, "an ordered shutdown is enough, as when an agent starts into it"
    watch.take("ups", LOW)
    for told in (replace(MAINS, flags=("OL", "FSD"), charge_ratio=0.9), ds.UpsReported(None, False, None, None, ())):
        watch.take("ups", told)
        assert lane.state.holds == {ReasonCode.POWER_ENDING}
    watch.take("ups", MAINS)
    assert lane.state.holds == frozenset()


def test_one_of_two_supplies_is_enough_to_stop_and_both_are_needed_to_go_on(tmp_path: Path) -> None:
    lane = Lane()
    watch = PowerWatch({1: lane}, tmp_path, Noon())
    for name in ("one", "two"):
        watch.take(name, BATTERY)
        watch.take(name, LOW)
    watch.take("one", MAINS)
    assert watch.is_ending
    assert lane.state.holds
    watch.take("two", MAINS)
    assert not lane.state.holds


def test_a_site_may_want_no_stop_and_a_stale_file_of_before_is_gone(tmp_path: Path) -> None:
    (tmp_path / STOP_FILE).write_text("{}")
    lane = Lane()
    watch = PowerWatch({1: lane}, tmp_path, Noon(), stops=False)
    assert not (tmp_path / STOP_FILE).exists()
    watch.take("ups", BATTERY)
    watch.take("ups", LOW)
    watch.look()
    assert (lane.state.phase, watch.view().state) == (Phase.IDLE, "battery")


def test_an_officer_s_own_hold_stays_when_the_power_is_back(tmp_path: Path) -> None:
    lane = Lane()
    lane.feed(ev.Hold(ReasonCode.LANE_SUSPENDED))
    watch = PowerWatch({1: lane}, tmp_path, Noon())
    watch.take("ups", LOW)
    watch.take("ups", MAINS)
    assert lane.state.phase is Phase.SUSPENDED


# Receipts -------------------------------------------------------------------------------------------------------------


@dataclass
class Printer:
    """A printer that answers as it is told."""

    fault: Exception | None = None
    name: str = "printer"
    capabilities: frozenset[str] = frozenset({"print_receipt"})
    printed: list[tuple[list[str], bytes]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def print_receipt(self, lines: list[str], qr: bytes = b"") -> None:
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.printed.append((list(lines), qr))


@dataclass
class Screens:
    instruction: Instruction = Instruction.WALK_THROUGH
    receipt: dict[str, str] = field(default_factory=lambda: {"stay_deadline": "2026-05-31", "reference": "ABCD-2345"})
    language: Any = "en"

    def screen(self, lane_id: int) -> ScreenState:
        return ScreenState(
            lane_id=lane_id,
            sequence=1,
            instruction=self.instruction,
            step=4,
            language=self.language,
            receipt=self.receipt,
        )


class Desk:
    """Receipts over one lane, with what a test needs to look at."""

    def __init__(self, mode: str = "always", fault: Exception | None = None) -> None:
        self.lane = Lane()
        self.lane.lane = SimpleNamespace(printer="printer", print_receipt=mode)
        self.lane.state = replace(self.lane.state, transaction_id=uuid.uuid4(), phase=Phase.PASSAGE_OPEN)
        self.lane.borrowed = SimpleNamespace(receipt=SimpleNamespace(text="ER1:CODE"))
        self.lane.party = [self.lane.borrowed]
        self.printer = Printer(fault)
        self.status = DeviceStatus("printer", "ready", NOON)
        self.screens = Screens()
        self.changes = 0
        lanes: Any = {1: self.lane}
        drivers: Any = {"printer": self.printer}
        self.receipts = Receipts(lanes, drivers, {"printer": self.status}, WORDS, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def paper(self) -> str:
        return self.receipts.printing(1, self.screens.instruction)

    async def settle(self) -> None:
        self.printer.gate.set()
        while self.receipts._jobs:
            await asyncio.sleep(0)


async def test_a_receipt_is_printed_once_and_told_when_the_printer_said_so() -> None:
    desk = Desk()
    desk.receipts.look(desk.screens)
    desk.receipts.look(desk.screens)
    assert desk.paper() == "printing"
    await desk.settle()
    assert desk.paper() == "printed"
    assert desk.changes == 1
    (lines, qr), = desk.printer.printed  # fmt: skip
    assert qr == b"ER1:CODE", "the very text that the gate signed"
    assert lines[0] == "Your receipt"
    assert "  31.05.2026" in lines
    assert "  ABCD-2345" in lines
    desk.receipts.look(desk.screens)
    assert len(desk.printer.printed) == 1
    desk.lane.state = replace(desk.lane.state, transaction_id=uuid.uuid4())
    desk.receipts.look(desk.screens)
    await desk.settle()
    assert len(desk.printer.printed) == 2, "the next traveller's"


@pytest.mark.parametrize("fault", [PaperOut("no paper"), ReceiptUndetermined("lost"), ValueError("too long")], ids=repr)
async def test_a_printer_that_fails_holds_nobody_and_nothing_is_sent_again(fault: Exception) -> None:
    desk = Desk(fault=fault)
    desk.receipts.look(desk.screens)
    await desk.settle()
    assert desk.paper() == "unavailable"
    desk.receipts.look(desk.screens)
    assert not desk.receipts._jobs


async def test_paper_only_for_who_asks_and_only_while_something_is_to_be_taken() -> None:
    desk = Desk("asked")
    desk.receipts.look(desk.screens)
    assert desk.paper() == "offered"
    desk.screens.instruction = Instruction.LOOK_AT_CAMERA
    assert not desk.receipts.asked(1, desk.screens)
    assert desk.paper() == ""
    desk.screens.instruction = Instruction.CUSTOMS_DESK
    assert desk.receipts.asked(1, desk.screens)
    assert not desk.receipts.asked(1, desk.screens), "once"
    await desk.settle()
    assert desk.paper() == "printed"
    assert desk.printer.printed[0][0][-1] == "Please go to the customs desk"
    assert not desk.receipts.asked(2, desk.screens), "a lane without a printer"


async def test_a_printer_without_paper_is_not_offered_and_may_come_back() -> None:
    desk = Desk("asked")
    desk.status.fault = "DRV-PRN-001"
    assert desk.paper() == "unavailable"
    assert not desk.receipts.asked(1, desk.screens)
    desk.status.fault = ""
    assert desk.paper() == "offered"


async def test_each_of_a_family_gets_a_paper_of_his_own() -> None:
    desk = Desk()
    child = SimpleNamespace(receipt=SimpleNamespace(text="ER1:CHILD"))
    desk.lane.party = [desk.lane.borrowed, child]
    desk.receipts.look(desk.screens)
    await desk.settle()
    assert [qr for _, qr in desk.printer.printed] == [b"ER1:CODE", b"ER1:CHILD"]
    assert desk.paper() == "printed"


async def test_no_receipt_without_anything_on_it() -> None:
    desk = Desk()
    desk.screens.receipt = {}
    desk.receipts.look(desk.screens)
    assert not desk.receipts._jobs


@pytest.mark.parametrize("language", TRAVELLER_LANGUAGES)
def test_the_paper_says_what_the_screen_says(language: Any) -> None:
    screen = Screens().screen(1).model_copy(update={"language": language})
    lines = receipt_lines(screen, WORDS[language], NOON.date())
    assert lines[0] == WORDS[language].text("ui.receipt")
    assert "\n".join(lines).count("31.05.2026") == 1
    assert all(len(line) <= 48 for line in lines), "80 mm paper"


@pytest.mark.parametrize(
    ("language", "encoding", "printed_in"),
    [
        ("ru", "cp866", "ru"), ("uz-Latn", "cp866", "uz-Latn"), ("en", "cp437", "en"), ("ky", "cp866", "ru"), ("kk", "cp866", "ru"),
        ("tg", "cp866", "ru"), ("uz-Cyrl", "cp866", "uz-Latn"), ("kaa-Latn", "cp866", "uz-Latn"), ("fa-AF", "cp866", "en"),
        ("zh-Hans", "cp866", "en"), ("ru", "cp437", "en"),
    ],
)  # fmt: skip
async def test_a_printer_without_the_letters_prints_in_a_language_that_is_understood(
    language: Any, encoding: str, printed_in: str
) -> None:
    desk = Desk()
    desk.printer.writes = lambda text: can_write(text, encoding)
    desk.screens.language = language
    desk.receipts.look(desk.screens)
    await desk.settle()
    (lines, _qr), *_ = desk.printer.printed
    assert lines[0] == WORDS[printed_in].text("ui.receipt")


def test_a_printer_says_which_letters_it_has() -> None:
    assert can_write("Oʻzbekcha, maʼlumot", "cp866")
    assert can_write("Чек", "cp866")
    assert not can_write("Қазақша", "cp866")
    assert not can_write("رسید", "cp866")


# Everything together --------------------------------------------------------------------------------------------------


def side(tmp_path: Path, store: Store, lanes: dict[int, Any] | None = None) -> SurroundingsSide:
    def changed() -> None:
        pass

    lanes = lanes or {}
    settings = Settings(paths=PathSettings(run=tmp_path))
    receipts = Receipts(lanes, {}, {}, WORDS, changed)
    return SurroundingsSide(settings, lanes, store, receipts, XrayResults(minutes(30)), Noon(), changed)  # type: ignore[arg-type]


def event(payload: dc.Payload, device: str = "one") -> dc.DeviceEvent:
    return dc.DeviceEvent(device, payload, NOON, 0.0, 1)


async def recorded(around: SurroundingsSide) -> None:
    running = asyncio.create_task(around.run())
    for _ in range(50):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_each_alarmed_scan_is_an_alarm_of_its_own_until_seen_or_revised(tmp_path: Path) -> None:
    store = Store()
    around = side(tmp_path, store)
    for scan_id, decision in (("a", ALARM), ("b", ALARM), ("a", ALARM), ("c", CLEAR), ("d", OPEN)):
        assert around.take(event(scan(scan_id, decision)))
    await recorded(around)
    assert [alarm.reason.parameters["scan"] for alarm in around.alarms()] == ["a", "b"]
    assert {alarm.lane_id for alarm in store.alarms} == {0}
    around.take(event(scan("a", CLEAR)))
    await recorded(around)
    assert [alarm.reason.parameters["scan"] for alarm in around.alarms()] == ["b"], "people revised the scan"
    assert await around.acknowledge(around.alarms()[0].alarm_id, "guard-1")
    assert around.alarms() == []
    assert store.alarms[-1].acknowledged_by == "guard-1"
    assert not await around.acknowledge(uuid.uuid4(), "guard-1")


async def test_a_low_battery_is_told_to_the_centre_and_a_broken_disk_stops_nothing(tmp_path: Path) -> None:
    store = Store(is_broken=True)
    lane = Lane()
    around = side(tmp_path, store, {1: lane})
    around.take(event(LOW))
    await recorded(around)
    assert [alarm.reason.code for alarm in around.alarms()] == [ReasonCode.POWER_ENDING]
    store.is_broken = False
    around.take(event(MAINS))
    await recorded(around)
    assert around.alarms() == []
    assert store.alarms[-1].cleared_at is not None
    assert lane.state.phase is Phase.IDLE


async def test_a_flood_of_alarmed_scans_is_bounded_and_keeps_everything_else(tmp_path: Path) -> None:
    around = side(tmp_path, Store())
    around.take(event(LOW))
    around.tell("fallback", Reason(ReasonCode.POST_FALLBACK), True)
    for number in range(2 * surroundings_side.OPEN_XRAY_ALARMS):
        around.take(event(scan(f"s{number}")))
        await recorded(around)
    codes = [alarm.reason.code for alarm in around.alarms()]
    assert len(codes) == surroundings_side.OPEN_XRAY_ALARMS
    assert codes.count(ReasonCode.POWER_ENDING) == codes.count(ReasonCode.POST_FALLBACK) == 1
    around.tell("fallback", Reason(ReasonCode.POST_FALLBACK), False)
    await recorded(around)
    assert ReasonCode.POST_FALLBACK not in {alarm.reason.code for alarm in around.alarms()}


def test_what_lanes_use_is_left_to_them(tmp_path: Path) -> None:
    around = side(tmp_path, Store())
    assert not around.take(event(dc.MrzRead(("x",))))
    assert not around.take(event(dc.StateChanged(dc.DeviceState.READY)))
    assert around.take(event(ds.UavText(1, 4, "hello")))
    assert around.take(event(ds.UavReported(1, 41.0, 69.0, 500.0, 60.0, 5.0, battery_ratio=0.8), "aircraft"))
    assert around.figures("aircraft") == {
        "kind": "aircraft", "system": "1", "height": "60", "speed": "5", "latitude": "41.00000", "longitude": "69.00000",
        "battery": "80",
    }  # fmt: skip
    assert around.figures("nobody") == {}


def test_a_customs_task_shows_its_scan_and_its_seals_and_the_rest_is_to_look_at(tmp_path: Path) -> None:
    transaction = uuid.uuid4()
    lane = Lane()
    declaration = SimpleNamespace(seal_ids=("9900000001", "9900000002"))
    lane.borrowed = SimpleNamespace(transaction_id=transaction, declaration=declaration)
    lane.lane = SimpleNamespace(printer="", print_receipt="asked")
    around = side(tmp_path, Store(), {1: lane})
    around.look(Screens())
    around.take(event(dc.TagRead(bytes.fromhex("000000000000009900000001"))))
    around.take(event(scan("ABCD-2345")))
    around.take(event(scan("BAG-1")))
    task = CustomsTaskView(
        task_id=uuid.uuid4(), transaction_id=transaction, lane_id=1, created_at=NOON, reasons=[],
        declaration_reference="ABCD-2345",
    )  # fmt: skip
    (shown,) = around.tasks([task])
    assert [(one.scan_id, one.link) for one in shown.xray] == [("ABCD-2345", "scan")]
    assert [one.seen_at for one in shown.seals] == [NOON, None]
    assert [one.seen_at for one in around.seals_of(transaction)] == [NOON, None]
    assert [one.scan_id for one in around.xray_to_look_at([shown])] == ["BAG-1"]
