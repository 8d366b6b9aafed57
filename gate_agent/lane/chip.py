"""The chip of one lane: read with the key from the printed lines, judged file by file while the rest still transfers.

Nothing here decides: the machine says when to read and what a result is worth. What was read dies with the job that read it; the
portrait lives in `Borrowed` until the transaction ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from drivers.contracts import ChipEvidence, ChipFileRead, ChipKeys, ChipOpened, ChipProgress
from emrtd.data_groups import MalformedDataGroup
from emrtd.data_groups import portrait as portrait_of
from gate_agent.clock import Clock
from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain.mrz_information import alternative_mrz_information, mrz_information
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.specimens import accepted
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import InspectionFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face.work import FaceWork
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.ports import ChipInspection, ChipInspector, LaneChipReader

log = structlog.get_logger()

ANSWERS_WITHIN_S = 2.0
"""How long a chip may take to answer after its document's lines were read; the reader says what came of it then."""

LIFT_IS_SEEN_WITHIN_S = 0.5
"""A lifted document leaves the chip's field a moment before its leaving is seen. Both are one attempt: a broken read waits so long for it."""

_SHARE_READ = {"EF.CardAccess": 0.05, "EF.SOD": 0.3, "DG1": 0.35, "DG14": 0.45, "DG15": 0.45, "DG2": 1.0}
_SHARE_OPENED = 0.15


class ChipWork:
    """Reads and has judged; at most one read at a time. `share_read` is how much of it is there, for the traveller's patience."""

    def __init__(
        self,
        reader: LaneChipReader,
        inspector: ChipInspector,
        face: FaceWork,
        clock: Clock,
        *,
        job: Job,
        report: Report,
        changed: Callable[[], None],
        accept_specimens: bool,
    ) -> None:
        self.share_read: float | None = None
        self._reader = reader
        self._inspector = inspector
        self._face = face
        self._clock = clock
        self._job = job
        self._report = report
        self._changed = changed
        self._accept_specimens = accept_specimens
        self._answered = asyncio.Event()
        self._task: asyncio.Task[object] | None = None

    @property
    def covered_states(self) -> frozenset[str] | None:
        """Issuing states whose chips can be proven here; None: nobody's."""
        return self._inspector.covered_states

    @property
    def trust_version(self) -> int:
        """The version of the trust bundle that chips are judged by; 0: there is none that is believed."""
        return self._inspector.version

    def present(self, *, is_there: bool) -> None:
        """Note that a chip answered in the reader's field, or left it."""
        if is_there:
            self._answered.set()
        else:
            self._answered.clear()

    def start(self, borrowed: Borrowed) -> None:
        """Begin a read; the reference that an earlier one left is dropped."""
        self.stop()
        borrowed.drop_chip()
        self.share_read = 0.0
        self._task = self._job(self._run(borrowed))

    def stop(self) -> None:
        """End a running read."""
        if self._task is not None:
            self._task.cancel()
        self._task = self.share_read = None

    async def _run(self, borrowed: Borrowed) -> None:
        document, begun_s = borrowed.document, self._clock.monotonic_s()
        assert document is not None, "a chip is read with lines that are right"
        try:
            inspection = await self._read(borrowed, document)
        except InspectionFault as fault:
            log.warning("inspection_fault", code=fault.code)
            self._report(borrowed, ev.StepAborted(ev.Step.CHIP, Reason(ReasonCode.INSPECTION_FAULT)))
        else:
            borrowed.step_ms["chip"] = (self._clock.monotonic_s() - begun_s) * 1000
            results = inspection.results
            if self._accept_specimens:
                results = tuple(accepted(result) for result in results)
            self._report(borrowed, de.ChipJudged(results))
        finally:
            if self._task is asyncio.current_task():
                self._task = self.share_read = None

    async def _read(self, borrowed: Borrowed, document: TravelDocument) -> ChipInspection:
        keys = ChipKeys(
            mrz_information=mrz_information(document),
            alternative_mrz_information=alternative_mrz_information(document),
        )
        async with asyncio.TaskGroup() as beside:

            def arrived(progress: ChipProgress) -> None:
                self._arrived(borrowed, beside, progress)

            await self._until_answered()
            evidence = await self._reader.read(keys, arrived)
        _tell(evidence)
        inspection = await self._inspector.chip(evidence, document, self._clock.now())
        if evidence.fault:
            # The document's leaving ends this read, and is what is reported of it.
            await asyncio.sleep(LIFT_IS_SEEN_WITHIN_S)
        self._check_portrait(borrowed, inspection.portrait)
        return inspection

    async def _until_answered(self) -> None:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                await self._answered.wait()
        except TimeoutError:
            log.info("chip_silent")

    def _arrived(self, borrowed: Borrowed, beside: asyncio.TaskGroup, progress: ChipProgress) -> None:
        """Use a file as soon as it is there: the security object for the judge, DG2 for the face."""
        match progress:
            case ChipOpened():
                self._shown(_SHARE_OPENED)
            case ChipFileRead(name, content):
                self._shown(_SHARE_READ.get(name, 0.0))
                if name == "EF.SOD":
                    beside.create_task(self._security_object(borrowed, content))
                elif name == "DG2" and not borrowed.is_over:
                    self._take_portrait(borrowed, _portrait(content))

    def _shown(self, share: float) -> None:
        self.share_read = max(self.share_read or 0.0, share)
        self._changed()

    async def _security_object(self, borrowed: Borrowed, content: bytes) -> None:
        """Say early what the security object is worth; the judgement of the whole comes again with the rest."""
        try:
            found = await self._inspector.security_object(content, self._clock.now())
        except InspectionFault as fault:
            log.warning("inspection_fault", code=fault.code)  # the judge of the whole says so, or has recovered by then
            return
        self._report(borrowed, ev.ChecksCompleted(found))

    def _take_portrait(self, borrowed: Borrowed, portrait: bytes | None) -> None:
        if portrait is not None:
            borrowed.chip_portrait = bytearray(portrait)
            self._face.take_reference(borrowed, portrait, ev.Step.REFERENCE)

    def _check_portrait(self, borrowed: Borrowed, judged: bytes | None) -> None:
        """See to it that the reference is the portrait that was judged, or the printed one where no chip gave any."""
        if borrowed.is_over:
            return
        if judged is not None and (borrowed.chip_portrait is None or bytes(borrowed.chip_portrait) != judged):
            borrowed.drop_chip()
            self._take_portrait(borrowed, judged)
        elif borrowed.chip_portrait is None and borrowed.printed_portrait is not None:
            self._face.take_reference(borrowed, bytes(borrowed.printed_portrait), ev.Step.REFERENCE)


def _portrait(content: bytes) -> bytes | None:
    try:
        return portrait_of(content).content
    except MalformedDataGroup:
        return None  # the judge says so


def _tell(evidence: ChipEvidence) -> None:
    log.info(
        "chip_read",
        access=evidence.access,
        fault=evidence.fault,
        files=sorted(evidence.files),
        apdus=evidence.apdus,
        received_bytes=evidence.received_bytes,
        duration_ms=round(evidence.duration_ms),
        terminal_ms=round(evidence.terminal_ms),
    )
