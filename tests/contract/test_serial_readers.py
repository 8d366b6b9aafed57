"""Document reader and bar code reader on their twins: torn reads, hostile symbols, commands, one-way devices, slow lines."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.barcode.line_codec import LineProfile
from drivers.barcode.twin import BarcodeReaderTwin
from drivers.contracts import (
    BarcodeRead,
    DeviceState,
    DocumentImage,
    DocumentPresented,
    DocumentRemoved,
    MrzRead,
    StateChanged,
    Unsupported,
)
from drivers.document_reader.codec import Profile
from drivers.document_reader.twin import MrzReaderTwin
from drivers.errors import LinkRefused, NotReady
from drivers.link import SerialPort
from tests.contract.running_reader import Reader

LINES = ("P<UTOSPECIMEN<<ANNEX".ljust(44, "<"), "UT00000015UTO9002024M3112317<<<<<<<<<<<<<<04")
SECOND = (LINES[0], LINES[1].replace("0", "O", 1))
PORTRAIT = b"\xff\xd8\xff" + random.Random(3).randbytes(40_000)


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    twin = MrzReaderTwin(tmp_path / "reader")
    await twin.plug()
    running = Reader("mrz_serial", twin)
    await running.until_state(DeviceState.READY)
    yield running
    await running.stop()


@pytest.fixture
async def scanner(tmp_path: Path) -> AsyncIterator[Reader]:
    twin = BarcodeReaderTwin(tmp_path / "scanner")
    await twin.plug()
    running = Reader("barcode_serial", twin)
    await running.until_state(DeviceState.READY)
    yield running
    await running.stop()


async def test_a_document_comes_is_read_and_goes(reader: Reader) -> None:
    reader.twin.present(LINES, PORTRAIT)
    await reader.until(lambda: reader.told(DocumentImage))
    reader.twin.remove()
    await reader.until(lambda: reader.told(DocumentRemoved))
    assert reader.documents() == [
        DocumentPresented(),
        MrzRead(LINES),
        DocumentImage("portrait", "image/jpeg", PORTRAIT),
        DocumentRemoved(),
    ]
    (read,) = [event for event in reader.events if isinstance(event.data, MrzRead)]
    assert read.raw == "".join(line + "\r" for line in LINES).encode()


async def test_read_again_gives_another_read_of_the_same_document(reader: Reader) -> None:
    reader.twin.present(LINES, second_read=SECOND)
    await reader.until(lambda: reader.told(MrzRead))
    await reader.driver.read_again()
    await reader.until(lambda: len(reader.told(MrzRead)) == 2)
    assert reader.told(MrzRead) == [MrzRead(LINES), MrzRead(SECOND)]
    assert len(reader.told(DocumentPresented)) == 1


async def test_pictures_of_the_page_come_whole_and_once_more_when_asked(reader: Reader) -> None:
    pictures = {
        "white": b"\xff\xd8\xff" + random.Random(4).randbytes(300_000),
        "infrared": b"\x89PNG\r\n\x1a\n" + random.Random(5).randbytes(200_000),
        "ultraviolet": b"\xff\xd8\xff" + random.Random(6).randbytes(100_000),
    }
    reader.twin.present(LINES, PORTRAIT, pictures=pictures)
    await reader.until(lambda: len(reader.told(DocumentImage)) == 4, 10.0)
    assert {image.role: image.content for image in reader.told(DocumentImage)} == pictures | {"portrait": PORTRAIT}
    await reader.driver.read_again()
    await reader.until(lambda: len(reader.told(DocumentImage)) == 7, 10.0)
    assert [image.role for image in reader.told(DocumentImage)][4:] == list(pictures)
    assert reader.told(MrzRead) == [MrzRead(LINES)] * 2
    with pytest.raises(ValueError, match="roles"):
        reader.twin.present(LINES, pictures={"x-ray": PORTRAIT})


async def test_a_cable_pulled_in_the_middle_of_a_read(reader: Reader) -> None:
    reader.twin.cut_after(40)  # presence packet and half of the first line
    reader.twin.present(LINES, PORTRAIT)
    await reader.until_state(DeviceState.ABSENT)
    assert reader.told(MrzRead) == []
    await reader.twin.plug()
    await reader.until_state(DeviceState.READY)
    await reader.until(lambda: reader.told(MrzRead))  # the document still lies there: asked for again by itself
    assert reader.told(DocumentPresented, MrzRead) == [DocumentPresented(), MrzRead(LINES)]
    assert reader.twin.read_again_count == 1


async def test_a_document_taken_away_while_the_cable_was_out(reader: Reader) -> None:
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    await reader.twin.unplug()
    reader.twin.remove()
    await reader.until_state(DeviceState.ABSENT)
    await reader.twin.plug()
    await reader.until(lambda: reader.told(DocumentRemoved))
    assert len(reader.told(MrzRead)) == 1


async def test_bad_frames_are_recorded_counted_and_cleared(reader: Reader) -> None:
    for wire in (b"\x02SHORT\r\x03", b"\x02" + b"Z" * 300 + b"\x03", b"\x02" + "é".encode() * 10 + b"\r\x03"):
        reader.twin.send(wire)
    await reader.until(lambda: reader.driver.reporter.fault_counts["DRV-FRM-003"] == 2)
    assert reader.driver.reporter.fault_counts["DRV-FRM-002"] == 1
    assert reader.driver.state is DeviceState.READY
    assert reader.told(StateChanged)[-1].fault.startswith("DRV-FRM-")
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    assert reader.told(StateChanged)[-1] == StateChanged(DeviceState.READY)
    assert not reader.task.done()


async def test_a_frame_left_unfinished_is_torn_by_silence(tmp_path: Path) -> None:
    twin = MrzReaderTwin(tmp_path / "reader")
    await twin.plug()
    reader = Reader("mrz_serial", twin, frame_gap_s=0.05)
    await reader.until_state(DeviceState.READY)
    twin.send(b"\x02P<UTO")
    await reader.until(lambda: reader.driver.reporter.fault_counts["DRV-FRM-003"] == 1)
    twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    await reader.stop()


async def test_noise_only_is_a_fault_of_its_own(tmp_path: Path) -> None:
    twin = MrzReaderTwin(tmp_path / "reader")
    await twin.plug()
    twin.mute()
    reader = Reader("mrz_serial", twin, dead_s=0.3, quiet_s=0.1)
    await reader.until_state(DeviceState.STARTING)
    twin.mute(on=False)
    twin.heard = lambda _chunk: None
    noise = random.Random(5)
    while reader.driver.state is DeviceState.STARTING:
        twin.send(noise.randbytes(20).replace(b"\x01", b"."))
        await asyncio.sleep(0.02)
    await reader.until_state(DeviceState.FAULT)
    assert reader.told(StateChanged)[-1].fault == "DRV-DEV-002"
    await reader.stop()


async def test_one_byte_at_a_time_on_a_slow_line(tmp_path: Path) -> None:
    twin = MrzReaderTwin(tmp_path / "reader", baud=9600)
    await twin.plug()
    reader = Reader("mrz_serial", twin)
    await reader.until_state(DeviceState.READY)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    assert loop.time() - started_s > 92 * 10 / 9600
    await reader.stop()


async def test_a_reader_that_only_speaks_is_ready_with_its_first_read(tmp_path: Path) -> None:
    twin = MrzReaderTwin(tmp_path / "reader", profile=Profile(b"", b"\r\n", b"", has_packets=False))
    await twin.plug()
    reader = Reader(
        "mrz_serial",
        twin,
        start="",
        separator="0d0a",
        end="",
        has_packets=False,
        reports_presence=False,
        frame_gap_s=0.05,
    )
    await reader.until_state(DeviceState.STARTING)
    for count in (1, 2):
        twin.send("".join(line + "\r\n" for line in LINES).encode())
        await reader.until(lambda count=count: len(reader.told(MrzRead)) == count)
    assert reader.driver.state is DeviceState.READY
    assert reader.documents() == [DocumentPresented(), MrzRead(LINES), DocumentPresented(), MrzRead(LINES)]
    with pytest.raises(Unsupported):
        await reader.driver.read_again()
    await reader.stop()


async def test_a_command_to_an_absent_reader_is_a_typed_fault(reader: Reader) -> None:
    await reader.twin.unplug()
    await reader.until_state(DeviceState.ABSENT)
    with pytest.raises(NotReady) as away:
        await reader.driver.read_again()
    assert away.value.code == "DRV-DEV-004"


async def test_a_port_in_use_is_refused_not_shared(reader: Reader) -> None:
    with pytest.raises(LinkRefused) as refused:
        await SerialPort(str(reader.twin.path)).open()
    assert refused.value.code == "DRV-LNK-002"


# ---- bar codes


async def test_symbols_arrive_as_bytes_with_their_symbology(scanner: Reader) -> None:
    scanner.twin.scan(b"HC1:\x1d\xff\x00]Q1")
    scanner.twin.scan(b"M1SPECIMEN/ANNEX", "]L0")
    await scanner.until(lambda: len(scanner.told(BarcodeRead)) == 2)
    assert scanner.told(BarcodeRead) == [
        BarcodeRead(b"HC1:\x1d\xff\x00]Q1", "QR", "]Q1"),
        BarcodeRead(b"M1SPECIMEN/ANNEX", "PDF417", "]L0"),
    ]
    assert (
        next(event for event in scanner.events if isinstance(event.data, BarcodeRead)).raw == b"]Q1HC1:\x1d\xff\x00]Q1"
    )


@pytest.fixture
async def patient_scanner(tmp_path: Path) -> AsyncIterator[Reader]:
    """As `scanner`, for what a busy machine may hold up longer than a frame's gap."""
    twin = BarcodeReaderTwin(tmp_path / "scanner")
    await twin.plug()
    running = Reader("barcode_serial", twin, frame_gap_s=5)
    await running.until_state(DeviceState.READY)
    yield running
    await running.stop()


