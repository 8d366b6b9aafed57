"""A real agent with a voice, a low camera and a help point: who sits is matched by the low camera, is told what to do, and is helped."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from drivers.camera.twin import CameraTwin
from drivers.contracts import Door
from drivers.help_point.twin import POINTS, HelpPointTwin
from drivers.speech.sound import parse_wav
from gate_agent.clock import SystemClock
from gate_agent.demo.site import DemoSite, local_day
from gate_agent.demo.specimens import specimen
from gate_agent.demo.stage import ENTRY, Stage
from tests.scenario.lone_agent import agent_over, twins_at
from tests.waiting import until

pytestmark = [pytest.mark.portraits, pytest.mark.weights, pytest.mark.espeak]

ACCESSIBLE = 'low_camera = "camera-low"\nhelp_point = "help-1"\nspeaker = "speaker-1"\nspeech = "always"\n'


class Access:
    """A stage whose traveller of lane 1 is seen by the low camera only."""

    def __init__(self, stage: Stage, help_point: HelpPointTwin, heard: Path, site: DemoSite, upper: CameraTwin) -> None:
        self.stage, self.help_point, self.heard_in, self.site, self.upper = stage, help_point, heard, site, upper

    def heard(self) -> list[tuple[str, str, str]]:
        """Language, key and whether it was said whole, in order."""
        names = sorted(path.name for path in self.heard_in.iterdir() if path.suffix in {".wav", ".part"})
        found = [re.fullmatch(r"\d+-(uz-Latn|ru|en)-(\w+\.\w+)\.(wav|part)", name) for name in names]
        return [one.groups() for one in found if one is not None]

    async def until(self, is_met: Callable[[], object], seconds: float = 30.0) -> None:
        await until(is_met, seconds)


@pytest.fixture
async def access(tmp_path: Path) -> AsyncIterator[Access]:
    heard = tmp_path / "heard"
    heard.mkdir()
    async with AsyncExitStack() as stack:
        twins, ports = await stack.enter_async_context(twins_at(tmp_path))
        low, help_point = CameraTwin(fps=10.0, seed=9), HelpPointTwin()
        await low.start()
        stack.push_async_callback(low.stop)
        await asyncio.to_thread(low.show_empty)
        await help_point.plug()
        stack.push_async_callback(help_point.unplug)
        wired = "\n".join(
            f"{name} = {{ function = {one['function']}, address = {one['address']} }}" for name, one in POINTS.items()
        )
        devices = (
            f'\n[[device]]\nname = "camera-low"\ndriver = "opencv_camera"\nhosted_by = "agent"\noptions = {{ source = "{low.url}" }}\n'
            f'\n[[device]]\nname = "speaker-1"\ndriver = "espeak_speaker"\nhosted_by = "agent"\noptions = {{ output = "folder:{heard}", check_s = 0.2 }}\n'
            f'\n[[device]]\nname = "help-1"\ndriver = "modbus_help_point"\nhosted_by = "agent"\n'
            f'[device.options]\nhost = "127.0.0.1"\ntcp_port = {help_point.port}\n[device.options.points]\n{wired}\n'
        )
        upper = twins.lanes[ENTRY].camera
        stack.push_async_callback(upper.stop)
        stage, site = await stack.enter_async_context(
            agent_over(twins, ports, tmp_path, lane=ACCESSIBLE, devices=devices)
        )
        # The traveller steps before this one; the upper one, which the site file names, goes on seeing an empty cell.
        twins.lanes[ENTRY].camera = low
        reached = Access(stage, help_point, heard, site, upper)
        await reached.until(lambda: all(device.state == "ready" for device in stage.view.lane(ENTRY).devices))
        yield reached


async def test_a_traveller_who_sits_is_told_what_to_do_is_matched_and_gets_help(access: Access) -> None:
    stage, heard = access.stage, access.heard
    invitation = ("uz-Latn", "instruction.present_document", "wav")
    await access.until(lambda: invitation in heard())
    observed = await stage.cross(specimen(5, local_day(SystemClock().now())))
    assert observed.outcome == "released", observed
    keys = [key for _, key, _ in heard()]
    assert "instruction.look_at_camera" in keys
    assert keys.index("instruction.enter") < keys.index("instruction.look_at_camera")
    assert not any(key.startswith("cue.too_") for key in keys), "nobody was asked to stand up"
    for path in access.heard_in.glob("*.wav"):
        assert parse_wav(path.read_bytes()).level() > 0.01, path.name
    await stage.ready(ENTRY)
    access.help_point.press()
    pressed_s = time.monotonic()
    referral = await stage.view.referral(ENTRY)
    assert time.monotonic() - pressed_s < 10.0
    assert [reason.code for reason in referral.reasons] == ["help_requested"]
    access.help_point.press(on=False)
    await access.until(lambda: access.help_point.calls == 1)
    access.help_point.speak()
    await stage.view.until(
        lambda gate: next((one for one in gate.lanes if one.intercom == "speaking"), None), 20.0, "the intercom"
    )
    await access.until(lambda: "instruction.help_is_coming" in [key for _, key, _ in heard()])
    assert {device.name for device in stage.view.lane(ENTRY).devices} >= {"camera-low", "speaker-1", "help-1"}
    assert not stage.twins(ENTRY).barrier.is_released(Door.EXIT)
