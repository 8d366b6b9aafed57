"""`honeywell_serial` on its twin: binary symbols, trigger, menu commands and their three answers, set-up, damage."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.barcode.honeywell_packets import HoneywellCodec
from drivers.barcode.honeywell_twin import HoneywellTwin
from drivers.barcode.line_codec import Scan
from drivers.contracts import BarcodeRead, BarcodeRefused, DeviceState, StateChanged, Unsupported
from drivers.errors import DeviceRefused, DeviceSilent, OptionsRefused
from drivers.registry import build
from gate_agent.clock import SystemClock
from tests.contract.running_reader import Reader


async def start(twin: HoneywellTwin, **options: object) -> Reader:
    await twin.plug()
    reader = Reader("honeywell_serial", twin, **options)
    await reader.until_state(DeviceState.READY)
    return reader


@pytest.fixture
async def imager(tmp_path: Path) -> AsyncIterator[Reader]:
    running = await start(HoneywellTwin(tmp_path / "scanner"))
    yield running
    await running.stop()


@pytest.mark.parametrize("length", [1, 100, 8192])
async def test_symbols_may_hold_any_byte(imager: Reader, length: int) -> None:
    payload = random.Random(length).randbytes(length)
    imager.twin.scan(payload)
    imager.twin.scan(b"REVINF\x06.\r\x16\xfe", "]d2")
    await imager.until(lambda: len(imager.told(BarcodeRead)) == 2)
    assert imager.told(BarcodeRead) == [
        BarcodeRead(payload, "QR", "]Q1"),
        BarcodeRead(b"REVINF\x06.\r\x16\xfe", "Data Matrix", "]d2"),
    ]


async def test_menu_commands_and_their_answers(imager: Reader) -> None:
    assert await imager.driver.menu("REVINF") == "REVINF: eGate twin"
    assert await imager.driver.menu("ocrena3") == "OCRENA3"
    assert await imager.driver.menu("OCRENA?") == "OCRENA3"
    await imager.driver.menu("BEPLVL0", is_stored=True)
    assert imager.twin.stored == {b"BEPLVL"}
    with pytest.raises(Unsupported, match="XYZABC1"):
        await imager.driver.menu("XYZABC1")
    with pytest.raises(DeviceRefused, match="out of range"):
        await imager.driver.menu("OCRENA9")
    assert imager.twin.settings[b"OCRENA"] == 3
    for words in ("", "A1", "CBRENA1!", "CBRENA1;OCRENA2", "CBR\x16T\r", "ÜBE1"):
        with pytest.raises(ValueError, match="no menu command"):
            await imager.driver.menu(words)


async def test_commands_given_at_once_have_their_answers_one_after_the_other(imager: Reader) -> None:
    commands = ("OCRENA3", "CBRENA0", "REVINF", "OCRENA?")
    answers = await asyncio.gather(*[imager.driver.menu(command) for command in commands])
    assert answers == ["OCRENA3", "CBRENA0", "REVINF: eGate twin", "OCRENA3"]


async def test_the_trigger_is_sent_and_what_the_imager_lacks_is_unsupported(imager: Reader) -> None:
    await imager.driver.trigger(on=True)
    await imager.until(lambda: imager.twin.is_triggered)
    await imager.driver.trigger(on=False)
    await imager.until(lambda: not imager.twin.is_triggered)
    for command in (imager.driver.beep(), imager.driver.light(on=True), imager.driver.enable(on=True)):
        with pytest.raises(Unsupported, match="it takes: menu, trigger"):
            await command


async def test_it_is_set_up_after_each_opening(tmp_path: Path) -> None:
    imager = await start(HoneywellTwin(tmp_path / "scanner"), setup=["CBRENA0", "OCRENA3"])
    await imager.until(lambda: imager.twin.settings == {b"CBRENA": 0, b"OCRENA": 3, b"BEPLVL": 1})
    await imager.twin.unplug()
    await imager.until_state(DeviceState.ABSENT)
    imager.twin.settings[b"OCRENA"] = 1
    await imager.twin.plug()
    await imager.until(lambda: imager.twin.settings[b"OCRENA"] == 3)
    assert imager.twin.stored == set()
    await imager.stop()


async def test_a_refused_set_up_is_a_fault_that_says_so(tmp_path: Path) -> None:
    twin = HoneywellTwin(tmp_path / "scanner")
    await twin.plug()
    imager = Reader("honeywell_serial", twin, setup=["OCRENA9"])
    await imager.until_state(DeviceState.FAULT)
    assert imager.told(StateChanged)[-1].fault == "DRV-DEV-003"
    await imager.stop()
    unknown = Reader("honeywell_serial", twin, setup=["XYZABC1"])
    await twin.plug()
    await unknown.until_state(DeviceState.FAULT)
    assert unknown.told(StateChanged)[-1].fault == "DRV-DEV-003"
    await unknown.stop()


async def test_acknowledgements_when_the_imager_wants_them(tmp_path: Path) -> None:
    imager = await start(HoneywellTwin(tmp_path / "scanner", is_acknowledged=True), acknowledges=True, frame_gap_s=0.03)
    imager.twin.scan(b"first")
    await imager.until(lambda: imager.twin.acknowledged_count == 1)
    wire = bytearray(HoneywellCodec().encode(Scan(b"second", aim_id="]Q1")))
    imager.twin._last = (Scan(b"second", aim_id="]Q1"), 3)
    wire[10] ^= 1
    imager.twin.send(bytes(wire))
    await imager.until(lambda: imager.twin.acknowledged_count == 2)
    assert [read.payload for read in imager.told(BarcodeRead)] == [b"first", b"second"]
    imager.twin.scan(bytes(9000))
    await imager.until(lambda: imager.told(BarcodeRefused))
    await imager.until(lambda: imager.twin.acknowledged_count == 3)  # refused for good: not asked for again
    assert len(imager.told(BarcodeRefused)) == 1
    await imager.stop()


async def test_slow_bytes_half_packets_and_silence(tmp_path: Path) -> None:
    imager = await start(HoneywellTwin(tmp_path / "scanner"), frame_gap_s=0.05, reply_timeout_s=0.05)
    wire = HoneywellCodec().encode(Scan(b"torn", aim_id="]Q1"))
    imager.twin.send(wire[:12])
    await imager.until(lambda: imager.driver.reporter.fault_counts["DRV-FRM-003"] == 1)
    imager.twin.scan(b"whole")
    await imager.until(lambda: imager.told(BarcodeRead) == [BarcodeRead(b"whole", "QR", "]Q1")])
    for byte in wire:
        imager.twin.send(bytes([byte]))
        await asyncio.sleep(0.1)
    assert len(imager.told(BarcodeRead)) == 1
    assert not imager.task.done()
    imager.twin.mute()
    with pytest.raises(DeviceSilent):
        await imager.driver.menu("OCRENA?")
    await imager.stop()


def test_set_up_and_probe_are_menu_commands() -> None:
    for options in ({"setup": ["A"]}, {"probe": "\x16"}, {"setup": ["ABC\r"]}):
        with pytest.raises(OptionsRefused, match=next(iter(options))):
            build("one", "honeywell_serial", {"path": "x", **options}, lambda _event: None, SystemClock())
