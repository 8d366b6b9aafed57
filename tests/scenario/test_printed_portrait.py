"""The printed portrait against the chip's with the real face models: same person, another one, no face, no picture."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from gate_agent.cache import cache_folder, models_folder
from gate_agent.clock import SystemClock
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckOutcome, CheckResult
from gate_agent.domain.reasons import ReasonCode
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face.printed import compare_printed
from gate_agent.lane.reference import take_reference
from gate_agent.runtime.inference import FaceEngine
from gate_agent.settings import FaceSettings

pytestmark = [pytest.mark.portraits, pytest.mark.weights]


def portrait(name: str, height_px: int, quality: int) -> bytes:
    """Return a public test portrait as a document would hold it: smaller, and coded with loss."""
    picture = cv2.imread(str(cache_folder() / "portraits" / f"{name}.jpg"))
    assert picture is not None
    small = cv2.resize(picture, None, fx=height_px / picture.shape[0], fy=height_px / picture.shape[0])
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.fixture(scope="module")
def chip_portrait() -> bytes:
    return portrait("obama", 600, 85)


@pytest.fixture
async def engine() -> AsyncIterator[FaceEngine]:
    engine = FaceEngine(FaceSettings(), models_folder(), SystemClock())
    await engine.start()
    yield engine
    await engine.stop()


async def test_the_printed_portrait_beside_dg2(engine: FaceEngine, chip_portrait: bytes) -> None:
    borrowed = Borrowed(uuid.uuid4(), datetime.now(UTC), 0.0)
    borrowed.chip_portrait = bytearray(chip_portrait)
    assert isinstance(await take_reference(engine, borrowed, chip_portrait), ev.ReferenceReady)

    async def compared(printed: bytes | None) -> CheckResult:
        borrowed.printed_portrait = None if printed is None else bytearray(printed)
        return await compare_printed(engine, borrowed)

    blank = cv2.imencode(".jpg", np.full((600, 450, 3), 190, np.uint8))[1].tobytes()
    for printed, outcome, code in (
        (portrait("obama", 450, 60), CheckOutcome.SUCCESSFUL, None),
        (portrait("obama2", 600, 85), CheckOutcome.SUCCESSFUL, None),
        (portrait("biden", 600, 85), CheckOutcome.FAILED, ReasonCode.PORTRAIT_DIFFERS),
        (blank, CheckOutcome.UNDETERMINED, ReasonCode.IMAGE_UNUSABLE),
        (b"\xff\xd8\xff\xe0 torn", CheckOutcome.UNDETERMINED, ReasonCode.IMAGE_UNUSABLE),
        (None, CheckOutcome.NOT_SUPPORTED, ReasonCode.IMAGE_MISSING),
    ):
        found = await compared(printed)
        assert found.outcome is outcome, found
        assert [reason.code for reason in found.reasons] == ([] if code is None else [code])
    await engine.forget(borrowed.transaction_id)
