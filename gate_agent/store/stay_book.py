"""Stays as the gate keeps them: opened and closed by confirmed passages, orphans, corrections by an officer, and reminders.

A correction is a row of its own and a record of its own; what was recorded stays as it was. What is known of a stay is both together
(the view `known_stays`). Corrections travel to the other gates of the post like the stays do.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from central_sync.sealing import seal
from central_sync.stay_parts import CorrectedStayPart, CorrectionV1, StayNoticeV1
from central_sync.strict_json import JsonInput
from gate_agent.domain.crossing import Crossing
from gate_agent.domain.declaration import Direction
from gate_agent.store import journal, lookups
from gate_agent.store.database import Database, Write
from gate_agent.store.exchange import FactExchange
from gate_agent.store.lookups import Marks

KeptStay = tuple[uuid.UUID, date | None, date | None]
"""Id, entry day and exit day."""

_MOST_ORPHANS = 200
_REMIND_BEFORE = timedelta(days=1)


class OrphanKind(StrEnum):
    """What is wrong with a stay: its other end is missing, or its last day is over and nobody left."""

    EXIT_WITHOUT_ENTRY = "exit_without_entry"
    ENTRY_WITHOUT_EXIT = "entry_without_exit"
    PAST_LAST_DAY = "past_last_day"


class CorrectionKind(StrEnum):
    """What an officer does to a stay: names the day that is missing, or says that the record is of nobody."""

    ADD_ENTRY = "add_entry"
    ADD_EXIT = "add_exit"
    VOID = "void"


class CorrectionAnswer(StrEnum):
    """What became of a correction."""

    DONE = "done"
    NO_SUCH_STAY = "no_such_stay"
    DAY_WRONG = "day_wrong"


@dataclass(frozen=True, slots=True)
class StayOrphan:
    """A stay that somebody has to look at. `mark` is the same for stays of one holder, and says nothing else of him."""

    stay_id: uuid.UUID
    kind: OrphanKind
    entered_on: date | None
    exited_on: date | None
    last_day: date | None
    source: str
    mark: str


@dataclass(frozen=True, slots=True)
class StayCorrection:
    """What officers signed (one at least, in that order). `day` is None where the record is void; their words leave sealed only."""

    correction_id: uuid.UUID
    stay_id: uuid.UUID
    kind: CorrectionKind
    day: date | None
    officer_ids: tuple[str, ...]
    reason: str
    reason_text: str = ""


class StayBook:
    """The stays of one gate. Methods that wait raise `StoreFault` when the disk refuses."""

    def __init__(
        self,
        database: Database,
        origin: journal.Origin,
        sealing_key: X25519PublicKey,
        exchange: FactExchange | None,
        write: Write,
    ) -> None:
        self._database = database
        self._origin = origin
        self._key = sealing_key
        self._exchange = exchange
        self._write = write

    def passed(self, connection: sqlite3.Connection, crossing: Crossing, holder: Marks) -> KeptStay:
        """Open or close the stay of a confirmed passage, inside its transaction, and tell the post."""
        stay_id, day, at = self._origin.new_id(), crossing.local_date, crossing.occurred_at
        stay: KeptStay
        if crossing.direction is Direction.ENTRY:
            lookups.enter(connection, stay_id, holder, day, at, self._origin.source, crossing.stay_terms)
            stay = (stay_id, day, None)
        else:
            stay_id, entered_on = lookups.leave(connection, stay_id, holder, day, at, self._origin.source)
            stay = (stay_id, entered_on, day)
        if self._exchange is not None:
            self._exchange.tell_stay(connection, at, holder, stay, crossing.stay_terms)
        return stay

    async def orphans(self, today: date) -> list[StayOrphan]:
        """Return stays that somebody has to look at, oldest first."""
        return await self._database.write(lambda connection: _orphans(connection, today), is_urgent=False)

    async def correct(self, correction: StayCorrection, today: date) -> CorrectionAnswer:
        """Make a correction durable, with its record; the same one again changes nothing."""

        def work(connection: sqlite3.Connection) -> CorrectionAnswer:
            known = connection.execute(
                "SELECT 1 FROM stay_corrections WHERE correction_id = ?", (str(correction.correction_id),)
            ).fetchone()
            if known is not None:
                return CorrectionAnswer.DONE
            answer = _judged(connection, correction, today)
            if answer is CorrectionAnswer.DONE:
                self._keep(connection, correction)
            return answer

        return await self._write(work)

    async def remind(self, today: date) -> int:
        """Write one notice for each stay that began here and has to be registered, or ends, tomorrow or before; return how many."""
        return await self._write(lambda connection: self._notices(connection, today), is_urgent=False)

    def _keep(self, connection: sqlite3.Connection, correction: StayCorrection) -> None:
        now = self._origin.clock.now()
        entered_on = correction.day if correction.kind is CorrectionKind.ADD_ENTRY else None
        exited_on = correction.day if correction.kind is CorrectionKind.ADD_EXIT else None
        is_void = correction.kind is CorrectionKind.VOID
        part = CorrectedStayPart(entered_on=entered_on, exited_on=exited_on, is_void=is_void)
        source = self._origin.source
        lookups.keep_correction(connection, correction.correction_id, correction.stay_id, part, now, source)
        if self._exchange is not None:
            self._exchange.tell_correction(connection, now, correction.stay_id, part)
        words: dict[str, JsonInput] = {"reason_text": correction.reason_text} if correction.reason_text else {}
        content = CorrectionV1(
            corrects=correction.stay_id,
            reason=correction.reason,
            officer_id=correction.officer_ids[0],
            officer_ids=list(correction.officer_ids),
            stay=part,
        )
        journal.append(
            connection,
            self._origin,
            lambda rid: content.model_copy(update={"sealed": seal(words, self._key, rid)}) if words else content,
            now,
        )

    def _notices(self, connection: sqlite3.Connection, today: date) -> int:
        due = (today + _REMIND_BEFORE).isoformat()
        rows = connection.execute(_DUE, {"own": self._origin.source, "today": today.isoformat(), "due": due}).fetchall()
        count = 0
        for row in rows:
            cursor = connection.execute(
                "INSERT OR IGNORE INTO stay_notices VALUES (?, ?)", (row["stay_id"], row["notice"])
            )
            if cursor.rowcount:
                count += 1
                content = StayNoticeV1(
                    stay_id=uuid.UUID(row["stay_id"]),
                    notice=row["notice"],
                    due_on=date.fromisoformat(row["due_on"]),
                )
                journal.append(connection, self._origin, _saying(content), self._origin.clock.now())
        return count


def _saying(content: StayNoticeV1) -> Callable[[uuid.UUID], StayNoticeV1]:
    return lambda _record_id: content


def _judged(connection: sqlite3.Connection, correction: StayCorrection, today: date) -> CorrectionAnswer:
    row = connection.execute(
        "SELECT entered_on, exited_on FROM known_stays WHERE stay_id = ?", (str(correction.stay_id),)
    ).fetchone()
    if row is None:
        return CorrectionAnswer.NO_SUCH_STAY
    day = correction.day.isoformat() if correction.day else ""
    match correction.kind:
        case CorrectionKind.ADD_ENTRY:
            fits = row["entered_on"] is None and "" < day <= min(row["exited_on"] or day, today.isoformat())
        case CorrectionKind.ADD_EXIT:
            fits = row["exited_on"] is None and (row["entered_on"] or "9") <= day <= today.isoformat()
        case CorrectionKind.VOID:
            fits = correction.day is None
    return CorrectionAnswer.DONE if fits else CorrectionAnswer.DAY_WRONG


# Asked several times a minute of a table that only grows: candidates come from the table, by its indexes; what is known of them, with
# corrections, from the view. A correction names an end that the table does not have, so the candidates are never too few.
_DUE = """
SELECT stay_id, 'registration_due' AS notice, register_by AS due_on FROM known_stays WHERE exited_on IS NULL AND source = :own
  AND stay_id IN (SELECT stay_id FROM stays WHERE exited_on IS NULL AND register_by BETWEEN :today AND :due)