async def test_a_four_megabyte_symbol_ends_in_a_recorded_fault(patient_scanner: Reader) -> None:
    scanner = patient_scanner
    scanner.twin.send(b"]Q1" + b"A" * (4 << 20) + b"\r")
    scanner.twin.scan(b"after")
    await scanner.until(lambda: scanner.told(BarcodeRead), 30.0)
    assert scanner.told(BarcodeRead) == [BarcodeRead(b"after", "QR", "]Q1")]
    assert scanner.driver.reporter.fault_counts == {"DRV-FRM-002": 1}
    recorded = [change for change in scanner.told(StateChanged) if change.fault]
    assert [change.fault for change in recorded] == ["DRV-FRM-002"]
    assert recorded[0].state is DeviceState.READY
    assert "larger" in recorded[0].remedy


async def test_a_late_loop_tears_no_symbol(scanner: Reader) -> None:
    """Bytes that came in time and were read late are no silence."""
    for count in range(1, 6):
        heard: list[bytes] = []
        scanner.driver.link._tap = lambda _direction, chunk, heard=heard: heard.append(chunk)
        os.write(scanner.twin._master, b"]Q1first ")
        await scanner.until(lambda heard=heard: heard)
        os.write(scanner.twin._master, b"second\r")
        time.sleep(0.12)
        await scanner.until(lambda expected=count: len(scanner.told(BarcodeRead)) == expected)
    assert set(scanner.told(BarcodeRead)) == {BarcodeRead(b"first second", "QR", "]Q1")}
    assert scanner.driver.reporter.fault_counts == {}


