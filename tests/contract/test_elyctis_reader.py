"""`elyctis_tlv` on its twin: one read per document, armed again after each, resets, lost and damaged messages."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.contracts import DeviceState, DocumentPresented, MrzRead, ReadFailed
from drivers.document_reader.elyctis_codec import ElyctisCodec, Tlv
from drivers.document_reader.elyctis_twin import ElyctisTwin
from drivers.errors import NotReady
from tests.contract.rig_core import LINES
from tests.contract.running_reader import Reader

MISREAD = (LINES[0], LINES[1].replace("0", "O", 1))
CODEC = ElyctisCodec()


async def start(twin: ElyctisTwin, **options: object) -> Reader:
    await twin.plug()
    reader = Reader("elyctis_tlv", twin, **options)
    await reader.until_state(DeviceState.READY)
    await reader.until(lambda: twin.is_armed)
    return reader


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    running = await start(ElyctisTwin(tmp_path / "reader"), reply_timeout_s=0.1, frame_gap_s=0.1)
    yield running
    await running.stop()


async def test_each_document_is_read_once_and_the_reader_is_armed_for_the_next(reader: Reader) -> None:
    assert reader.driver.version == "eGate twin"
    for count in (1, 2, 3):
        reader.twin.present(LINES)
        await reader.until(lambda expected=count: len(reader.told(MrzRead)) == expected)
        await reader.until(lambda: reader.twin.is_armed)
    await asyncio.sleep(0.05)
    assert reader.documents() == [DocumentPresented(), MrzRead(LINES)] * 3
    (raw,) = {event.raw for event in reader.events if isinstance(event.data, MrzRead)}
    assert raw == "".join(line + "\r" for line in LINES).encode()


async def test_the_same_document_is_read_again_when_that_is_asked_for(reader: Reader) -> None:
    reader.twin.present(MISREAD, second_read=LINES)
    await reader.until(lambda: reader.told(MrzRead))
    await reader.driver.read_again()
    await reader.until(lambda: len(reader.told(MrzRead)) == 2)
    assert reader.documents() == [DocumentPresented(), MrzRead(MISREAD), MrzRead(LINES)]
    await reader.until(lambda: reader.twin.is_armed)
    reader.twin.present(LINES)  # another one, although it looks the same
    await reader.until(lambda: len(reader.told(MrzRead)) == 3)
    assert len(reader.told(DocumentPresented)) == 2


async def test_a_read_long_after_it_was_asked_for_is_of_another_document(tmp_path: Path) -> None:
    reader = await start(ElyctisTwin(tmp_path / "reader"), read_again_s=0.05)
    await reader.driver.read_again()
    await asyncio.sleep(0.15)
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    assert reader.documents() == [DocumentPresented(), MrzRead(LINES)]
    await reader.stop()


async def test_a_confirmation_that_is_lost_is_asked_for_until_it_comes(reader: Reader) -> None:
    reader.twin.present(LINES)
    reader.twin.mute()  # the confirmation of the next arming is lost, and the command with it
    await reader.until(lambda: reader.told(MrzRead))
    await asyncio.sleep(0.15)
    assert not reader.twin.is_armed
    reader.twin.mute(on=False)
    await reader.until(lambda: reader.twin.is_armed)


async def test_a_read_that_was_lost_on_the_way_does_not_leave_the_reader_off(tmp_path: Path) -> None:
    reader = await start(ElyctisTwin(tmp_path / "reader"), quiet_s=0.1, reply_timeout_s=0.05)
    reader.twin.is_armed = False  # as after a read whose bytes nobody got
    await reader.until(lambda: reader.twin.is_armed)
    await reader.stop()


async def test_half_a_zone_damaged_lines_and_an_empty_slot(reader: Reader) -> None:
    zone = CODEC.encode(Tlv(b"I", "\r".join(LINES).encode()))
    reader.twin.send(zone[:30])
    await reader.until(lambda: reader.told(ReadFailed))
    reader.twin.send(CODEC.encode(Tlv(b"I", b"SHORT")) + CODEC.encode(Tlv(b"I")))
    await reader.until(lambda: len(reader.told(ReadFailed)) == 2)
    assert reader.driver.reporter.fault_counts["DRV-FRM-003"] == 2
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    assert reader.told(ReadFailed) == [ReadFailed("bytes that are no message"), ReadFailed("line of 5 characters")]
    assert reader.driver.reporter.fault_code == ""


async def test_a_document_that_lay_there_when_the_cable_came_back_is_read(reader: Reader) -> None:
    await reader.twin.unplug()
    await reader.until_state(DeviceState.ABSENT)
    with pytest.raises(NotReady):
        await reader.driver.read_again()
    reader.twin.present(LINES)
    await reader.twin.plug()
    await reader.until(lambda: reader.told(MrzRead))
    assert reader.documents() == [DocumentPresented(), MrzRead(LINES)]


async def test_a_document_that_stays_while_the_cable_is_out_is_no_second_one(reader: Reader) -> None:
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    await reader.twin.unplug()
    await reader.until_state(DeviceState.ABSENT)
    await reader.twin.plug()
    await reader.until(lambda: len(reader.told(MrzRead)) == 2)
    assert reader.documents() == [DocumentPresented(), MrzRead(LINES), MrzRead(LINES)]
    await reader.twin.unplug()
    await reader.until_state(DeviceState.ABSENT)
    reader.twin.present(MISREAD)
    await reader.twin.plug()
    await reader.until(lambda: len(reader.told(MrzRead)) == 3)
    assert len(reader.told(DocumentPresented)) == 2


async def test_one_byte_at_a_time_and_slower_than_the_gap(tmp_path: Path) -> None:
    reader = await start(ElyctisTwin(tmp_path / "reader", baud=9600), frame_gap_s=0.5)
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    await reader.stop()
    reader = await start(ElyctisTwin(tmp_path / "reader"), frame_gap_s=0.02)
    for byte in CODEC.encode(Tlv(b"L", b"DLUTO000")):
        reader.twin.send(bytes([byte]))
        await asyncio.sleep(0.06)
    reader.twin.present(LINES)
    await reader.until(lambda: reader.told(MrzRead))
    assert reader.told(MrzRead) == [MrzRead(LINES)]
    assert not reader.task.done()
    await reader.stop()
