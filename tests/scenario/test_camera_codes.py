"""A declaration code held before the lane's camera instead of the barcode reader."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno

from drivers.contracts import Door
from gate_agent.cache import cache_folder
from gate_agent.clock import SystemClock
from gate_agent.demo.performance import running
from gate_agent.demo.stage import ENTRY

pytestmark = [pytest.mark.portraits, pytest.mark.weights]


def scene_with_code(text: str) -> np.ndarray:
    picture = io.BytesIO()
    segno.make(text, error="m").save(picture, kind="png", scale=6, border=4)
    code = cv2.imdecode(np.frombuffer(picture.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    scene = np.full((720, 1280, 3), 190, np.uint8)
    code = code[:720, :1280]
    top, left = (720 - code.shape[0]) // 2, (1280 - code.shape[1]) // 2
    scene[top : top + code.shape[0], left : left + code.shape[1]] = code
    return scene


async def test_a_code_before_the_camera_is_read_bound_and_decided_on(tmp_path: Path) -> None:
    async with running(SystemClock(), cache_folder(), tmp_path / "site") as demo:
        stage, person = demo.stage, demo.cast.person(41)
        token = await demo.cast.declare(person, cash=(("USD", "15000.00"),))
        await stage.ready(ENTRY)
        twins = stage.twins(ENTRY)
        lane = await stage.present(ENTRY, person)
        assert await stage.door_or_referral(ENTRY, Door.ENTRANCE) is None
        await asyncio.to_thread(twins.camera.show, scene_with_code(token))
        twins.barrier.walk_in()
        await stage.view.until(
            lambda snapshot: (
                True
                if any(c.check == "declaration_token" and c.outcome == "successful" for c in snapshot.lanes[0].checks)
                else None
            ),
            10.0,
            "the code to be read by the camera",
        )
        await asyncio.to_thread(twins.camera.show, stage.portraits["obama2"])
        assert await stage.door_or_referral(ENTRY, Door.EXIT) is None
        observed = await stage.walk_out(ENTRY, str(lane.transaction_id), 0.0)
        assert (observed.outcome, observed.corridor) == ("released", "red")
