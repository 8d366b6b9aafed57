"""Pictures of a page in a lane whose reader takes them, on virtual time: waited for, judged beside the chip, shown as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

import pytest

from gate_agent.app import views
from gate_agent.clock import Clock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.demands import ELECTRONIC_CHECKS, OPTICAL_CHECKS, PAGE_CHECKS
from gate_agent.domain.document_events import ReadingCorrected
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.errors import InspectionFault
from gate_agent.inspection.chip_authenticity_messages import Judged, PageEvidence
from gate_agent.inspection.page_checks import PageLimits
from gate_agent.lane.ports import DocumentPorts, OpticalInspector
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from gate_agent.runtime.page_inspection import PageInspectionEngine, PageInspector
from gate_agent.runtime.page_worker import judge
from gate_agent.web.guard.checks import running_inspection
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import Instruction
from tests.bench.mrz_pages import OCR_B
from tests.unit.page_scenes import PICTURES, encoded, scene
from tests.unit.test_lane_chip import JPEG, Chip, Judge, Table, at_the_table
from tests.unit.test_lane_controller import TODAY, lane
from tests.unit.virtual_time import VirtualClock, VirtualLoop, run

A = specimen(1, TODAY).lines()
S, F, U, N, A_ = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)  # fmt: skip
needs_font = pytest.mark.skipif(not OCR_B.exists(), reason="Debian's fonts-ocr-b is not installed")


class SlowPages(PageInspectionEngine):
    """The engine whose worker is this process, after as many virtual seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(PageLimits())
        self.seconds = seconds
        self.looked: list[frozenset[str]] = []

    async def look(self, evidence: PageEvidence, now: datetime) -> Judged:
        self.looked.append(frozenset(evidence.images))
        await asyncio.sleep(self.seconds)
        return judge(evidence, PageLimits())


class NoSeals(ChipInspectionEngine):
    """Nobody is asked about seals where none was seen."""

    def __init__(self) -> None:
        """Start nothing."""


def real_optics(pages: SlowPages, expected: tuple[str, ...] = PICTURES):
    def made(clock: Clock) -> OpticalInspector:
        return PageInspector(pages, NoSeals(), clock, frozenset(expected))

    return made


def lay(table: Table, pictures: Mapping[str, bytes]) -> None:
    table.lay(portrait=JPEG)
    for role, content in pictures.items():
        table.picture(role, content)


@needs_font
def test_chip_and_optics_run_side_by_side_with_the_real_judge_of_pages() -> None:
    """Five seconds of chip and three of optics are over in five and a half; what is known stands on the console meanwhile."""
    pages = SlowPages(3.0)
    words = load_catalogues("guard", GUARD_LANGUAGES)["en"]

    async def test(table: Table) -> None:
        def shown() -> dict[str, str]:
            view = running_inspection(views.lane(table.walk.controller, []), words)
            assert view is not None
            return {group["group"]: group["outcome"] for group in view["groups"]}

        begun_s = table.loop.time()
        lay(table, encoded(scene(A)))
        await table.pass_s(0.5)
        assert shown()["page"] == "pending"
        assert shown()["chip"] == "pending"
        await table.pass_s(2.7)
        assert shown()["page"] == "successful", "the pictures are judged while the chip still transfers"
        assert shown()["chip"] == "pending"
        assert not table.entrance
        while not table.entrance:
            await table.pass_s(0.05)
        assert 4.99 <= table.loop.time() - begun_s <= 5.5
        assert pages.looked == [frozenset(PICTURES)], "once, with all of them"
        assert {table.results[check].outcome for check in OPTICAL_CHECKS | ELECTRONIC_CHECKS} == {S}
        assert table.results[CheckName.VISIBLE_SEAL].outcome is N

    at_the_table(test, chip=Chip(seconds=5.0), page_pictures=PICTURES, optics=real_optics(pages))


@needs_font
@pytest.mark.parametrize(
    ("making", "check", "code"),
    [
        ({"infrared_ink": 0.05}, CheckName.MRZ_INFRARED, ReasonCode.MRZ_INFRARED_FAINT),
        ({"is_paper_bright": True}, CheckName.ULTRAVIOLET_DULLNESS, ReasonCode.ULTRAVIOLET_BRIGHT),
        ({"glare": "infrared"}, CheckName.MRZ_INFRARED, ReasonCode.IMAGE_GLARE),
        ({"dark": "ultraviolet"}, CheckName.ULTRAVIOLET_DULLNESS, ReasonCode.IMAGE_DARK),
    ],
    ids=["ink fades", "paper glows", "glare", "lamp off"],
)
def test_what_the_pictures_show_keeps_the_entrance_shut(
    making: dict[str, object], check: CheckName, code: ReasonCode
) -> None:
    async def test(table: Table) -> None:
        lay(table, encoded(scene(A, **making)))
        await table.pass_s(6.0)
        assert table.walk.phase is Phase.REFERRED
        assert not table.entrance
        assert code in table.reasons()
        assert table.results[check].outcome is not S

    at_the_table(test, page_pictures=PICTURES, optics=real_optics(SlowPages(0.5)))


@pytest.mark.parametrize("has_chip", [True, False], ids=["chip", "no chip"])
def test_pictures_that_come_late_are_waited_for_and_judged_together(has_chip: bool) -> None:
    async def test(table: Table) -> None:
        table.lay(portrait=JPEG)
        for role in PICTURES:
            await table.pass_s(1.0)
            assert not table.entrance
            assert table.judge.pages == []
            assert views.instruction(table.walk.controller) is Instruction.READING_DOCUMENT
            table.picture(role)
        await table.pass_s(0.5)
        assert table.judge.pages == [tuple(sorted(PICTURES))]
        assert table.entrance

    at_the_table(test, page_pictures=PICTURES, has_chip=has_chip)


