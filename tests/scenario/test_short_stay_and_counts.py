"""The whole house with both switched on: what is counted reaches the console, and a kept reference lets its holder out again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.contracts import Door
from gate_agent.cache import cache_folder
from gate_agent.clock import SystemClock
from gate_agent.demo import performance
from gate_agent.demo.performance import running
from gate_agent.demo.stage import ENTRY
from gate_agent.store.face_references import FaceReferences, ReferenceLimits
from gate_agent.store.reference_keys import ReferenceKeys
from gate_agent.web.face_rates_messages import RateView
from gate_agent.web.lane_api_messages import GateSnapshot
from models.freed_memory import ENVIRONMENT

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

EXIT = 2
NO_PICTURE = b"\xff\xd8\xff\xe0 and then nothing that is a picture"
SWITCHED_ON = "[face]\nnon_mated_cache = 100\nshort_term_references = true\n"


@pytest.fixture
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = performance.prepare

    def prepare(*arguments: Any, **options: Any) -> Any:
        site = real(*arguments, **options)
        text = site.site_file.read_text()
        assert text.count("[face]\n") == 1
        site.site_file.write_text(text.replace("[face]\n", SWITCHED_ON))
        return site

    monkeypatch.setattr(performance, "prepare", prepare)


def counted(rate: RateView | None) -> tuple[int, int]:
    return (0, 0) if rate is None else (rate.errors, rate.trials)


@pytest.mark.usefixtures("switched_on")
async def test_two_documents_of_one_face_and_an_exit_without_a_readable_portrait(tmp_path: Path) -> None:
    async with running(SystemClock(), cache_folder(), tmp_path / "site") as demo:
        stage = demo.stage
        environment = Path(f"/proc/{demo.processes['agent'].pid}/environ").read_bytes()
        # the C library takes the value apart where it lies
        assert f"GLIBC_TUNABLES={ENVIRONMENT['GLIBC_TUNABLES']}".encode() in environment.replace(b"\0", b":")

        guest, other = demo.cast.person(61), demo.cast.person(62)
        for person in (guest, other):
            assert (await stage.cross(person)).outcome == "released"

        def alarmed(snapshot: GateSnapshot) -> GateSnapshot | None:
            codes = {alarm.reason.code for alarm in snapshot.alarms}
            is_counted = any(row.verdict == "above" for row in snapshot.face_rates)
            return snapshot if "face_false_match_rate_high" in codes and is_counted else None

        # Two documents show one face: to the count that is a stranger accepted, and the supervisor is told.
        snapshot = await stage.view.until(alarmed, 20.0, "the alarm of a high false match rate")
        (row,) = snapshot.face_rates
        assert row.lane_id == ENTRY
        assert (counted(row.false_non_match), counted(row.false_match)) == ((0, 2), (1, 1))
        assert counted(row.failure_to_acquire) == (0, 2)

        stage.lay(EXIT, guest, portrait=NO_PICTURE)
        assert await stage.door_or_referral(EXIT, Door.ENTRANCE) is None, "nothing stood in for the unreadable portrait"
        await _walks_out(stage, guest)

        stage.lay(EXIT, demo.cast.person(63), portrait=NO_PICTURE)
        assert await stage.door_or_referral(EXIT, Door.ENTRANCE) is not None, "a stranger to this gate was let in"
    left = FaceReferences.open(
        tmp_path / "site" / "state", ReferenceKeys.read(tmp_path / "site" / "keys"), ReferenceLimits()
    )
    try:
        now = SystemClock().now()
        assert left.take((guest.issuing_state, guest.document_number), now) is None
        kept = left.take((other.issuing_state, other.document_number), now)
        assert kept is not None
        assert kept.content.startswith(b"\xff\xd8")  # a JPEG
        assert isinstance(kept.record_id, uuid.UUID)
    finally:
        left.close()


async def _walks_out(stage: Any, guest: Any) -> None:
    twins = stage.twins(EXIT)
    await asyncio.to_thread(twins.camera.show, stage.portraits["obama2"])
    transaction_id = str(stage.view.lane(EXIT).transaction_id)
    twins.barrier.walk_in(1)
    twins.take_away()
    assert await stage.door_or_referral(EXIT, Door.EXIT) is None

    def seen(_snapshot: Any) -> bool | None:  # the console's view may come a moment after the door
        codes = {reason.code for check in stage.view.lane(EXIT).checks for reason in check.reasons}
        return "face_short_term_reference" in codes or None

    assert await stage.view.until(seen, 5.0, "a comparison with the kept reference")
    assert (await stage.walk_out(EXIT, transaction_id, 0.0)).outcome == "released"
