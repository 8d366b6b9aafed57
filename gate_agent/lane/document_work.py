"""What a lane does with a document beyond its printed lines: portrait, pictures of the page, chip, and whether its chip can be proven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from datetime import date

import structlog

from drivers.contracts import Unsupported
from gate_agent.clock import Clock
from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_state import ChipRead, TransactionState
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import DeviceFault, InspectionFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.chip import ChipWork
from gate_agent.lane.face.work import FaceWork
from gate_agent.lane.intake import Intake
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.ports import DocumentPorts, LaneReader, OpticalInspector, PluginJudges
from gate_agent.policy.eligibility import not_covered
from gate_agent.settings import LaneSettings, Settings

log = structlog.get_logger()

PICTURES = frozenset({"white", "infrared", "ultraviolet"})
"""Roles of the pictures that the page is judged by."""


class DocumentWork:
    """Performs the machine's effects on a document, and takes its pictures as they come."""

    def __init__(
        self,
        settings: Settings,
        lane: LaneSettings,
        reader: LaneReader,
        ports: DocumentPorts,
        intake: Intake,
        face: FaceWork,
        clock: Clock,
        *,
        job: Job,
        report: Report,
        read: Callable[[Borrowed, tuple[str, ...]], None],
        changed: Callable[[], None],
        today: Callable[[], date],
    ) -> None:
        self.chip: ChipWork | None = None
        self._is_chip_required = settings.document.chip == "required"
        self._reader = reader
        self._intake = intake
        self._optics = ports.optical_inspector
        self._plugins = ports.plugins
        self._direction = lane.direction
        self._today = today
        self._expected = frozenset(lane.page_pictures)
        self._page_timeout_s = settings.page.timeout_s
        self._waits_for_pictures: Borrowed | None = None
        self._awaited: set[str] = set()
        self._pictured = asyncio.Event()
        self._face = face
        self._clock = clock
        self._job = job
        self._report = report
        self._read = read
        self._reads_zone = lane.zone_from_pictures
        if self._expected and self._optics is None:
            raise ValueError(f"lane {lane.lane_id} takes pictures of pages, and nobody to look at them was handed in")
        if lane.chip_reader:
            if ports.chip_reader is None or ports.chip_inspector is None:
                raise ValueError(f"lane {lane.lane_id} reads chips, and nobody to read or to judge them was handed in")
            self.chip = ChipWork(
                ports.chip_reader,
                ports.chip_inspector,
                face,
                clock,
                job=job,
                report=report,
                changed=changed,
                accept_specimens=settings.document.accept_specimens,
            )

    @property
    def trust_version(self) -> int | None:
        """The version of the trust bundle that chips are judged by, 0 without one; None: this lane reads no chips."""
        return None if self.chip is None else self.chip.trust_version

    def perform(self, effect: de.DocumentEffect, borrowed: Borrowed) -> None:
        """Do what the machine asks."""
        match effect:
            case de.ReadChip():
                assert self.chip is not None, "only a lane that reads chips demands one"
                self.chip.start(borrowed)
            case de.StopChip():
                self.stop()
            case de.JudgePage() if self._optics is not None:
                self._expect_pictures(borrowed)
                self._job(self._judge_page(borrowed, self._optics))
            case de.DoubtReading():
                borrowed.doubt_reading()
            case de.TakeReference():
                self._take_reference(borrowed)

    def ask_plugins(self, borrowed: Borrowed) -> None:
        """Have the checks of plug-ins made that need the printed lines and no picture."""
        if self._plugins is not None:
            self._job(self._ask_plugins(borrowed, self._plugins))

    async def _ask_plugins(self, borrowed: Borrowed, plugins: PluginJudges) -> None:
        reading, document = borrowed.reading, borrowed.document
        if document is None:
            return
        begun_s = self._clock.monotonic_s()
        found = await plugins.judge(document, self._direction.value, self._today())
        if borrowed.reading is reading and not borrowed.is_over:
            borrowed.step_ms["plugins"] = (self._clock.monotonic_s() - begun_s) * 1000
            self._report(borrowed, *map(ev.CheckCompleted, found), of_read=True)

    def stop(self) -> None:
        """End a running read of a chip."""
        if self.chip is not None:
            self.chip.stop()

    async def read_again(self, borrowed: Borrowed) -> None:
        """Ask the reader for another read of what lies on it."""
        try:
            await self._reader.read_again()
        except (DeviceFault, Unsupported) as error:
            log.warning("read_again_refused", reason=type(error).__name__)
            if self._intake.document_on_reader:  # a reader that takes no orders would say if the document had left
                self._report(borrowed, de.DocumentSeenAgain())

    def image(self, borrowed: Borrowed, role: str, content: bytes, state: TransactionState) -> tuple[ev.Event, ...]:
        """Take a picture of the document that was read in this transaction; any other belongs to somebody else."""
        if role == "portrait" and self._reads_zone and not borrowed.presented.is_on_reader:
            borrowed.hold_picture(role, content)  # the lines are still being read in another picture
        elif role == "portrait":
            self._portrait(borrowed, content, state)
        elif role in PICTURES and self._optics is not None:
            if role == "white" and self._reads_zone:
                self._job(self._read_zone(borrowed, borrowed.presented.presentation, content, self._optics))
            if borrowed.presented.takes_picture():
                borrowed.keep_picture(role, content)
                return self._imaged(borrowed, role)
            borrowed.hold_picture(role, content)
        return ()

    def seen(self, borrowed: Borrowed, state: TransactionState) -> tuple[ev.Event, ...]:
        """Take the pictures that came before the document on the reader was read as this transaction's."""
        held = borrowed.take_unplaced() if borrowed.presented.is_on_reader else {}
        portrait = held.pop("portrait", None)
        if portrait is not None:
            self._portrait(borrowed, portrait, state)
        for role, content in held.items():
            borrowed.keep_picture(role, content)
        return self._imaged(borrowed, *held) if held else ()

    def _imaged(self, borrowed: Borrowed, *roles: str) -> tuple[ev.Event, ...]:
        if self._waits_for_pictures is borrowed:  # it is among those that will be judged
            self._awaited.difference_update(roles)
            self._pictured.set()
            return ()
        return (de.PageImaged(),)

    def refusals(self, document: TravelDocument) -> tuple[Reason, ...]:
        """Return why a holder is not served here, who would only be told inside: nobody can prove the chip of that state."""
        if self.chip is None or not self._is_chip_required:
            return ()
        return not_covered(document, self.chip.covered_states)

    def pending_step(self, borrowed: Borrowed | None, state: TransactionState) -> ev.Step | None:
        """Return the step that a document's leaving would abort; None: nothing more is expected of it."""
        if borrowed is None:
            return None
        if borrowed.linked_to is not None and borrowed.reading is None:
            return None  # what leaves is the document of the one before
        if CheckName.MRZ_CHECK_DIGITS not in state.results:
            return ev.Step.DOCUMENT if borrowed.permit is None or borrowed.document is not None else None
        if self.chip is None:
            return None if borrowed.presented.has_portrait else ev.Step.DOCUMENT
        return ev.Step.CHIP if self.awaits_chip(state) else None

    def awaits_chip(self, state: TransactionState) -> bool:
        """Tell whether the document has to stay, or to come back, for its chip."""
        return self.chip is not None and state.chip in {ChipRead.RUNNING, ChipRead.AWAITED}

    def _portrait(self, borrowed: Borrowed, content: bytes, state: TransactionState) -> None:
        if self.chip is None:
            if not borrowed.reference_ready and borrowed.presented.takes_portrait():
                self._face.take_reference(borrowed, content)
            return
        if not borrowed.presented.takes_portrait():
            return
        borrowed.keep_printed(content)
        if borrowed.chip_portrait is not None:
            self._face.compare_printed(borrowed)
        elif state.chip is ChipRead.JUDGED:
            self._face.take_reference(borrowed, content, ev.Step.REFERENCE)

    def _take_reference(self, borrowed: Borrowed) -> None:
        portrait = borrowed.chip_portrait or borrowed.printed_portrait
        if portrait is not None:
            self._face.take_reference(borrowed, bytes(portrait), ev.Step.REFERENCE)

    async def _read_zone(self, borrowed: Borrowed, presentation: int, white: bytes, optics: OpticalInspector) -> None:
        """Read the printed lines where the reader delivers none: what a picture says counts as one read."""
        try:
            lines = await optics.zone(white)
        except InspectionFault as fault:
            log.warning("inspection_fault", code=fault.code)
            self._report(borrowed, ev.StepAborted(ev.Step.DOCUMENT, Reason(ReasonCode.INSPECTION_FAULT)))
            return
        if borrowed.is_over or borrowed.presented.presentation != presentation:
            return  # what lies there now is not what the picture shows
        if lines:
            self._read(borrowed, lines)
        else:
            self._report(borrowed, ev.StepAborted(ev.Step.DOCUMENT, Reason(ReasonCode.MRZ_UNREADABLE)))

    async def _judge_page(self, borrowed: Borrowed, optics: OpticalInspector) -> None:
        begun_s = self._clock.monotonic_s()
        try:
            found = await self._judged(borrowed, optics)
            faulty = self._expected & {role for result in found for role in _broken_off(result)}
            if faulty and await self._asked_again(borrowed, faulty):  # once; what is broken off again is the guard's
                found = await self._judged(borrowed, optics)
        except InspectionFault as fault:
            log.warning("inspection_fault", code=fault.code)
            self._report(borrowed, ev.StepAborted(ev.Step.PAGE, Reason(ReasonCode.INSPECTION_FAULT)))
            return
        borrowed.step_ms["page"] = (self._clock.monotonic_s() - begun_s) * 1000
        if borrowed.corrected_by:  # how well a machine reads the lines says nothing of what an officer read
            found = tuple(result for result in found if result.check is not CheckName.MRZ_READING)
        self._report(borrowed, de.PageJudged(found))

    async def _judged(self, borrowed: Borrowed, optics: OpticalInspector) -> tuple[CheckResult, ...]:
        """Return what the pictures say once they are there. Raises `InspectionFault`."""
        await self._until_pictured(borrowed)
        document = borrowed.document
        images = {role: bytes(content) for role, content in borrowed.pictures.items()}
        # without expected pictures: the document was taken away meanwhile, and its pictures with it
        if document is None or not (images or self._expected):
            return ()
        if self._plugins is None:
            return await optics.page(images, document.lines)
        judging = self._plugins.judge(document, self._direction.value, self._today(), images)
        ours, theirs = await asyncio.gather(optics.page(images, document.lines), judging)
        return (*ours, *theirs)

    def _expect_pictures(self, borrowed: Borrowed, anew: Collection[str] = frozenset()) -> None:
        """Let pictures that come now be among those that will be judged; those in `anew` have to come, although they came before."""
        self._waits_for_pictures, self._awaited = borrowed, set(anew)

    async def _until_pictured(self, borrowed: Borrowed) -> None:
        """Wait, for a limited time, for the pictures that the lane's reader takes; what is missing then is the judge's to say."""
        try:
            async with asyncio.timeout(self._page_timeout_s):
                while self._awaited or not borrowed.pictures.keys() >= self._expected:
                    if borrowed.is_over or self._waits_for_pictures is not borrowed:
                        return
                    self._pictured.clear()
                    await self._pictured.wait()
        except TimeoutError:
            missing = self._awaited | (self._expected - borrowed.pictures.keys())
            log.warning("page_pictures_missing", missing=sorted(missing))
        finally:
            if self._waits_for_pictures is borrowed:
                self._waits_for_pictures = None

    async def _asked_again(self, borrowed: Borrowed, faulty: Collection[str]) -> bool:
        """Ask the reader to take pictures once more; False when it cannot, or nothing lies there."""
        if borrowed.is_over or not self._intake.document_on_reader:
            return False
        self._expect_pictures(borrowed, faulty)
        try:
            await self._reader.read_again()
        except (DeviceFault, Unsupported) as error:
            log.warning("read_again_refused", reason=type(error).__name__)
            self._waits_for_pictures = None
            return False
        return True


def _broken_off(result: CheckResult) -> Iterator[str]:
    """Yield the roles of the pictures for whose sake a check was broken off."""
    if result.outcome is CheckOutcome.ABORTED:
        for reason in result.reasons:
            if "image" in reason.parameters:
                yield reason.parameters["image"]