@needs_font
@pytest.mark.parametrize("delivered", [(), ("white",), ("white", "ultraviolet")], ids="+".join)
def test_pictures_that_never_come_are_broken_off_and_accuse_nobody(delivered: tuple[str, ...]) -> None:
    pictures = encoded(scene(A))

    async def test(table: Table) -> None:
        lay(table, {role: pictures[role] for role in delivered})
        await table.pass_s(3.5)
        assert not table.walk.house.read_again_calls
        await table.pass_s(1.0)
        assert table.walk.house.read_again_calls == 1, "the reader is asked once more"
        assert not table.entrance
        await table.pass_s(4.0)
        assert table.walk.phase is Phase.REFERRED
        assert ReasonCode.IMAGE_MISSING in table.reasons()
        assert table.results[CheckName.MRZ_INFRARED].outcome is A_
        assert F not in {result.outcome for result in table.results.values()}

    at_the_table(test, page_pictures=PICTURES, optics=real_optics(SlowPages(0.0)))


@needs_font
def test_a_picture_taken_without_its_lamp_is_taken_once_more() -> None:
    dark, bright = encoded(scene(A, dark="ultraviolet")), encoded(scene(A))
    pages = SlowPages(0.5)

    async def test(table: Table) -> None:
        lay(table, dark)
        await table.pass_s(1.0)
        assert table.walk.house.read_again_calls == 1
        assert table.walk.phase is Phase.INSPECTING
        table.read_once_more(A)
        for role in PICTURES:
            table.picture(role, bright[role])
        await table.pass_s(1.0)
        assert table.entrance
        assert len(pages.looked) == 2
        assert table.results[CheckName.ULTRAVIOLET_DULLNESS].outcome is S

    at_the_table(test, page_pictures=PICTURES, optics=real_optics(pages))


@needs_font
def test_a_reader_that_takes_only_white_pictures_is_judged_by_those() -> None:
    pictures = encoded(scene(A))

    async def test(table: Table) -> None:
        lay(table, {"white": pictures["white"]})
        await table.pass_s(1.0)
        assert table.entrance
        assert table.results[CheckName.MRZ_READING].outcome is S
        assert {table.results[check].outcome for check in PAGE_CHECKS} == {N}

    at_the_table(test, page_pictures=("white",), optics=real_optics(SlowPages(0.2), ("white",)))


def test_a_document_that_comes_back_brings_its_pictures_again() -> None:
    """Torn off before its pictures were taken: what counts is what lies there when the chip is read."""

    async def test(table: Table) -> None:
        table.lay(pictures=("white",))
        await table.pass_s(0.5)
        table.lift()
        await table.pass_s(5.0)
        assert table.walk.phase is Phase.INSPECTING
        table.lay(pictures=PICTURES)
        await table.pass_s(2.0)
        assert table.judge.pages[-1] == tuple(sorted(PICTURES))
        assert table.entrance

    at_the_table(test, chip=Chip(seconds=1.0), page_pictures=PICTURES)


def test_lines_that_an_officer_read_are_judged_with_the_pictures_that_are_there() -> None:
    async def test(table: Table) -> None:
        table.lay(pictures=PICTURES, portrait=JPEG)
        await table.pass_s(1.0)
        assert table.walk.phase is Phase.REFERRED
        borrowed = table.walk.controller.borrowed
        assert borrowed is not None
        assert await table.walk.controller.guard(ReadingCorrected(borrowed.transaction_id, A, ("guard-1",)))
        await table.pass_s(1.0)
        assert table.entrance
        assert len(table.judge.pages) == 2
        assert CheckName.MRZ_READING not in table.results

    at_the_table(test, judge=Judge(optics={CheckName.MRZ_READING: U}), page_pictures=PICTURES)


def test_a_judge_that_dies_twice_calls_the_guard() -> None:
    for faults, enters in ((1, True), (2, False)):

        async def test(table: Table, enters: bool = enters) -> None:
            table.lay(pictures=PICTURES)
            await table.pass_s(1.0)
            assert table.entrance is enters
            if not enters:
                assert {table.results[check].outcome for check in OPTICAL_CHECKS} == {A_}
                assert ReasonCode.INSPECTION_FAULT in table.reasons()

        at_the_table(test, judge=Judge(optics_faults=faults), page_pictures=PICTURES)


def test_a_transaction_that_ends_waits_for_no_pictures() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(0.5)
        transaction_id = table.walk.controller.state.transaction_id
        assert transaction_id is not None
        await table.pass_s(30.0)
        assert table.walk.controller.document._waits_for_pictures is None

    class Dead(Judge):
        async def page(self, images: Mapping[str, bytes], lines: tuple[str, ...]) -> tuple[CheckResult, ...]:
            raise InspectionFault("the judge died")

    at_the_table(test, judge=Dead(), page_pictures=PICTURES)


def test_a_lane_that_takes_pictures_needs_somebody_to_look_at_them() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        async with lane(ports=DocumentPorts(), clock=VirtualClock(loop), page_pictures=PICTURES):
            raise AssertionError("the lane was built")

    with pytest.raises(ValueError, match="nobody to look at them"):
        run(main(), loop)