async def test_the_trigger_is_sent(scanner: Reader) -> None:
    await scanner.driver.trigger(on=True)
    await scanner.until(lambda: scanner.twin.is_triggered)
    await scanner.driver.trigger(on=False)
    await scanner.until(lambda: not scanner.twin.is_triggered)


async def test_a_scanner_without_suffix_or_commands(tmp_path: Path) -> None:
    twin = BarcodeReaderTwin(tmp_path / "scanner", profile=LineProfile(suffix=b"", has_aim_id=False))
    await twin.plug()
    scanner = Reader("barcode_serial", twin, suffix="", has_aim_id=False, probe="", trigger_on="", frame_gap_s=0.03)
    await scanner.until_state(DeviceState.STARTING)
    for count, payload in enumerate((b"first\r\nline", b"second"), start=1):
        twin.scan(payload)
        await scanner.until(lambda count=count: len(scanner.told(BarcodeRead)) == count)
    assert scanner.told(BarcodeRead) == [BarcodeRead(b"first\r\nline"), BarcodeRead(b"second")]
    with pytest.raises(Unsupported):
        await scanner.driver.trigger(on=True)
    await scanner.stop()


async def test_soak_of_kill_mute_corrupt_and_replug(scanner: Reader, tmp_path: Path) -> None:
    """Any misfortune in any order: the driver lives, numbers have no gap, descriptors do not grow, symbols are never altered unseen."""
    chance = random.Random(11)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for step in range(40):
        deed = chance.choice(["scan", "scan", "replug", "noise", "tear"])
        if deed == "scan":
            scanner.twin.scan(b"token %d" % step)
        elif deed == "noise":
            scanner.twin.send(chance.randbytes(30).replace(b"\r", b"") + b"\r")
        elif deed == "tear":
            scanner.twin.cut_after(4)
            scanner.twin.scan(b"torn")
            await asyncio.sleep(0.02)
            await scanner.twin.plug()
        else:
            await scanner.twin.unplug()
            await asyncio.sleep(0.01)
            await scanner.twin.plug()
        await asyncio.sleep(0.01)
    await scanner.until_state(DeviceState.READY)
    scanner.twin.scan(b"last")
    await scanner.until(lambda: BarcodeRead(b"last", "QR", "]Q1") in scanner.told(BarcodeRead))
    assert [event.seq for event in scanner.events] == list(range(1, len(scanner.events) + 1))
    assert all(read.payload.startswith((b"token ", b"last")) for read in scanner.told(BarcodeRead))
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1
