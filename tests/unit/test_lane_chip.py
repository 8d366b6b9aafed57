"""The chip and the pictures of a page in a lane, on fakes and a virtual clock: what runs side by side, what is repeated, what stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import pytest

from drivers import contracts as dc
from gate_agent.app import views
from gate_agent.clock import Clock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Admission, Outcome
from gate_agent.domain.demands import ELECTRONIC_CHECKS, OPTICAL_CHECKS
from gate_agent.domain.document_events import ReadingCorrected
from gate_agent.domain.events import GuardDecided, HelpRequested, Timer
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.mrz_information import alternative_mrz_information, mrz_information
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_state import ChipRead, Phase
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import InspectionFault
from gate_agent.lane.ports import ChipInspection, DocumentPorts, OpticalInspector
from gate_agent.web.lane_api_messages import Instruction
from models.results import ComparisonDecision
from tests.unit.test_lane_controller import TODAY, Lane, lane
from tests.unit.virtual_time import VirtualClock, VirtualLoop, run

Found = TypeVar("Found")
A, B, A_WRONG = specimen(1, TODAY).lines(), specimen(2, TODAY).lines(), specimen(1, TODAY).lines(wrong_digit=True)
SOD_CHECKS = (CheckName.SOD_SIGNATURE, CheckName.CERTIFICATE_CHAIN, CheckName.CERTIFICATE_REVOCATION)
JPEG = b"\xff\xd8\xff\xe0" + bytes(80)
S, F, U, N, A_ = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)  # fmt: skip


def tlv(tag: str, value: bytes) -> bytes:
    return bytes.fromhex(tag) + b"\x82" + len(value).to_bytes(2, "big") + value


def dg2(portrait: bytes) -> bytes:
    """A biometric information template around an ISO 19794-5 face record, as on a chip."""
    image = bytes(20) + bytes(12) + portrait
    record = b"FAC\x00" + b"010\x00" + (14 + len(image)).to_bytes(4, "big") + b"\x00\x01"
    facial = (len(image)).to_bytes(4, "big") + bytes(16)
    body = record + facial + bytes(12) + portrait
    group = tlv("7f60", tlv("a1", b"") + tlv("5f2e", body))
    return tlv("75", tlv("7f61", b"\x02\x01\x01" + group))


@dataclass
class Chip:
    """A chip and its reader: seconds from the first byte to the last, and what becomes of it."""

    seconds: float = 0.0
    fault: str = ""
    portrait: bytes = JPEG
    reads: list[dc.ChipKeys] = field(default_factory=list)
    stopped: int = 0
    hangs: bool = False

    async def read(self, keys: dc.ChipKeys, report: Callable[[dc.ChipProgress], None]) -> dc.ChipEvidence:
        self.reads.append(keys)
        try:
            return await self._read(report)
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def _read(self, report: Callable[[dc.ChipProgress], None]) -> dc.ChipEvidence:
        files: dict[str, bytes] = {}
        report(dc.ChipOpened(dc.ChipAccess.PACE))
        for name, share, content in (("EF.SOD", 0.2, b"sod"), ("DG1", 0.1, b"dg1"), ("DG2", 0.7, dg2(self.portrait))):
            await asyncio.sleep(self.seconds * share)
            if self.hangs:
                await asyncio.sleep(10_000)
            if self.fault and name == "DG2":
                return dc.ChipEvidence(dc.ChipAccess.PACE, files=files, fault=self.fault)
            files[name] = content
            report(dc.ChipFileRead(name, content))
        return dc.ChipEvidence(dc.ChipAccess.PACE, files=files)


@dataclass
class Judge:
    """A judge of chips and pages that says what it is told to."""

    outcomes: dict[CheckName, CheckResult] = field(default_factory=dict)
    early: dict[CheckName, CheckResult] = field(default_factory=dict)
    beside: tuple[CheckResult, ...] = ()
    covered_states: frozenset[str] | None = frozenset({"UTO", "UZB"})
    version: int = 7
    optics_seconds: float = 0.0
    optics: dict[CheckName, CheckOutcome] = field(default_factory=dict)
    faults: int = 0
    optics_faults: int = 0
    judged: list[str] = field(default_factory=list)
    pages: list[tuple[str, ...]] = field(default_factory=list)

    async def security_object(self, content: bytes, now: datetime) -> tuple[CheckResult, ...]:
        self.judged.append("EF.SOD")
        return tuple(self.early.get(check) or CheckResult(check, S) for check in SOD_CHECKS)

    async def chip(self, evidence: dc.ChipEvidence, document: TravelDocument | None, now: datetime) -> ChipInspection:
        self.judged.append("chip")
        if self.faults:
            self.faults -= 1
            raise InspectionFault("the judge died")
        outcomes = dict(self.outcomes)
        if evidence.fault:
            aborted = Reason(ReasonCode.CHIP_ABORTED, {"fault": evidence.fault})
            outcomes = {check: CheckResult(check, A_, (aborted,)) for check in ELECTRONIC_CHECKS}
        results = tuple(outcomes.get(check) or CheckResult(check, S) for check in sorted(ELECTRONIC_CHECKS))
        portrait = None
        if "DG2" in evidence.files:
            portrait = evidence.files["DG2"][evidence.files["DG2"].index(b"\xff\xd8\xff") :]
        return ChipInspection((*results, *self.beside), ("lines",), portrait)

    async def page(self, images: Mapping[str, bytes], lines: tuple[str, ...]) -> tuple[CheckResult, ...]:
        self.pages.append(tuple(sorted(images)))
        await asyncio.sleep(self.optics_seconds)
        if self.optics_faults:
            self.optics_faults -= 1
            raise InspectionFault("the judge died")
        return tuple(CheckResult(check, self.optics.get(check, S)) for check in sorted(OPTICAL_CHECKS))


@dataclass
class Table:
    """A lane with its chip, its judge and virtual time."""

    walk: Lane
    chip: Chip
    judge: Judge
    loop: VirtualLoop

    def lay(self, lines: tuple[str, ...] = A, *, pictures: tuple[str, ...] = (), portrait: bytes | None = None) -> None:
        """Lay a document on the reader: its chip answers, it is read, its pictures come."""
        self.walk.event("chip-1", dc.ChipPresented(b"atr"))
        self.walk.event("reader-1", dc.DocumentPresented())
        for role in pictures:
            self.picture(role)
        self.walk.event("reader-1", dc.MrzRead(lines))
        if portrait is not None:
            self.walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", portrait))

    def picture(self, role: str, content: bytes = b"") -> None:
        self.walk.event("reader-1", dc.DocumentImage(role, "image/jpeg", content or role.encode()))

    def lift(self) -> None:
        self.walk.event("chip-1", dc.ChipRemoved())
        self.walk.event("reader-1", dc.DocumentRemoved())

    def read_once_more(self, lines: tuple[str, ...] = A) -> None:
        self.walk.event("reader-1", dc.MrzRead(lines))

    async def settle(self) -> None:
        await self.walk.settle()

    async def pass_s(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.settle()

    @property
    def entrance(self) -> bool:
        return dc.Door.ENTRANCE in self.walk.house.releases

    @property
    def results(self) -> Mapping[CheckName, CheckResult]:
        return self.walk.controller.state.results

    def reasons(self) -> list[ReasonCode]:
        return [reason.code for reason in self.walk.house.decisions[-1].answer.admission_reasons]


def not_none(value: Found | None) -> Found:
    assert value is not None
    return value


def at_the_table(
    test: Callable[[Table], Awaitable[None]],
    *,
    chip: Chip | None = None,
    judge: Judge | None = None,
    has_chip: bool = True,
    document: dict[str, object] | None = None,
    page_pictures: tuple[str, ...] = (),
    optics: Callable[[Clock], OpticalInspector] | None = None,
) -> None:
    """Run a test on a lane whose time is virtual. `optics` makes another judge of pages."""
    loop = VirtualLoop()
    chip, judge = chip or Chip(), judge or Judge()

    async def main() -> None:
        clock = VirtualClock(loop)
        ports = DocumentPorts(chip if has_chip else None, judge, judge if optics is None else optics(clock))
        async with lane(ports=ports, document=document, clock=clock, page_pictures=page_pictures) as walk:
            await test(Table(walk, chip, judge, loop))

    run(main(), loop)


def test_five_seconds_of_chip_and_three_of_optics_are_over_in_five_and_a_half() -> None:
    """The graph of the inspection: nothing waits for what it does not need."""

    async def test(table: Table) -> None:
        begun_s = table.loop.time()
        table.lay(pictures=("white", "infrared", "ultraviolet"), portrait=JPEG)
        await table.pass_s(0.9)
        assert table.judge.pages, "the pictures are judged while the chip is read"
        assert not table.judge.judged
        await table.pass_s(0.2)
        assert table.judge.judged == ["EF.SOD"], "the security object is judged while DG2 still transfers"
        assert {table.results[check].outcome for check in SOD_CHECKS} == {S}
        assert not table.entrance
        while not table.entrance:
            await table.pass_s(0.05)
        assert 4.99 <= table.loop.time() - begun_s <= 5.5
        assert table.judge.pages == [("infrared", "ultraviolet", "white")]
        assert "reference" in table.walk.house.asked
        assert table.walk.house.portraits == [JPEG], "the reference is the chip's portrait"
        steps = table.walk.controller.borrowed
        assert steps is not None
        assert steps.step_ms["chip"] == pytest.approx(5000)
        assert steps.step_ms["page"] == pytest.approx(3000)

    at_the_table(test, chip=Chip(seconds=5.0), judge=Judge(optics_seconds=3.0))


def test_a_traveller_with_a_chip_walks_through_and_nothing_of_it_stays() -> None:
    async def test(table: Table) -> None:
        table.lay(pictures=("white",), portrait=JPEG)
        await table.pass_s(1.0)
        assert table.entrance
        borrowed = table.walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.chip_portrait is not None
        kept = [borrowed.chip_portrait, borrowed.printed_portrait, *borrowed.pictures.values()]
        assert len(kept) == 3
        assert table.results[CheckName.PORTRAIT_AGAINST_DG2].outcome is S
        await table.walk.inputs(1)
        await table.walk.look()
        await table.walk.inputs(0, passed=True)
        assert table.walk.controller.recent[-1].outcome is Outcome.RELEASED
        checks = {check.check for check in table.walk.house.decisions[-1].checks}
        assert checks >= ELECTRONIC_CHECKS | OPTICAL_CHECKS
        assert table.walk.house.decisions[-1].source_states["trust"] == "local:7"
        assert not any(any(image) for image in kept if image is not None), "a picture was not overwritten"
        assert borrowed.chip_portrait is borrowed.printed_portrait is None
        assert borrowed.pictures == {}

    at_the_table(test)


def test_the_key_is_made_of_the_printed_lines() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.settle()
        lines = A[1]
        assert table.chip.reads == [dc.ChipKeys(lines[0:10] + lines[13:20] + lines[21:28])]

    at_the_table(test)


def test_keys_of_long_numbers_and_of_documents_without_a_chip() -> None:
    birth, expiry = "9005134", "3506156"
    for digit in "48":  # the worked number of two conventions
        first = f"I<UTOXK7766550<412{digit}".ljust(30, "<")
        document = read_mrz((first, f"{birth}<{expiry}UTO".ljust(29, "<") + "0", "A<<B".ljust(30, "<")), TODAY).document
        assert document is not None
        assert document.document_number == "XK7766550412"
        assert mrz_information(document) == f"XK77665504124{birth}{expiry}"
        assert alternative_mrz_information(document) == f"XK77665504128{birth}{expiry}"
    passport = read_mrz(A, TODAY).document
    assert passport is not None
    assert alternative_mrz_information(passport) == ""
    visa = read_mrz(("V" + A[0][1:], A[1]), TODAY).document
    assert visa is not None
    assert mrz_information(visa) == ""


def test_a_chip_torn_off_is_read_again_when_the_document_comes_back() -> None:
    async def test(table: Table) -> None:
        table.lay(portrait=JPEG)
        await table.pass_s(0.9)
        table.lift()
        await table.settle()
        assert table.chip.stopped == 1, "the read goes on without a chip"
        assert table.walk.controller.state.chip is ChipRead.AWAITED
        assert views.instruction(table.walk.controller) is Instruction.PRESENT_AGAIN
        assert not table.entrance
        table.lay()
        await table.pass_s(2.0)
        assert len(table.chip.reads) == 2
        assert table.entrance
        assert table.walk.house.portraits == [JPEG]

    at_the_table(test, chip=Chip(seconds=1.0))


def test_a_tear_that_the_reader_notices_late_counts_once() -> None:
    async def test(table: Table) -> None:
        table.lay()
        table.chip.fault = "DRV-CHP-001"
        await table.pass_s(1.0)
        assert table.walk.controller.state.chip is ChipRead.AWAITED
        table.lift()
        await table.settle()
        assert table.walk.phase is Phase.INSPECTING
        table.chip.fault = ""
        table.lay()
        await table.pass_s(1.0)
        assert table.entrance

    at_the_table(test, chip=Chip(seconds=0.5))


def test_a_chip_that_leaves_a_moment_before_its_document_is_one_attempt() -> None:
    """A lifted document: the field loses it first. Asked again at once, the reader would still see it, and the lift would count twice."""

    async def test(table: Table) -> None:
        table.lay()
        table.chip.fault = "DRV-CHP-001"
        await table.pass_s(0.4)  # torn off since 0.15 s
        assert table.walk.controller.state.chip is ChipRead.RUNNING
        assert table.walk.house.read_again_calls == 0
        table.lift()
        await table.settle()
        assert table.walk.controller.state.chip is ChipRead.AWAITED
        table.chip.fault = ""
        table.lay()
        await table.pass_s(1.0)
        assert table.entrance

    at_the_table(test, chip=Chip(seconds=0.15))


def test_a_chip_that_is_torn_off_twice_calls_the_guard_and_accuses_nobody() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        table.read_once_more()
        await table.pass_s(1.0)
        assert table.walk.phase is Phase.REFERRED
        assert len(table.chip.reads) == 2
        assert table.reasons()[0] is ReasonCode.CHIP_ABORTED
        assert {table.results[check].outcome for check in ELECTRONIC_CHECKS} == {A_}
        assert not table.entrance

    at_the_table(test, chip=Chip(seconds=0.5, fault="DRV-CHP-001"))


def test_the_reference_is_of_the_chip_that_was_judged_and_of_no_other() -> None:
    """A first chip, torn off after its portrait was read, leaves no face behind."""

    async def test(table: Table) -> None:
        table.chip.portrait, table.judge.faults = JPEG + b"another", 1
        table.lay()
        await table.pass_s(1.0)
        assert table.walk.house.portraits == [JPEG + b"another"]
        table.lift()
        table.chip.portrait = JPEG + b"holder"
        table.lay()
        await table.pass_s(1.0)
        assert table.entrance
        assert table.walk.house.portraits[-1] == JPEG + b"holder"
        borrowed = table.walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.chip_portrait == JPEG + b"holder"

    at_the_table(test, chip=Chip(seconds=0.5))


def test_a_chip_that_hangs_is_given_up_and_tried_once_more() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(12.9)
        assert table.walk.controller.timers.remaining_s() is None, "no time of the traveller's runs meanwhile"
        await table.pass_s(0.2)
        assert table.walk.controller.state.chip is ChipRead.AWAITED
        table.read_once_more()
        await table.pass_s(13.1)
        assert table.walk.phase is Phase.REFERRED
        assert table.chip.stopped == 2
        assert table.reasons()[:2] == [ReasonCode.STEP_TIMEOUT, ReasonCode.ABORTED_TWICE]

    at_the_table(test, chip=Chip(hangs=True), document={"chip_timeout_s": 8.0})


def test_a_chip_that_never_answers_is_asked_all_the_same() -> None:
    async def test(table: Table) -> None:
        table.walk.event("reader-1", dc.DocumentPresented())
        table.walk.event("reader-1", dc.MrzRead(A))
        await table.pass_s(1.9)
        assert table.chip.reads == []
        await table.pass_s(0.2)
        assert len(table.chip.reads) == 1, "the reader says best what it sees"

    at_the_table(test)


def test_refused_access_has_the_lines_read_again_and_other_lines_may_open_the_chip() -> None:
    refused = CheckResult(CheckName.CHIP_ACCESS, F, (Reason(ReasonCode.CHIP_ACCESS_REFUSED, {"protocol": "PACE"}),))
    nothing_read = {check: CheckResult(check, A_) for check in ELECTRONIC_CHECKS}

    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        assert table.walk.house.read_again_calls == 1
        table.judge.outcomes = {}
        table.read_once_more(B)  # what was read first was a misreading that its digits did not show
        await table.pass_s(1.0)
        assert table.entrance
        assert len(table.chip.reads) == 2
        assert table.chip.reads[0] != table.chip.reads[1]
        borrowed = table.walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.document is not None
        assert borrowed.document.document_number == "U02SPECIM"

    at_the_table(test, judge=Judge(nothing_read | {CheckName.CHIP_ACCESS: refused}))


def test_access_refused_twice_is_the_guards() -> None:
    refused = CheckResult(CheckName.CHIP_ACCESS, F, (Reason(ReasonCode.CHIP_ACCESS_REFUSED, {"protocol": "PACE"}),))

    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        table.read_once_more()
        await table.pass_s(1.0)
        assert table.walk.phase is Phase.REFERRED
        assert table.reasons()[0] is ReasonCode.CHIP_ACCESS_REFUSED
        assert len(table.chip.reads) == 2

    at_the_table(test, judge=Judge({CheckName.CHIP_ACCESS: refused}))


def test_a_finding_while_the_chip_transfers_is_shown_at_once_and_never_taken_back() -> None:
    wrong = CheckResult(CheckName.SOD_SIGNATURE, F, (Reason(ReasonCode.SOD_SIGNATURE_WRONG),))

    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(2.0)
        shown = {check.check: check.outcome for check in views.lane(table.walk.controller, []).checks}
        assert shown["sod_signature"] == "failed"
        await table.pass_s(4.0)
        assert table.walk.phase is Phase.REFERRED
        assert table.reasons()[0] is ReasonCode.SOD_SIGNATURE_WRONG

    at_the_table(test, chip=Chip(seconds=5.0), judge=Judge(early={CheckName.SOD_SIGNATURE: wrong}))


@pytest.mark.parametrize(("covered", "code"), [
    (frozenset({"UTO"}), None), (frozenset({"XOM"}), ReasonCode.ISSUER_NOT_COVERED), (None, ReasonCode.TRUST_BUNDLE_MISSING),
])  # fmt: skip
@pytest.mark.parametrize("setting", ["required", "advisory"])
def test_whom_nobody_can_prove_is_told_before_the_entrance(
    covered: frozenset[str] | None, code: ReasonCode | None, setting: str
) -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        is_told = code is not None and setting == "required"
        assert table.entrance is not is_told
        assert (table.walk.phase is Phase.REFERRED) is is_told
        if is_told:
            assert table.reasons()[0] is code
            assert table.chip.reads == [], "it would prove nothing"
            assert views.instruction(table.walk.controller) is Instruction.STAFFED_LANE

    at_the_table(test, judge=Judge(covered_states=covered), chip=Chip(), document={"chip": setting})


@pytest.mark.parametrize("setting", ["required", "advisory"])
def test_a_chip_that_is_given_up_twice_leaves_the_printed_portrait(setting: str) -> None:
    """As the reference of a lane that goes on without the chip; for the guard's eyes where it does not."""

    async def test(table: Table) -> None:
        table.lay(portrait=b"printed")
        await table.pass_s(13.1)
        table.read_once_more()
        await table.pass_s(13.1)
        assert table.walk.house.portraits == [b"printed"]
        assert table.entrance is (setting == "advisory")
        if setting == "required":
            shown = views.referral(table.walk.controller, not_none(table.walk.controller.borrowed))
            assert not_none(shown).has_reference

    at_the_table(test, chip=Chip(hangs=True), document={"chip": setting, "chip_timeout_s": 8.0})


