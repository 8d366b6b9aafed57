"""A short-term reference around the crossings of one stay: kept after a passed entry, used only at need, gone after the exit."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName
from gate_agent.domain.crossing import PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.domain.transaction_state import Phase
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import StoreFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face.stays import ShortStays
from gate_agent.runtime.short_term_references import ShortTermReferences
from gate_agent.store.face_references import FILE_NAME, FaceReferences, ReferenceLimits
from gate_agent.store.reference_keys import ReferenceKeys
from models.results import FaceFinding
from tests.unit.test_lane_controller import TODAY, House, Lane, lane
from tests.waiting import until

PICTURE = b"the portrait of the document, as the worker cut it"


@pytest.fixture
def kept(tmp_path: Path):
    references = FaceReferences.open(tmp_path, ReferenceKeys(bytes(range(32))), ReferenceLimits())
    yield references
    references.close()


@pytest.fixture
def references(kept: FaceReferences) -> ShortTermReferences:
    return ShortTermReferences(kept, SystemClock(), timedelta(days=30))


def document() -> TravelDocument:
    found = read_mrz(specimen(1, TODAY).lines(), TODAY).document
    assert found is not None
    return found


def holder() -> tuple[str, str]:
    return document().issuing_state, document().document_number


@contextlib.asynccontextmanager
async def exit_lane(references: ShortTermReferences | None) -> AsyncIterator[Lane]:
    async with lane(direction="exit", references=references) as walk:
        walk.house.stay = Stay(walk.controller.today - timedelta(days=1), None, "gate")
        yield walk


async def enters(references: ShortTermReferences, kept: FaceReferences, *, passes: bool = True) -> None:
    async with lane(references=references) as walk:
        walk.house.portrait_jpeg = PICTURE
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        assert walk.phase is Phase.PASSAGE_OPEN
        if passes:
            await walk.inputs(0, passed=True)
            assert walk.phase is Phase.IDLE
        else:
            await walk.inputs(0)
            await asyncio.sleep(0.2)
        await until(lambda: len(kept) == passes)


async def leaves(walk: Lane, portrait: bytes = b"portrait") -> None:
    await walk.present(portrait=portrait)
    await until(lambda: walk.house.entrances == 1)
    await walk.settle()
    await walk.inputs(1)
    await walk.look()
    assert walk.phase is Phase.PASSAGE_OPEN


def face_check(walk: Lane):
    return walk.controller.state.results[CheckName.FACE_COMPARISON]


async def test_kept_after_a_passed_entry_and_shredded_after_the_exit(
    kept: FaceReferences, references: ShortTermReferences, tmp_path: Path
) -> None:
    await enters(references, kept)
    assert len(kept) == 1
    found = kept.take(holder(), SystemClock().now())
    assert found is not None
    assert bytes(found.content) == PICTURE
    assert PICTURE not in (tmp_path / FILE_NAME).read_bytes()
    async with exit_lane(references) as walk:
        await leaves(walk)
        assert face_check(walk).reasons == (), "the document's own portrait was compared"
        await asyncio.sleep(0.1)
        assert len(kept) == 1, "shredded before the passage"
        await walk.inputs(0, passed=True)
        await until(lambda: len(kept) == 0)


async def test_the_kept_reference_stands_in_where_the_portrait_cannot_be_read(
    kept: FaceReferences, references: ShortTermReferences
) -> None:
    await enters(references, kept)
    async with exit_lane(references) as walk:
        contents = []
        real = walk.house.reference

        async def reference(transaction_id: uuid.UUID, content: bytes | bytearray):
            contents.append(bytes(content))
            held.append(content)
            return await real(transaction_id, content)

        held: list[bytes | bytearray] = []
        walk.house.reference = reference
        await leaves(walk, portrait=b"bomb")
        assert contents == [b"bomb", PICTURE]
        assert held[1] == bytes(len(PICTURE)), "the opened reference was not overwritten"
        assert [reason.code for reason in face_check(walk).reasons] == [ReasonCode.FACE_SHORT_TERM_REFERENCE]
        recorded = {check.check: check.reasons for check in walk.house.decisions[-1].checks}
        assert recorded[CheckName.FACE_COMPARISON] == face_check(walk).reasons
        await walk.inputs(0, passed=True)
        await until(lambda: len(kept) == 0)
        assert walk.house.kept == set()


async def test_nothing_stands_in_at_an_entry_for_strangers_or_when_switched_off(
    kept: FaceReferences, references: ShortTermReferences
) -> None:
    async with exit_lane(references) as walk:  # never entered here
        await walk.present(portrait=b"bomb")
        await asyncio.sleep(0.2)
        assert walk.house.entrances == 0
    await enters(references, kept)
    async with lane(references=references) as walk:
        await walk.present(portrait=b"bomb")
        await asyncio.sleep(0.2)
        assert walk.house.entrances == 0
    async with exit_lane(None) as walk:
        await walk.present(portrait=b"bomb")
        await asyncio.sleep(0.2)
        assert walk.house.entrances == 0
    assert len(kept) == 1


async def test_a_kept_reference_without_a_face_stands_in_for_nobody(
    kept: FaceReferences, references: ShortTermReferences
) -> None:
    await enters(references, kept)
    async with exit_lane(references) as walk:
        real = walk.house.reference

        async def reference(transaction_id: uuid.UUID, content: bytes | bytearray):
            capture = await real(transaction_id, content)
            if bytes(content) == PICTURE:
                capture.sample = replace(capture.sample, finding=FaceFinding.NOT_FOUND)
            return capture

        walk.house.reference = reference
        await walk.present(portrait=b"bomb")
        await asyncio.sleep(0.2)
        assert walk.house.entrances == 0
        assert walk.controller.borrowed is not None
        assert not walk.controller.borrowed.is_short_term_reference


async def test_an_entry_that_was_not_passed_keeps_nothing(
    kept: FaceReferences, references: ShortTermReferences
) -> None:
    await enters(references, kept, passes=False)
    assert len(kept) == 0


async def test_who_may_stay_without_limit_leaves_no_reference(references: ShortTermReferences) -> None:
    house = House()
    stays = ShortStays(Direction.ENTRY, references, house)
    visitor, citizen = document(), replace(document(), nationality="UZB")
    for person, is_kept in ((visitor, True), (citizen, False)):
        borrowed = Borrowed(uuid.uuid4(), SystemClock().now(), 0.0)
        borrowed.reading = type("Reading", (), {"document": person})()
        borrowed.reference_jpeg = bytearray(PICTURE)
        borrowed.passage = PassageOutcome.PASSED
        work = stays.ended(borrowed, TODAY)
        assert (work is not None) is is_kept
        if work is not None:
            work.close()


async def test_a_disk_that_refuses_stops_nobody(
    kept: FaceReferences, references: ShortTermReferences, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreFault("disk", code="EG-REF-003")

    await enters(references, kept)
    monkeypatch.setattr(kept, "shred", refuse)
    monkeypatch.setattr(kept, "take", refuse)
    async with exit_lane(references) as walk:
        await leaves(walk)
        await walk.inputs(0, passed=True)
        await asyncio.sleep(0.2)
        assert walk.phase is Phase.IDLE
    monkeypatch.undo()
    assert len(kept) == 1
    await references.sweep()  # what the disk refused is owed
    assert len(kept) == 0


async def test_a_kept_reference_stands_in_only_for_a_number_that_was_read_rightly(
    kept: FaceReferences, references: ShortTermReferences
) -> None:
    await enters(references, kept)
    async with exit_lane(references) as walk:
        await walk.present(portrait=b"bomb", wrong_digit=True)
        await asyncio.sleep(0.2)
        assert walk.house.portraits == [b"bomb"], "a number with a wrong digit may be somebody else's"
        await walk.present(portrait=b"bomb")
        await until(lambda: walk.house.entrances == 1)
        assert walk.house.portraits == [b"bomb", b"bomb", PICTURE]
