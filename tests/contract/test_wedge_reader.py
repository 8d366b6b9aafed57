"""`hid_wedge` on its twin: symbols, the grab at each opening, silence, damage. Silence is judged on a tape, where time is given."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.barcode.hid_wedge import EVIOCGRAB, EventDevice, HidWedgeOptions, HidWedgeReader
from drivers.barcode.input_events import EV_KEY, PRESSED, InputEvent, InputEventCodec
from drivers.barcode.keyboard_text import keystrokes
from drivers.barcode.wedge_twin import HidWedgeTwin
from drivers.contracts import BarcodeRead, BarcodeRefused, DeviceEvent, DeviceState, StateChanged, Unsupported
from drivers.errors import LinkAbsent, LinkRefused, OptionsRefused
from drivers.tape import TapeEntry
from gate_agent.clock import SystemClock
from tests.contract.running_reader import Reader

CODEC = InputEventCodec()
ENTER_BYTES = 4 * 24


def typed(text: str) -> bytes:
    return b"".join(CODEC.encode(event) for event in keystrokes(text))


@pytest.fixture
async def wedge(tmp_path: Path) -> AsyncIterator[Reader]:
    twin = HidWedgeTwin(tmp_path / "scanner")
    await twin.plug()
    running = Reader("hid_wedge", twin, is_exclusive=False)
    await running.until_state(DeviceState.STARTING)
    yield running
    await running.stop()


async def test_symbols_are_read_as_they_were_typed(wedge: Reader) -> None:
    long = "ABC abc-{}~" * 400
    for symbol in ("HC1:6BF+70790T9WJWG.FKY*4GO0", long, "M1SPECIMEN/ANNEX"):
        wedge.twin.scan(symbol.encode())
    await wedge.until(lambda: len(wedge.told(BarcodeRead)) == 3, 10.0)
    assert wedge.told(BarcodeRead) == [
        BarcodeRead(b"HC1:6BF+70790T9WJWG.FKY*4GO0"),
        BarcodeRead(long.encode()),
        BarcodeRead(b"M1SPECIMEN/ANNEX"),
    ]
    states = [change.state for change in wedge.told(StateChanged)]
    assert states == [DeviceState.STARTING, DeviceState.READY]


async def test_it_takes_no_commands(wedge: Reader) -> None:
    for command in (wedge.driver.trigger(on=True), wedge.driver.beep()):
        with pytest.raises(Unsupported, match="it takes: nothing"):
            await command


async def test_it_is_grabbed_at_each_opening(tmp_path: Path) -> None:
    twin = HidWedgeTwin(tmp_path / "scanner")
    grabs: list[tuple[int, int]] = []
    events: list[DeviceEvent] = []

    def control(fd: int, request: int, argument: int) -> None:
        os.fstat(fd)
        grabs.append((request, argument))

    options = HidWedgeOptions(path=str(twin.path))
    driver = HidWedgeReader("wedge", options, events.append, SystemClock(), control)
    task = asyncio.create_task(driver.run())
    for count in (1, 2, 3):
        await twin.plug()
        async with asyncio.timeout(3):
            while driver.state is not DeviceState.STARTING:
                await asyncio.sleep(0.002)
        assert grabs == [(EVIOCGRAB, 1)] * count
        await twin.unplug()
        async with asyncio.timeout(3):
            while driver.state is not DeviceState.ABSENT:
                await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_device_that_cannot_be_grabbed_is_refused_and_closed(tmp_path: Path) -> None:
    twin = HidWedgeTwin(tmp_path / "scanner")
    await twin.plug()

    def busy(_fd: int, _request: int, _argument: int) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    before = set(Path("/proc/self/fd").iterdir())
    for device in (
        EventDevice(str(twin.path)),
        EventDevice(str(twin.path), control=busy),
    ):  # the first asks the kernel itself
        with pytest.raises(LinkRefused, match="cannot be grabbed") as refused:
            await device.open()
        assert "no other program" in refused.value.remedy
    assert set(Path("/proc/self/fd").iterdir()) == before
    await twin.unplug()
    with pytest.raises(LinkAbsent):
        await EventDevice(str(twin.path)).open()


def test_a_real_keyboard_is_never_read_without_the_grab() -> None:
    with pytest.raises(OptionsRefused, match="is_exclusive"):
        HidWedgeOptions.read("wedge", {"path": "/dev/input/by-id/usb-scanner-event-kbd", "is_exclusive": False})


async def test_a_symbol_that_the_cable_tore_is_not_joined_with_the_next(wedge: Reader) -> None:
    wedge.twin.cut_after(24 * 6)
    wedge.twin.scan(b"torn")
    await wedge.until_state(DeviceState.ABSENT)
    await wedge.twin.plug()
    await wedge.until_state(DeviceState.STARTING)
    wedge.twin.scan(b"whole")
    await wedge.until(lambda: BarcodeRead(b"whole") in wedge.told(BarcodeRead))
    assert wedge.told(BarcodeRead) == [BarcodeRead(b"whole")]


async def test_a_flood_without_end_is_refused_once_and_the_next_symbol_is_read(wedge: Reader) -> None:
    key = CODEC.encode(InputEvent(EV_KEY, 30, PRESSED))
    for _ in range(10):
        wedge.twin.send(key * 1000)
    wedge.twin.scan(b"x")
    wedge.twin.scan(b"next")
    await wedge.until(lambda: BarcodeRead(b"next") in wedge.told(BarcodeRead), 10.0)
    assert wedge.told(BarcodeRefused) == [BarcodeRefused("symbol too long")]


def replayed(pieces: list[tuple[float, bytes]], **options: Any) -> tuple[HidWedgeReader, list[Any]]:
    events: list[DeviceEvent] = []
    driver = HidWedgeReader("wedge", HidWedgeOptions(path="tape", **options), events.append, SystemClock())
    driver.replay([TapeEntry(0.0, "open", b""), *(TapeEntry(at_s, "rx", chunk) for at_s, chunk in pieces)])
    return driver, [event.data for event in events if isinstance(event.data, BarcodeRead)]


def test_enter_or_fifty_milliseconds_end_a_symbol() -> None:
    whole, keys = typed("abc"), typed("abc")[:-ENTER_BYTES]
    _, reads = replayed([(1.0, whole), (1.01, keys), (1.04, keys), (1.089, keys), (1.14, keys), (2.0, whole)])
    assert reads == [BarcodeRead(payload) for payload in (b"abc", b"abcabcabc", b"abc", b"abc")]


def test_a_strict_wedge_ends_with_enter_alone_and_identifiers_are_cut_when_it_types_them() -> None:
    keys = typed("abc")[:-ENTER_BYTES]
    driver, reads = replayed([(1.0, keys), (1.06, typed("def"))], needs_enter=True)
    assert reads == [BarcodeRead(b"def")]
    assert driver.reporter.fault_counts == {"DRV-FRM-003": 1}
    driver, reads = replayed([(1.0, typed("]Q1abc") + typed("abc") + typed("]C1"))], has_aim_id=True)
    assert reads == [BarcodeRead(b"abc", "QR", "]Q1")]
    assert driver.reporter.fault_counts == {"DRV-FRM-003": 2}


def test_one_byte_per_second_is_no_symbol_and_no_harm() -> None:
    wire = typed("slow")
    pieces = [(float(at), wire[at : at + 1]) for at in range(len(wire))]
    driver, reads = replayed([*pieces, (len(wire) + 1.0, typed("after"))])
    assert reads == [BarcodeRead(b"after")]
    assert driver.reporter.fault_counts["DRV-FRM-003"] > 0
