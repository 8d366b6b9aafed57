"""The process that looks at pictures of pages, as the agent uses it: verdicts, hostile pictures, faults, and the seals that it finds."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from cryptography.hazmat.primitives import serialization

from gate_agent.app.document_side import DocumentSide, page_limits
from gate_agent.clock import Clock
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.demands import OPTICAL_CHECKS
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import InspectionFault
from gate_agent.inspection import chip_authenticity_messages as messages
from gate_agent.inspection.page_checks import PageLimits
from gate_agent.inspection_settings import PageSettings
from gate_agent.runtime import chip_inspection_process as process
from gate_agent.runtime import page_worker
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from gate_agent.runtime.page_inspection import PageInspectionEngine, PageInspector
from gate_agent.settings import Settings
from tests.bench.mrz_pages import OCR_B
from tests.unit import seal_builders as build
from tests.unit.page_scenes import PICTURES, encoded, scene, traveller

pytestmark = pytest.mark.skipif(not OCR_B.exists(), reason="Debian's fonts-ocr-b is not installed")

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
S, F, U, N, A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)  # fmt: skip
LINES = traveller()
AUTHORITY = build.authority()
SIGNER = build.seal_signer(issuer=AUTHORITY)
ALL = frozenset(PICTURES)


class At(Clock):
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return time.monotonic()


def genuine() -> dict[str, bytes]:
    return encoded(scene(LINES))


def by_check(results: tuple[CheckResult, ...]) -> dict[CheckName, CheckResult]:
    found = {result.check: result for result in results}
    assert len(found) == len(results)
    return found


@pytest.fixture
async def engine() -> AsyncIterator[PageInspectionEngine]:
    engine = PageInspectionEngine(PageLimits(), answer_timeout_s=30.0)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def inspector(engine: PageInspectionEngine, tmp_path: Path) -> AsyncIterator[PageInspector]:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    (certificates / "signer.cer").write_bytes(SIGNER.der)
    (certificates / "authority.cer").write_bytes(AUTHORITY[1].public_bytes(serialization.Encoding.DER))
    seals = ChipInspectionEngine(certificates, None, 28.0, At(), answer_timeout_s=30.0)
    await seals.start()
    yield PageInspector(engine, seals, At(), ALL)
    await seals.stop()


async def test_a_page_is_judged_out_of_process(engine: PageInspectionEngine) -> None:
    found = by_check((await engine.look(messages.PageEvidence(genuine(), LINES, ALL), NOW)).results)
    assert {check: result.outcome for check, result in found.items()} == dict.fromkeys(OPTICAL_CHECKS, S)
    assert all(result.duration_ms > 0 for result in found.values())
    faded = encoded(scene(LINES, infrared_ink=0.05))
    found = by_check((await engine.look(messages.PageEvidence(faded, LINES, ALL), NOW)).results)
    assert found[CheckName.MRZ_INFRARED].outcome is F


BOMB = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x02\x00\x00\x00" + bytes(64)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8\xff\xe0" + bytes(100), BOMB, b"GIF89a" + bytes(50), os.urandom(5000)],
    ids=["empty", "torn jpeg", "bomb", "unknown", "noise"],
)
async def test_a_hostile_picture_breaks_its_own_checks_off_and_nothing_else(content: bytes) -> None:
    evidence = messages.PageEvidence(genuine() | {"infrared": content}, LINES, ALL)
    found = by_check(page_worker.judge(evidence, PageLimits()).results)
    assert found[CheckName.MRZ_READING].outcome is S
    assert found[CheckName.ULTRAVIOLET_DULLNESS].outcome is S
    for check in (CheckName.MRZ_INFRARED, CheckName.MRZ_INFRARED_AGAINST_VISIBLE):
        assert found[check].outcome is A
        assert [reason.code for reason in found[check].reasons] == [ReasonCode.IMAGE_UNUSABLE]
    white = messages.PageEvidence(genuine() | {"white": content}, LINES, ALL)
    found = by_check(page_worker.judge(white, PageLimits()).results)
    assert found[CheckName.VISIBLE_SEAL].outcome is A


async def test_a_worker_that_dies_hangs_or_has_no_memory_is_replaced(engine: PageInspectionEngine) -> None:
    evidence = messages.PageEvidence(genuine(), LINES, ALL)
    first = engine.worker_process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with contextlib.suppress(InspectionFault):  # whoever asks before it is known to be dead is told so
        await engine.look(evidence, NOW)
    assert len((await engine.look(evidence, NOW)).results) == 4
    second = engine.worker_process_id
    assert second not in {first, None}
    engine._timeout_s = 0.3
    os.kill(second or 0, signal.SIGSTOP)
    with pytest.raises(InspectionFault) as fault:
        await engine.look(evidence, NOW)
    assert fault.value.code == process.TIMED_OUT
    engine._timeout_s = 30.0
    assert len((await engine.look(evidence, NOW)).results) == 4


async def test_a_worker_without_enough_memory_says_so() -> None:
    engine = PageInspectionEngine(PageLimits(), answer_timeout_s=30.0, memory_bytes=120_000_000)
    with pytest.raises(InspectionFault) as fault:
        await engine.start()
    assert fault.value.code == process.NOT_STARTED


async def test_it_judges_pages_and_nothing_else(engine: PageInspectionEngine) -> None:
    for operation, content in (
        (messages.CHIP, b"x"),
        (messages.PAGE, b"x"),
        (messages.PAGE, messages.encode_seals([b"x"], None)),
    ):
        with pytest.raises(InspectionFault) as fault:
            await engine._asked(operation, NOW, content)
        assert fault.value.code == process.REFUSED


def with_seals(*contents: bytes) -> dict[str, bytes]:
    pictures = scene(build.ZONE, "TD2", seed=3)
    white = pictures["white"].copy()
    for number, content in enumerate(contents):
        drawn = np.array(zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.DataMatrix).to_image(scale=4))
        drawn = cv2.copyMakeBorder(drawn, 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=255)
        left, top = 420 + number * 410, 150
        white[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn[..., None]
    return encoded(pictures | {"white": white})


async def test_a_seal_in_the_white_picture_is_judged_by_the_trust_bundle(inspector: PageInspector) -> None:
    sealed = build.seal(SIGNER)
    expected = {
        (): (N, None),
        (sealed,): (S, None),
        (build.json_seal(SIGNER),): (S, None),
        (build.seal(replace(SIGNER, key=build.private_key("forger"))),): (F, ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG),
        (build.seal(build.seal_signer(name="XX")),): (U, ReasonCode.VISIBLE_SEAL_SIGNER_UNKNOWN),
        (b"no seal at all",): (N, None),
    }
    for contents, (outcome, code) in expected.items():
        found = by_check(await inspector.page(with_seals(*contents), build.ZONE))
        assert found.keys() == OPTICAL_CHECKS | {CheckName.VISIBLE_SEAL}
        seal = found[CheckName.VISIBLE_SEAL]
        assert seal.outcome is outcome, (contents, seal)
        assert code is None or code in {reason.code for reason in seal.reasons}


async def test_a_seal_of_another_document_and_several_seals(inspector: PageInspector) -> None:
    changed = (build.ZONE[0], build.ZONE[1].replace("D231458907", "D231458910"))
    other = build.seal(SIGNER, ((2, build.c40("".join(changed))), (3, build.c40("D23145891"))))
    found = by_check(await inspector.page(with_seals(other), build.ZONE))[CheckName.VISIBLE_SEAL]
    assert found.outcome is F
    assert ReasonCode.VISIBLE_SEAL_DIFFERS in {reason.code for reason in found.reasons}
    two = by_check(await inspector.page(with_seals(build.seal(SIGNER), other), build.ZONE))[CheckName.VISIBLE_SEAL]
    assert two.outcome is A, "two of the same kind: nothing tells which"
    assert [reason.code for reason in two.reasons] == [ReasonCode.VISIBLE_SEAL_SEVERAL]


async def test_without_a_white_picture_there_is_no_seal_to_look_for(inspector: PageInspector) -> None:
    pictures = with_seals(build.seal(SIGNER))
    del pictures["white"]
    found = by_check(await inspector.page(pictures, build.ZONE))
    assert found[CheckName.VISIBLE_SEAL].outcome is A, "this lane's reader takes one"
    inspector._expected = frozenset()
    found = by_check(await inspector.page(pictures, build.ZONE))
    assert found[CheckName.VISIBLE_SEAL].outcome is N


async def test_the_agent_starts_what_its_lanes_need(tmp_path: Path) -> None:
    def settings(**lane: object) -> Settings:
        devices = [{"name": name, "driver": "x"} for name in ("r", "c", "b", "chip")]
        roles = {"lane_id": 1, "document_reader": "r", "camera": "c", "barrier": "b"}
        return Settings(device=devices, lane=[roles | lane], paths={"trust": tmp_path}, page={"ultraviolet_dull": 30})

    plain = settings()
    side = await DocumentSide.open(plain, {}, At())
    assert (side._engines, side.ports(plain.lane[0], lambda *_: None).optical_inspector) == ((), None)  # type: ignore[arg-type,return-value]
    taking = settings(page_pictures=["white", "ultraviolet"])
    side = await DocumentSide.open(taking, {}, At())
    try:
        optics = side.ports(taking.lane[0], lambda *_: None).optical_inspector  # type: ignore[arg-type,return-value]
        assert optics is not None
        pictures = genuine()
        del pictures["infrared"]
        found = by_check(await optics.page(pictures, LINES))
        assert found[CheckName.MRZ_INFRARED].outcome is N, "this reader has no such lamp"
        assert found[CheckName.ULTRAVIOLET_DULLNESS].outcome is U, "the site's limit is in force"
        assert found[CheckName.ULTRAVIOLET_DULLNESS].compared[0].expected == "<= 30"
    finally:
        await side.close()


def test_settings_and_limits_are_the_same() -> None:
    assert page_limits(PageSettings()) == PageLimits()
    for wrong in ({"infrared_faint": 0.5}, {"ultraviolet_dull": 120.0}):
        with pytest.raises(ValueError, match="lies above"):
            PageSettings(**wrong)


class TestMessages:
    def test_pictures_and_seals_cross_unchanged(self) -> None:
        evidence = messages.PageEvidence({"white": b"w", "infrared": b""}, LINES, frozenset({"white"}))
        assert messages.decode_page(messages.encode_page(evidence)) == evidence
        assert messages.decode_page(messages.encode_page(messages.PageEvidence({}, ()))) == messages.PageEvidence(
            {}, ()
        )
        assert messages.decode_seals(messages.encode_seals([b"a", b"b"], None)) == ((b"a", b"b"), None)
        judged = messages.Judged(3, (), seals=(b"\x00\xdc", b"x"))
        assert messages.decode_answer(messages.encode_answer(judged)) == judged

    @pytest.mark.parametrize("content", [b"", b"\xa0", b"\xff", b"\x80", messages.encode_seals([], None)])
    def test_nonsense_is_refused(self, content: bytes) -> None:
        with pytest.raises(messages.MessageNonsense):
            messages.decode_page(content)
        if content != messages.encode_seals([], None):
            with pytest.raises(messages.MessageNonsense):
                messages.decode_seals(content)
