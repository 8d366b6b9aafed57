"""Twins that are slow: cameras, seals and chips tell everything later, in order and whole; a driver waits as long as it may, and no longer."""

import asyncio
import os
from collections.abc import AsyncIterator

import numpy as np
import pytest

from drivers.camera.network_twin import NetworkCameraTwin
from drivers.camera.rtsp_twin import RtspCameraTwin
from drivers.camera.twin import CameraTwin
from drivers.contracts import ChipFileRead, ChipPresented, DeviceState, FrameCaptured
from drivers.seal_commands import UnlockOutcome
from drivers.seal_tracker.jt808_twin import Jt808SealTwin
from drivers.seal_tracker.text_twins import ESealTwin, TeraTrackTwin
from drivers.seal_tracker.twin import AnswerMissing, JointechSealTwin, TrackerTwin
from drivers.twin import Twin
from tests.contract import test_chip_twin
from tests.contract import virtual_passports as field
from tests.contract.camera_bench import FAST_LIMITS, Post, scene
from tests.contract.seal_serving import CLOCK, serving
from tests.contract.test_chip_twin import MODERN

chip_lane = test_chip_twin.lane
SEALS: tuple[type[TrackerTwin], ...] = (JointechSealTwin, Jt808SealTwin, ESealTwin, TeraTrackTwin)
DELAY_S = 0.5


def elapsed_s(since_s: float) -> float:
    return asyncio.get_running_loop().time() - since_s


# ---- seals


@pytest.mark.parametrize("kind", SEALS)
async def test_a_slow_seals_reports_come_late_once_each_and_in_order(kind: type[TrackerTwin]) -> None:
    protocol = "jointech" if kind is JointechSealTwin else kind.protocol
    async with serving(protocol=protocol, models={"99": ["padlock"]} if protocol == "jt808" else {}) as server:
        twin: Twin = kind(server.driver.port, CLOCK, seal_id="990000000007", answer_s=30.0)
        assert isinstance(twin, TrackerTwin)
        if kind is JointechSealTwin:
            twin.seal_id = "9900000007"
        async with twin:
            await twin.tell(1.0, 1.0)
            known, sent = len(server.reports()), twin.sent_frames
            twin.delay(DELAY_S)
            started_s = asyncio.get_running_loop().time()
            telling = asyncio.create_task(twin.tell(2.0, 2.0, [twin.attack]))
            await asyncio.sleep(DELAY_S / 3)
            assert len(server.reports()) == known, "not before its time"
            assert await telling
            assert elapsed_s(started_s) >= DELAY_S
            twin.delay(0)
            await twin.tell(3.0, 3.0)
        places = [round(report.latitude or 0) for report in server.reports()[known:] if report.kind == "position"]
        assert places == [2, 3]
        assert twin.sent_frames - sent == 2, "late is not lost: nothing was repeated"


async def test_a_seal_that_is_slower_than_its_server_is_patient_leaves_an_unlock_undetermined() -> None:
    options = {"models": {"99": ["padlock", "vehicle_control"]}, "allow_unlock": True, "unlock_answer_s": 0.3}
    async with (
        serving(protocol="jt808", **options) as server,
        Jt808SealTwin(server.driver.port, CLOCK, seal_id="990000000007") as twin,
    ):
        await twin.tell(1.0, 1.0)
        twin.delay(1.0)
        unlock = asyncio.create_task(server.driver.unlock("990000000007"))
        twin.answer(await twin.command())
        assert await unlock is UnlockOutcome.UNDETERMINED


async def test_a_slow_seal_that_is_cut_off_sends_nothing_afterwards() -> None:
    async with serving() as server:
        twin = JointechSealTwin(server.driver.port, CLOCK, answer_s=0.2, repeats=0)
        await twin.plug()
        twin.delay(0.3)
        telling = asyncio.create_task(twin.tell(1.0, 1.0))
        await asyncio.sleep(0.05)
        await twin.unplug()
        with pytest.raises((AnswerMissing, ConnectionError)):
            await telling
        await asyncio.sleep(0.4)
        assert server.reports() == []


# ---- cameras


@pytest.fixture(params=[CameraTwin, RtspCameraTwin], ids=["mjpeg", "rtsp"])
async def camera(request: pytest.FixtureRequest) -> AsyncIterator[NetworkCameraTwin]:
    twin: NetworkCameraTwin = request.param(fps=15, width_px=320, height_px=240, variants=3)
    twin.show(np.full((240, 320, 3), 40, np.uint8) + scene()[:240, :320] // 4)
    async with twin:
        yield twin


def brightness(frame: FrameCaptured) -> float:
    content = os.pread(frame.memfd, frame.width_px * frame.height_px * 3, 0)
    return float(np.frombuffer(content, np.uint8).mean())


async def test_a_slow_cameras_pictures_come_late_and_all_the_same(camera: NetworkCameraTwin) -> None:
    post = Post(camera.url, fps=15, slots=16, **FAST_LIMITS)
    try:
        await post.until_state(DeviceState.READY)
        post.keeps = True
        post.driver.set_active(active=True)
        await post.until(lambda: bool(post.kept))
        camera.delay(1.0)
        bright_s = asyncio.get_running_loop().time()
        camera.show(np.full((240, 320, 3), 160, np.uint8) + scene(1)[:240, :320] // 4)

        def is_bright() -> bool:
            shown = post.kept.copy()
            post.kept.clear()
            levels = [brightness(frame) for frame in shown]
            for frame in shown:
                frame.release()
            return any(level > 120 for level in levels)

        await post.until(is_bright)
        assert elapsed_s(bright_s) >= 1.0
        assert post.driver.state is DeviceState.READY
        assert post.faults() == []
    finally:
        await post.end()


async def test_a_camera_that_is_slower_than_it_may_be_is_a_fault_and_heals(camera: NetworkCameraTwin) -> None:
    post = Post(camera.url, fps=15, **FAST_LIMITS)
    try:
        await post.until_state(DeviceState.READY)
        camera.delay(4.0)  # nothing comes until then
        await post.until_state(DeviceState.FAULT)
        assert post.faults() == ["DRV-CAM-003"]
        camera.delay(0)
        await post.until_state(DeviceState.READY, 30)
    finally:
        await post.end()


# ---- chips


async def test_a_slow_chip_is_read_whole_and_not_faster_than_it_answers(chip_lane) -> None:
    await chip_lane.lay(field.passport(MODERN))
    chip_lane.twin.delay(0.04)
    started_s = asyncio.get_running_loop().time()
    evidence = await chip_lane.read()
    assert evidence.fault == ""
    assert elapsed_s(started_s) >= 0.04 * evidence.apdus
    assert any(isinstance(told, ChipFileRead) and told.name == "DG2" for told in chip_lane.progress)


async def test_a_chip_slower_than_its_reader_waits_is_given_up_and_read_once_it_is_well(chip_lane) -> None:
    await chip_lane.lay(field.passport(MODERN))
    chip_lane.twin.delay(30.0)
    assert (await chip_lane.read()).fault == "DRV-CHP-002"
    chip_lane.twin.delay(0)
    await chip_lane.until(ChipPresented, 2)
    assert (await chip_lane.read()).fault == ""