def test_a_guard_sees_the_portrait_of_a_chip_that_failed_before_it_was_ready() -> None:
    """Decoding takes longer than the judgement: the console is told once more when the portrait is there."""

    async def test(table: Table) -> None:
        decoded = table.walk.house.reference_waits = asyncio.Event()
        table.lay()
        await table.pass_s(1.0)
        assert table.walk.phase is Phase.REFERRED
        shown = views.referral(table.walk.controller, not_none(table.walk.controller.borrowed))
        assert not not_none(shown).has_reference
        changes = table.walk.house.changes
        decoded.set()
        await table.settle()
        assert table.walk.house.changes > changes
        shown = views.referral(table.walk.controller, not_none(table.walk.controller.borrowed))
        assert not_none(shown).has_reference

    changed = Reason(ReasonCode.DATA_GROUP_CHANGED, {"group": "DG2"})
    outcomes = {CheckName.CHIP_CONTENT: CheckResult(CheckName.CHIP_CONTENT, F, (changed,))}
    at_the_table(test, chip=Chip(seconds=0.5), judge=Judge(outcomes=outcomes))


def test_an_advisory_chip_that_cannot_be_read_leaves_the_printed_portrait_as_the_reference() -> None:
    async def test(table: Table) -> None:
        table.lay(portrait=b"printed")
        await table.pass_s(1.0)
        assert not table.entrance, "it is tried once more"
        table.read_once_more()
        await table.pass_s(1.0)
        assert table.entrance
        assert table.walk.house.portraits[-1] == b"printed"
        assert table.results[CheckName.CHIP_ACCESS].outcome is A_

    at_the_table(test, chip=Chip(seconds=0.5, fault="DRV-CHP-004"), document={"chip": "advisory"})


