"""What is made of the printed lines: whose document it is, its checks, and the declaration that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.mrz import MrzReading, read_mrz
from gate_agent.domain.transaction_state import TransactionState
from gate_agent.errors import StoreFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.commits import Commits
from gate_agent.lane.declaration import Declarations
from gate_agent.lane.document import inspect_reading, take_reading
from gate_agent.lane.document_work import DocumentWork
from gate_agent.lane.entry_right import Circumstances
from gate_agent.lane.face import FaceWork
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.party import Party
from gate_agent.lane.permit_work import PermitWork
from gate_agent.lane.ports import KnowledgeSource, LaneStore
from gate_agent.lane.presented import is_right
from gate_agent.settings import LaneSettings, Settings


class Readings:
    """Takes reads of one lane; what they show is told with `report`, which ignores transactions that are over."""

    def __init__(
        self,
        settings: Settings,
        lane: LaneSettings,
        store: LaneStore,
        knowledge: KnowledgeSource,
        clock: Clock,
        face: FaceWork,
        document: DocumentWork,
        commits: Commits,
        *,
        job: Job,
        report: Report,
        today: Callable[[], date],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._lane = lane
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._face = face
        self._document = document
        self._commits = commits
        self._declarations = Declarations(store, clock, lane)
        self._job = job
        self._report = report
        self._today = today
        self._permits = PermitWork(
            settings, self._circumstances, knowledge.current, job=job, report=report, changed=changed
        )

    def take(
        self, borrowed: Borrowed, party: Party, lines: tuple[str, ...], state: TransactionState
    ) -> tuple[ev.Event, ...]:
        """Take one read of what lies on the reader."""
        reading = read_mrz(lines, self._today())
        if party.knows(reading, borrowed) or self._permits.take(borrowed, reading):
            return ()
        is_inspected, found = take_reading(borrowed, reading, state)
        if is_inspected:
            self._begin(borrowed, party, reading, lines)
        return (*found, *self._document.seen(borrowed, state))

    def correct(self, borrowed: Borrowed, party: Party, lines: tuple[str, ...], officers: tuple[str, ...]) -> None:
        """Take lines that officers read by eye."""
        borrowed.corrected_by = officers
        reading = read_mrz(lines, self._today())
        borrowed.take_reading(reading)
        borrowed.presented.take(reading, is_open=True)
        self._begin(borrowed, party, reading, lines)

    def _begin(self, borrowed: Borrowed, party: Party, reading: MrzReading, lines: tuple[str, ...]) -> None:
        self._job(self._inspect(borrowed, party, reading, lines))
        if is_right(reading):  # lines with wrong digits are nobody's; no plug-in is asked about them
            self._document.ask_plugins(borrowed)

    def take_token(self, borrowed: Borrowed, party: Party, payload: bytes) -> None:
        """Take a code; it is bound once the document is there, and answers at once where it is wrong by itself."""
        borrowed.token = self._declarations.read(payload, self._knowledge.current())
        self._job(self._bind(borrowed, party))

    async def _inspect(self, borrowed: Borrowed, party: Party, reading: MrzReading, lines: tuple[str, ...]) -> None:
        begun = self._clock.monotonic_s()
        try:
            inspected = await inspect_reading(
                lines,
                self._circumstances(borrowed),
                self._knowledge.current(),
                self._store,
                self._settings.policy,
                self._face.minimum_age_years,
                self._document.refusals,
                borrowed,
                accept_specimens=self._settings.document.accept_specimens,
                is_linked=borrowed.linked_to is not None,
            )
        except StoreFault:
            self._report(borrowed, *self._commits.fault())
            return
        if borrowed.is_over or borrowed.reading is not reading:
            return
        borrowed.stays, borrowed.listed = inspected.stays, inspected.listed
        if (
            borrowed.linked_to is None
        ):  # whether a family is inspected does not depend on how often its children travelled
            borrowed.past = inspected.past
        borrowed.step_ms["document"] = (self._clock.monotonic_s() - begun) * 1000
        events = self._permits.hold_back(borrowed, inspected)
        await self._bind(borrowed, party)
        if borrowed.reading is reading:
            self._report(borrowed, *events, of_read=True)

    async def _bind(self, borrowed: Borrowed, party: Party) -> None:
        """Bind a token to the document once both are there; a token that is wrong by itself answers at once."""
        try:
            rulebook = self._knowledge.current().rulebook
            found = await self._declarations.bind(borrowed, party, self._today(), rulebook)
        except StoreFault:
            self._report(borrowed, *self._commits.fault())
        else:
            self._report(borrowed, *found, of_read=True)
        self._permits.judge_again(borrowed)

    def _circumstances(self, borrowed: Borrowed) -> Circumstances:
        declared = borrowed.declaration
        mode = self._settings.gate.mode_for(declared.mode if declared else None)
        return Circumstances(self._lane.direction, mode, self._today(), self._clock.now())
