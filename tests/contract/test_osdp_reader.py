"""The driver of staff doors against libosdp's own peripheral device: what moved is the twin's word, never the driver's."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.access import AccessLight, AccessStatus, BadgeFormat, BadgeRead, KeysPressed
from drivers.access_control.driver import build
from drivers.access_control.errors import LockNotReleased
from drivers.access_control.twin import OsdpReaderTwin
from drivers.contracts import DeviceState, StateChanged
from drivers.errors import NotReady
from tests.contract.barrier_bench import Running

pytestmark = pytest.mark.osdp
PATIENCE_S = 20.0


def key_file(folder: Path, key: bytes) -> Path:
    file = folder / "channel.key"
    file.write_text(key.hex())
    file.chmod(0o600)
    return file


class Door(Running):
    def __init__(self, twin: OsdpReaderTwin, file: Path, **options: object) -> None:
        given = {"path": str(twin.path), "key_file": str(file), "address": 5, "secure_timeout_s": 3.0} | options
        super().__init__(twin, build, given)

    def told(self) -> list[object]:
        return [event.data for event in self.events if not isinstance(event.data, StateChanged)]

    async def ready(self) -> None:
        await self.until(lambda: self.driver.state is DeviceState.READY, PATIENCE_S)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    key = secrets.token_bytes(16)
    twin = OsdpReaderTwin(tmp_path / "reader", key=key, address=5)
    await twin.plug()
    running = Door(twin, key_file(tmp_path, key))
    await running.ready()
    yield running
    await running.stop()
    await twin.stop()


async def test_badges_keys_and_the_readers_own_state_are_reported(door: Door) -> None:
    door.twin.badge(bytes.fromhex("01020340"), 26, is_wiegand=True)
    await door.until(door.told, PATIENCE_S)
    assert door.told()[-1] == BadgeRead(bytes.fromhex("01020340"), 26, BadgeFormat.WIEGAND)
    door.twin.badge(b"\xde\xad\xbe\xef\x00\x01\x02\x03")
    await door.until(lambda: len(door.told()) == 2, PATIENCE_S)
    assert door.told()[-1] == BadgeRead(b"\xde\xad\xbe\xef\x00\x01\x02\x03", 64, BadgeFormat.RAW)
    door.twin.press(b"123#")
    await door.until(lambda: len(door.told()) == 3, PATIENCE_S)
    assert door.told()[-1] == KeysPressed(b"123#")
    door.twin.tamper(True, power_lost=True)
    await door.until(lambda: len(door.told()) == 4, PATIENCE_S)
    assert door.told()[-1] == AccessStatus(tamper=True, power_lost=True)
    assert {type(one) for one in door.told()} <= door.driver.events


async def test_the_reader_itself_ends_a_release(door: Door) -> None:
    await door.driver.release(0.59)  # rounded down to 0.5 s
    (command,) = door.twin.commands
    assert (command["control_code"], command["timer_count"], command["output_no"]) == (5, 5, 0)
    assert door.twin.is_released
    await door.stop()  # nobody is there to end it
    await door.until(lambda: not door.twin.is_released, PATIENCE_S)


async def test_light_and_sounder(door: Door) -> None:
    for light in AccessLight:
        await door.driver.light(light)
    await door.driver.beep(3)
    colours = [command["on_color"] for command in door.twin.commands[:4]]
    assert len(set(colours)) == 4
    assert door.twin.commands[-1]["rep_count"] == 3


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 0.05, 7000.0])
async def test_a_time_that_cannot_be_set_is_refused(door: Door, ttl_s: float) -> None:
    with pytest.raises(LockNotReleased):
        await door.driver.release(ttl_s)
    assert door.twin.commands == []


async def test_a_refusal_and_an_absence_are_told(door: Door) -> None:
    door.twin.refuses = True
    with pytest.raises(LockNotReleased):
        await door.driver.release(1.0)
    await door.twin.unplug()
    await door.until(lambda: door.driver.state is DeviceState.ABSENT, PATIENCE_S)
    with pytest.raises(NotReady):
        await door.driver.release(1.0)
    assert not door.twin.is_released


async def test_a_command_that_meets_silence_ends_undetermined_in_time(door: Door) -> None:
    door.twin.mute()
    with pytest.raises(LockNotReleased):
        await door.driver.release(1.0)
    await door.until(lambda: door.driver.state is DeviceState.FAULT, PATIENCE_S)
    door.twin.mute(on=False)
    await door.ready()
    await door.driver.release(1.0)


async def test_without_the_same_key_nothing_is_believed_or_commanded(tmp_path: Path) -> None:
    twin = OsdpReaderTwin(tmp_path / "reader", key=secrets.token_bytes(16), address=5)
    await twin.plug()
    door = Door(twin, key_file(tmp_path, secrets.token_bytes(16)), secure_timeout_s=0.8)
    faults = lambda: [event.data.fault for event in door.events if isinstance(event.data, StateChanged)]
    await door.until(lambda: "DRV-OSD-003" in faults(), PATIENCE_S)
    twin.badge(b"\x01\x02")
    await asyncio.sleep(0.3)
    assert door.told() == []
    assert DeviceState.READY not in {event.data.state for event in door.events}
    with pytest.raises(NotReady):
        await door.driver.release(1.0)
    assert twin.commands == []
    await door.stop()
    await twin.stop()


async def test_a_key_that_everybody_knows_is_a_fault_with_its_remedy(tmp_path: Path) -> None:
    twin = OsdpReaderTwin(tmp_path / "reader", key=bytes(range(0x30, 0x40)), address=5)
    await twin.plug()
    door = Door(twin, key_file(tmp_path, bytes(range(0x30, 0x40))))
    await door.until(lambda: door.driver.state is DeviceState.FAULT, PATIENCE_S)
    assert door.events[-1].data.fault == "DRV-OSD-002"
    assert "random" in door.events[-1].data.remedy
    await door.stop()
    await twin.stop()