@pytest.mark.parametrize("is_late", [True, False])
@pytest.mark.parametrize("decision", list(ComparisonDecision))
def test_the_printed_portrait_is_compared_with_the_chips(decision: ComparisonDecision, is_late: bool) -> None:
    expected = {ComparisonDecision.MATCH: S, ComparisonDecision.NON_MATCH: F, ComparisonDecision.UNDETERMINED: U}

    async def test(table: Table) -> None:
        table.walk.house.printed = decision
        table.lay(portrait=None if is_late else b"printed")
        if is_late:
            await table.pass_s(0.9)
            table.walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", b"printed"))
        await table.pass_s(1.0)
        assert table.results[CheckName.PORTRAIT_AGAINST_DG2].outcome is expected[decision]
        assert table.entrance is (decision is ComparisonDecision.MATCH)
        assert table.walk.house.portraits == [JPEG], "the printed one is no reference"

    at_the_table(test, chip=Chip(seconds=1.0))


def test_pictures_of_another_page_are_not_held_against_this_document() -> None:
    async def test(table: Table) -> None:
        table.lay(pictures=("infrared",))
        await table.pass_s(0.1)
        assert table.judge.pages == [("infrared",)]
        table.lift()
        table.walk.event("reader-1", dc.DocumentPresented())
        table.walk.event("reader-1", dc.DocumentImage("white", "image/jpeg", b"of something else"))
        await table.settle()
        borrowed = table.walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.pictures == {}
        assert table.judge.pages == [("infrared",)]
        table.walk.event("reader-1", dc.MrzRead(B))
        await table.settle()
        assert table.reasons() == [ReasonCode.DOCUMENT_CHANGED]
        assert table.judge.pages == [("infrared",)]
        table.walk.event("reader-1", dc.DocumentRemoved())
        await table.settle()
        assert borrowed.unplaced_pictures == {}

    at_the_table(test, chip=Chip(seconds=5.0))


