"""A gate with a depth camera that requires attack detection: a flat sheet with the right face on it calls the guard."""

from pathlib import Path
from typing import Any

import pytest

from drivers.camera.depth_twin import DepthCameraTwin
from gate_agent.cache import cache_folder
from gate_agent.clock import SystemClock
from gate_agent.demo import site
from gate_agent.demo.performance import running
from gate_agent.demo.stage import ENTRY
from gate_agent.demo.twins import TwinSet

pytestmark = [pytest.mark.portraits, pytest.mark.weights]


async def test_a_sheet_with_the_right_face_is_referred_because_it_is_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, tables = site._site_text, TwinSet.device_tables

    def with_depth(*arguments: object, **options: Any) -> str:
        text = write(*arguments, **options)
        lane, face = 'camera = "camera-1"\n', "[face]\n"
        assert (text.count(lane), text.count(face)) == (1, 1)
        text = text.replace(lane, f'{lane}camera_depth = "depth-1"\n')
        return text.replace(face, f'{face}presentation_attack_detection = "required"\n')

    async with DepthCameraTwin() as depth:
        table = (
            '\n[[device]]\nname = "depth-1"\ndriver = "opencv_camera"\nhosted_by = "field"\n'
            f'[device.options]\nsource = "{depth.url}"\nchannel = "depth"\n'
        )
        monkeypatch.setattr(site, "_site_text", with_depth)
        monkeypatch.setattr(TwinSet, "device_tables", lambda self, **which: tables(self, **which) + table)
        async with running(SystemClock(), cache_folder(), tmp_path / "site") as demo:
            depth.show_sheet(110)
            seen = await demo.stage.cross(demo.cast.person(41), lane_id=ENTRY)
            assert seen.outcome == "referred"
            assert "presentation_attack_suspected" in seen.reasons
            compared = {one.name: one.found for check in demo.stage.view.lane(ENTRY).checks for one in check.compared}
            assert float(compared["attack_depth"]) > 0.9
            assert {device.name for device in demo.stage.view.lane(ENTRY).devices} >= {"camera-1", "depth-1"}