UNION ALL SELECT stay_id, 'stay_ending', last_day FROM known_stays WHERE exited_on IS NULL AND source = :own
  AND stay_id IN (SELECT stay_id FROM stays WHERE exited_on IS NULL AND last_day BETWEEN :today AND :due)
"""
_ORPHANS = """
SELECT * FROM (
  SELECT 'exit_without_entry' AS kind, leaving.* FROM known_stays AS leaving
  WHERE stay_id IN (SELECT stay_id FROM stays WHERE entered_on IS NULL) AND entered_on IS NULL AND NOT EXISTS (
    SELECT 1 FROM known_stays AS entry WHERE entry.holder = leaving.holder AND entry.exited_on IS NULL
    AND coalesce(entry.entered_at, entry.entered_on) <= coalesce(leaving.exited_at, leaving.exited_on)
  )
  UNION ALL
  SELECT CASE WHEN is_followed THEN 'entry_without_exit' ELSE 'past_last_day' END, entry.* FROM known_stays AS entry
  WHERE stay_id IN (
    SELECT stay_id FROM stays INDEXED BY stays_followed WHERE is_followed AND exited_on IS NULL
    UNION ALL SELECT stay_id FROM stays WHERE last_day < :today AND exited_on IS NULL
  ) AND exited_on IS NULL AND NOT EXISTS (
    SELECT 1 FROM known_stays AS leaving WHERE leaving.holder = entry.holder AND leaving.entered_on IS NULL
    AND coalesce(leaving.exited_at, leaving.exited_on) >= coalesce(entry.entered_at, entry.entered_on)
  )
) ORDER BY coalesce(entered_on, exited_on), stay_id LIMIT :most
"""


def _orphans(connection: sqlite3.Connection, today: date) -> list[StayOrphan]:
    rows = connection.execute(_ORPHANS, {"today": today.isoformat(), "most": _MOST_ORPHANS})
    return [
        StayOrphan(
            uuid.UUID(row["stay_id"]),
            OrphanKind(row["kind"]),
            _day(row["entered_on"]),
            _day(row["exited_on"]),
            _day(row["last_day"]),
            row["source"],
            row["holder"].hex()[:6],
        )
        for row in rows
    ]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