@pytest.mark.parametrize("outcome", list(CheckOutcome))
def test_a_lane_without_a_chip_reader_judges_pages_too(outcome: CheckOutcome) -> None:
    async def test(table: Table) -> None:
        table.lay(pictures=("white",), portrait=JPEG)
        await table.pass_s(2.0)
        assert not table.entrance
        await table.pass_s(2.0)
        clear = outcome in {S, N}
        assert table.entrance is clear
        assert (table.walk.phase is Phase.REFERRED) is not clear
        assert table.chip.reads == []
        assert table.walk.house.portraits == [JPEG]

    at_the_table(
        test, has_chip=False, judge=Judge(optics_seconds=3.0, optics={CheckName.ULTRAVIOLET_DULLNESS: outcome})
    )


@pytest.mark.parametrize(("faults", "enters"), [(1, True), (2, False)])
def test_a_judge_that_dies_is_asked_once_more(faults: int, enters: bool) -> None:
    async def test(table: Table) -> None:
        table.lay(pictures=("white",))
        await table.pass_s(1.0)
        table.read_once_more()
        await table.pass_s(1.0)
        assert table.entrance is enters
        if not enters:
            assert ReasonCode.INSPECTION_FAULT in table.reasons()

    at_the_table(test, judge=Judge(faults=faults))
    at_the_table(test, judge=Judge(optics_faults=faults))


