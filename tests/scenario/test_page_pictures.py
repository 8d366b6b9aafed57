"""A document reader's pictures, over its wire and through the judging processes, to a lane that opens or calls the guard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers import contracts as dc
from drivers.document_reader.page_folder_twin import AGAIN, ALIVE, PRESENT, SUFFIXES, PageFolderTwin
from drivers.document_reader.page_http_twin import PRESENCE_PATH, PageHttpTwin
from drivers.document_reader.twin import MrzReaderTwin
from drivers.registry import build
from gate_agent.app import views
from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.demands import OPTICAL_CHECKS
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection.page_checks import PageLimits
from gate_agent.lane.ports import DocumentPorts
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from gate_agent.runtime.page_inspection import PageInspectionEngine, PageInspector
from tests.bench.mrz_pages import OCR_B
from tests.unit.page_scenes import PICTURES, encoded, scene
from tests.unit.test_lane_controller import TODAY, Lane, lane
from tests.waiting import until

pytestmark = pytest.mark.skipif(not OCR_B.exists(), reason="Debian's fonts-ocr-b is not installed")

LINES = specimen(1, TODAY).lines()
PORTRAIT = b"\xff\xd8\xff\xe0" + bytes(80)
WHOLE_PORTRAIT = PORTRAIT + b"\xff\xda" + bytes(20) + b"\xff\xd9"


class Gate:
    """A lane at a real reader driver whose device is a twin."""

    def __init__(self, walk: Lane, twin: Any) -> None:
        self.walk = walk
        self.twin = twin

    @property
    def outcomes(self) -> dict[CheckName, CheckOutcome]:
        return {check: result.outcome for check, result in self.walk.controller.state.results.items()}

    async def until(self, is_met: Callable[[], Any], seconds: float = 40.0) -> None:
        await until(is_met, seconds)

    def is_over(self) -> bool:
        return self.walk.phase is Phase.REFERRED or dc.Door.ENTRANCE in self.walk.house.releases


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    async with running(tmp_path) as gate:
        yield gate


Made = tuple[Any, Callable[[], dict[str, object]]]


def serial_reader(tmp_path: Path) -> Made:
    twin = MrzReaderTwin(tmp_path / "reader")
    return twin, lambda: {"path": str(twin.path)}


def folder_reader(tmp_path: Path) -> Made:
    twin = PageFolderTwin(tmp_path / "pages")
    pictures = {role: f"{{document}}{suffix}" for role, suffix in SUFFIXES.items()}
    marks = {"alive": ALIVE, "present": PRESENT, "again": AGAIN}
    return twin, lambda: {"path": str(twin.path), "pictures": pictures, **marks}


def http_reader(_tmp_path: Path) -> Made:
    twin = PageHttpTwin()
    return twin, lambda: {"source": f"http://127.0.0.1:{twin.port}", "presence_path": PRESENCE_PATH, "poll_s": 0.05}


READERS = {"mrz_serial": serial_reader, "page_folder": folder_reader, "page_http": http_reader}


@contextlib.asynccontextmanager
async def running(tmp_path: Path, reader: str = "mrz_serial", *, reads_zone: bool = False) -> AsyncIterator[Gate]:
    clock = SystemClock()
    pages = PageInspectionEngine(PageLimits(), answer_timeout_s=30.0)
    seals = ChipInspectionEngine(tmp_path / "trust", None, 28.0, clock)
    await pages.start()
    await seals.start()
    twin, options = READERS[reader](tmp_path)
    await twin.plug()
    optics = PageInspector(pages, seals, clock, frozenset(PICTURES), reads_zone=reads_zone)
    ports = DocumentPorts(optical_inspector=optics)
    async with lane(ports=ports, page_pictures=PICTURES, zone_from_pictures=reads_zone, clock=clock) as walk:
        driver: Any = build("reader-1", reader, options(), walk.controller.device_event, clock)
        walk.house.read_again = driver.read_again  # type: ignore[method-assign] # the lane's reader is the driver
        task = asyncio.create_task(driver.run())
        async with asyncio.timeout(10):
            while driver.state is not dc.DeviceState.READY:
                await asyncio.sleep(0.01)
        yield Gate(walk, twin)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await twin.unplug()
    await pages.stop()
    await seals.stop()


async def test_a_genuine_page_opens_the_entrance_and_its_checks_are_on_the_console(gate: Gate) -> None:
    gate.twin.present(LINES, PORTRAIT, pictures=encoded(scene(LINES)))
    await gate.until(gate.is_over)
    assert gate.walk.phase is not Phase.REFERRED
    shown = {check.check: check.outcome for check in views.lane(gate.walk.controller, []).checks}
    assert {check: shown[check.value] for check in OPTICAL_CHECKS} == dict.fromkeys(OPTICAL_CHECKS, "successful")
    assert shown["visible_seal"] == "not_supported"


@pytest.mark.parametrize(
    ("making", "check", "outcome", "code"),
    [
        ({"infrared_ink": 0.05}, CheckName.MRZ_INFRARED, CheckOutcome.FAILED, ReasonCode.MRZ_INFRARED_FAINT),
        ({"is_paper_bright": True}, CheckName.ULTRAVIOLET_DULLNESS, CheckOutcome.FAILED, ReasonCode.ULTRAVIOLET_BRIGHT),
        ({"glare": "infrared"}, CheckName.MRZ_INFRARED, CheckOutcome.UNDETERMINED, ReasonCode.IMAGE_GLARE),
    ],
    ids=["ink fades", "paper glows", "glare"],
)
async def test_a_page_that_is_not_in_order_is_the_guards(
    gate: Gate, making: dict[str, object], check: CheckName, outcome: CheckOutcome, code: ReasonCode
) -> None:
    gate.twin.present(LINES, PORTRAIT, pictures=encoded(scene(LINES, **making)))
    await gate.until(gate.is_over)
    assert gate.walk.phase is Phase.REFERRED
    assert gate.outcomes[check] is outcome
    assert code in {reason.code for reason in gate.walk.house.decisions[-1].answer.admission_reasons}


async def test_a_lamp_that_lights_again_when_the_reader_is_asked_once_more(gate: Gate) -> None:
    gate.twin.present(LINES, PORTRAIT, pictures=encoded(scene(LINES, dark="infrared")))
    gate.twin.take_pictures(encoded(scene(LINES)))
    await gate.until(gate.is_over)
    assert gate.twin.read_again_count == 1
    assert gate.walk.phase is not Phase.REFERRED
    assert {gate.outcomes[check] for check in OPTICAL_CHECKS} == {CheckOutcome.SUCCESSFUL}


async def test_pictures_that_are_no_pictures_break_checks_off_and_stop_nothing(gate: Gate) -> None:
    torn = {role: b"\xff\xd8\xff\xe0" + bytes(500) for role in PICTURES}
    gate.twin.present(LINES, PORTRAIT, pictures=torn)
    await gate.until(gate.is_over)
    assert gate.walk.phase is Phase.REFERRED
    assert {gate.outcomes[check] for check in OPTICAL_CHECKS} == {CheckOutcome.ABORTED}
    assert CheckOutcome.FAILED not in gate.outcomes.values()


async def test_a_reader_of_pictures_only(tmp_path: Path) -> None:
    async with running(tmp_path, reads_zone=True) as gate:
        gate.twin.present((), PORTRAIT, pictures=encoded(scene(LINES)))
        await gate.until(gate.is_over)
        assert gate.walk.phase is not Phase.REFERRED
        assert gate.outcomes[CheckName.MRZ_READING] is CheckOutcome.SUCCESSFUL
        borrowed = gate.walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.document is not None
        assert borrowed.document.lines == LINES
        assert gate.twin.read_again_count == 0


@pytest.mark.parametrize("reader", ["page_folder", "page_http"])
async def test_a_full_page_readers_traveller_is_read_from_pictures_alone(tmp_path: Path, reader: str) -> None:
    async with running(tmp_path, reader, reads_zone=True) as gate:
        gate.twin.present({**encoded(scene(LINES)), "portrait": WHOLE_PORTRAIT})
        await gate.until(gate.is_over)
        assert gate.walk.phase is not Phase.REFERRED
        assert {gate.outcomes[check] for check in OPTICAL_CHECKS} == {CheckOutcome.SUCCESSFUL}
        borrowed = gate.walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.document is not None
        assert borrowed.document.lines == LINES


@pytest.mark.parametrize("reader", ["page_folder", "page_http"])
async def test_a_page_without_a_zone_is_read_once_more_by_a_full_page_reader(tmp_path: Path, reader: str) -> None:
    async with running(tmp_path, reader, reads_zone=True) as gate:
        blank = encoded(scene(tuple(" " * len(line) for line in LINES)))
        gate.twin.present({**blank, "portrait": WHOLE_PORTRAIT})
        reads = (lambda: 1 + gate.twin.read_again_count) if reader == "page_folder" else (lambda: gate.twin.read_count)
        await gate.until(lambda: gate.walk.controller.borrowed and reads())
        gate.twin.take_pictures({**encoded(scene(LINES)), "portrait": WHOLE_PORTRAIT})
        await gate.until(gate.is_over)
        assert gate.walk.phase is not Phase.REFERRED
        assert gate.outcomes[CheckName.MRZ_READING] is CheckOutcome.SUCCESSFUL
        assert reads() == 2


@pytest.mark.parametrize("reader", ["page_folder", "page_http"])
async def test_a_zone_that_is_read_and_not_trusted_is_the_guards(tmp_path: Path, reader: str) -> None:
    async with running(tmp_path, reader, reads_zone=True) as gate:
        doubtful = encoded(scene(LINES, blurred="white", blur_px=3.4))
        gate.twin.present({**doubtful, "portrait": WHOLE_PORTRAIT})
        await gate.until(gate.is_over)
        assert gate.walk.phase is Phase.REFERRED
        assert CheckOutcome.FAILED not in gate.outcomes.values()
        assert dc.Door.ENTRANCE not in gate.walk.house.releases