def test_a_guard_reads_the_lines_by_eye_and_the_machine_goes_on_with_them() -> None:
    not_trusted = {CheckName.MRZ_READING: U}

    async def test(table: Table) -> None:
        table.lay(A_WRONG, pictures=("white",), portrait=JPEG)
        await table.pass_s(0.1)
        table.read_once_more(A_WRONG)
        await table.pass_s(0.1)
        controller = table.walk.controller
        assert table.walk.phase is Phase.REFERRED
        borrowed = controller.borrowed
        assert borrowed is not None
        seen = views.referral(controller, borrowed)
        assert seen is not None
        assert seen.can_correct
        assert await controller.guard(ReadingCorrected(borrowed.transaction_id, A, ("guard-1",)))
        await table.pass_s(1.0)
        assert table.entrance
        assert table.chip.reads[0].mrz_information == A[1][0:10] + A[1][13:20] + A[1][21:28]
        digits = table.results[CheckName.MRZ_CHECK_DIGITS]
        assert (digits.outcome, digits.reasons) == (S, (Reason(ReasonCode.MRZ_CORRECTED, {"officer": "guard-1"}),))
        assert CheckName.MRZ_READING not in table.results, "no machine read these lines"
        assert not await controller.guard(ReadingCorrected(borrowed.transaction_id, B, ("guard-1",)))
        await table.walk.inputs(1)
        await table.walk.look()
        decision = table.walk.house.decisions[-1]
        assert decision.decided_by == "machine"
        assert decision.document is not None
        assert decision.document.lines == A
        assert ReasonCode.MRZ_CORRECTED in {reason.code for check in decision.checks for reason in check.reasons}

    at_the_table(test, judge=Judge(optics=not_trusted))


def test_a_reading_that_is_not_trusted_is_the_guards_to_confirm() -> None:
    async def test(table: Table) -> None:
        table.lay(pictures=("white",), portrait=JPEG)
        await table.pass_s(1.0)
        assert table.walk.phase is Phase.REFERRED
        borrowed = table.walk.controller.borrowed
        assert borrowed is not None
        assert await table.walk.controller.guard(ReadingCorrected(borrowed.transaction_id, A, ("guard-1",)))
        await table.pass_s(1.0)
        assert table.entrance

    at_the_table(test, judge=Judge(optics={CheckName.MRZ_READING: U}))


def test_another_document_ends_the_read_and_calls_the_guard() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        table.lift()
        table.lay(B)
        await table.settle()
        assert table.walk.phase is Phase.REFERRED
        assert table.reasons() == [ReasonCode.DOCUMENT_CHANGED]
        assert len(table.chip.reads) == 1

    at_the_table(test, chip=Chip(seconds=5.0))


def test_a_transaction_that_ends_leaves_no_read_behind() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        transaction_id = table.walk.controller.state.transaction_id
        assert transaction_id is not None
        table.walk.controller.feed(HelpRequested(uuid.uuid4()))
        await table.settle()
        assert table.chip.stopped == 1
        assert await table.walk.controller.guard(
            GuardDecided(transaction_id, Admission.HAND_OVER, (), "document_doubt", "")
        )
        await table.settle()
        assert table.walk.controller.borrowed is None
        assert table.walk.house.kept == set()

    at_the_table(test, chip=Chip(seconds=5.0))


@pytest.mark.parametrize("setting", ["required", "advisory"])
def test_a_lane_whose_chip_reader_is_away_takes_nobody_where_the_chip_is_required(setting: str) -> None:
    async def test(table: Table) -> None:
        table.walk.event("chip-1", dc.StateChanged(dc.DeviceState.ABSENT))
        await table.settle()
        assert table.walk.phase is (Phase.SUSPENDED if setting == "required" else Phase.IDLE)
        if setting == "required":
            assert table.walk.controller.state.holds == {ReasonCode.CHIP_READER_FAULT}
        table.walk.event("chip-1", dc.StateChanged(dc.DeviceState.READY))
        await table.settle()
        assert table.walk.phase is Phase.IDLE

    at_the_table(test, document={"chip": setting})


def test_a_reader_that_fails_in_mid_read_aborts_the_step() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(1.0)
        table.walk.event("chip-1", dc.StateChanged(dc.DeviceState.FAULT))
        await table.settle()
        assert table.walk.controller.state.chip is ChipRead.AWAITED
        assert Timer.CHIP not in table.walk.controller.timers._running
        table.walk.event("chip-1", dc.StateChanged(dc.DeviceState.READY))
        table.read_once_more()
        await table.pass_s(5.5)
        assert table.entrance

    at_the_table(test, chip=Chip(seconds=5.0))


def test_the_traveller_is_told_to_leave_the_document_there_and_how_far_it_is() -> None:
    async def test(table: Table) -> None:
        table.lay()
        await table.pass_s(0.5)
        controller = table.walk.controller
        assert views.instruction(controller) is Instruction.READING_CHIP
        shares = []
        for _ in range(5):
            assert controller.document.chip is not None
            shares.append(views.read_percent(controller, views.instruction(controller)))
            await table.pass_s(0.9)
        assert shares == sorted(s for s in shares if s is not None)
        assert shares[0] < shares[-1]
        await table.pass_s(2.0)
        assert views.instruction(controller) is Instruction.ENTER
        assert views.read_percent(controller, Instruction.ENTER) is None

    at_the_table(test, chip=Chip(seconds=5.0))


def test_a_lane_with_a_chip_reader_needs_somebody_to_judge_chips() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        async with lane(ports=DocumentPorts(Chip()), clock=VirtualClock(loop)):
            raise AssertionError("the lane was built")

    with pytest.raises(ValueError, match="nobody to read or to judge"):
        run(main(), loop)


@pytest.mark.parametrize("accepts", [False, True])
def test_a_chip_that_was_signed_for_tests_lets_nobody_in_where_specimens_are_not_accepted(accepts: bool) -> None:
    lines = specimen(1, TODAY, issuing_state="UZB", nationality="UZB", primary_identifier="KARIMOV").lines()
    told = CheckResult(CheckName.SPECIMEN, F, (Reason(ReasonCode.SPECIMEN_CERTIFICATE),))

    async def test(table: Table) -> None:
        table.lay(lines, portrait=JPEG)
        await table.pass_s(1.0)
        assert table.entrance is accepts
        assert table.results[CheckName.SPECIMEN].outcome is (N if accepts else F)
        if not accepts:
            assert table.reasons()[0] is ReasonCode.SPECIMEN_CERTIFICATE

    at_the_table(test, judge=Judge(beside=(told,)), document={"accept_specimens": accepts})


def test_a_chip_takes_back_nothing_that_the_printed_lines_said() -> None:
    told = CheckResult(CheckName.SPECIMEN, S)

    async def test(table: Table) -> None:
        table.lay(portrait=JPEG)
        await table.pass_s(1.0)
        assert not table.entrance
        assert table.results[CheckName.SPECIMEN].reasons == (Reason(ReasonCode.SPECIMEN_DOCUMENT),)

    at_the_table(test, judge=Judge(beside=(told,)), document={"accept_specimens": False})
