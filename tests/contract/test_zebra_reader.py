"""`zebra_ssi` on its twin: handshake, acknowledgements, repeated and damaged packets, commands and those a decoder lacks."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.barcode.ssi_packets import Opcode, Packet, SsiCodec
from drivers.barcode.ssi_twin import COMMANDS, ZebraSsiTwin
from drivers.contracts import BarcodeRead, BarcodeRefused, DeviceState, StateChanged, Unsupported
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged, LinkLost, NotReady
from tests.contract.running_reader import Reader

CODEC = SsiCodec()


async def start(twin: ZebraSsiTwin, **options: object) -> Reader:
    await twin.plug()
    reader = Reader("zebra_ssi", twin, **options)
    await reader.until_state(DeviceState.READY)
    await reader.until(lambda: Opcode.CAPABILITIES_REQUEST in twin.asked)
    return reader


@pytest.fixture
async def zebra(tmp_path: Path) -> AsyncIterator[Reader]:
    running = await start(ZebraSsiTwin(tmp_path / "scanner", retry_s=5.0))  # nothing comes twice on a busy machine
    yield running
    await running.stop()


async def test_the_decoder_says_who_it_is_and_what_it_takes(tmp_path: Path) -> None:
    without_beeper = [opcode for opcode in COMMANDS if opcode != Opcode.BEEP]
    reader = await start(ZebraSsiTwin(tmp_path / "scanner", commands=without_beeper))
    await reader.until(lambda: "beep" not in reader.driver.capabilities)
    assert reader.driver.revision == "EGATE TWIN 1"
    assert reader.driver.capabilities == {"trigger", "light", "enable", "parameters", "attributes"}
    with pytest.raises(Unsupported, match="beep"):
        await reader.driver.beep()
    assert reader.twin.beeps == []
    await reader.stop()


@pytest.mark.parametrize("length", [1, 250, 251, 491, 492, 2000, 8192])
async def test_symbols_of_any_length_arrive_once_and_are_acknowledged(zebra: Reader, length: int) -> None:
    payload = random.Random(length).randbytes(length)
    zebra.twin.scan(payload)
    zebra.twin.scan(b"next", 0x11)
    await zebra.until(lambda: len(zebra.told(BarcodeRead)) == 2)
    assert zebra.told(BarcodeRead) == [BarcodeRead(payload, "QR"), BarcodeRead(b"next", "PDF417")]
    await zebra.until(lambda: zebra.twin._in_flight is None)
    assert zebra.twin.retransmitted_count == 0


async def test_what_is_sent_again_because_an_acknowledgement_was_lost_is_told_once(tmp_path: Path) -> None:
    zebra = await start(ZebraSsiTwin(tmp_path / "scanner", retry_s=60.0))
    for payload in (b"short", b"L" * 700):
        zebra.twin.acknowledgements_to_lose = 1
        zebra.twin.scan(payload)
        zebra.twin.scan(payload)  # a second look at the same symbol is a second read
        await zebra.until(lambda: not zebra.twin.acknowledgements_to_lose)
        zebra.twin._again()  # its minute is over
        await zebra.until(lambda: zebra.twin._in_flight is None and not zebra.twin._waiting)
    assert zebra.twin.retransmitted_count == 2
    assert [read.payload for read in zebra.told(BarcodeRead)] == [b"short", b"short", b"L" * 700, b"L" * 700]
    await zebra.stop()


async def test_a_damaged_packet_is_refused_sent_again_and_told(tmp_path: Path) -> None:
    zebra = await start(ZebraSsiTwin(tmp_path / "scanner", retry_s=5.0), frame_gap_s=0.03)
    for payload in (b"short", bytes(range(256)) * 4):
        zebra.twin.corrupt()
        zebra.twin.scan(payload)
        zebra.twin.corrupt(on=False)
        await zebra.until(lambda expected=payload: expected in [read.payload for read in zebra.told(BarcodeRead)])
        await zebra.until(lambda: zebra.twin._in_flight is None)  # else the next would wait and leave it undamaged
    assert zebra.twin.retransmitted_count == 2
    assert zebra.driver.reporter.fault_counts["DRV-FRM-003"] == 2
    assert zebra.told(StateChanged)[-1] == StateChanged(DeviceState.READY)
    await zebra.stop()


async def test_half_a_packet_is_torn_by_silence_and_the_next_symbol_is_read(zebra: Reader) -> None:
    zebra.twin.send(CODEC.encode(Packet(Opcode.DECODED, b"\x1c" + b"half" * 50))[:30])
    await zebra.until(lambda: zebra.driver.reporter.fault_counts["DRV-FRM-003"] == 1)
    zebra.twin.scan(b"whole")
    await zebra.until(lambda: zebra.told(BarcodeRead) == [BarcodeRead(b"whole", "QR")])


async def test_one_byte_per_pause_is_read_and_one_beyond_the_gap_is_torn(tmp_path: Path) -> None:
    twin = ZebraSsiTwin(tmp_path / "scanner", is_acknowledged=False)
    reader = await start(twin, frame_gap_s=5.0)
    wire = CODEC.encode(Packet(Opcode.DECODED, b"\x1cslow"))
    for byte in wire:
        twin.send(bytes([byte]))
        await asyncio.sleep(0.005)
    await reader.until(lambda: reader.told(BarcodeRead) == [BarcodeRead(b"slow", "QR")])
    await reader.stop()
    reader = await start(twin, frame_gap_s=0.02)
    for byte in wire:
        twin.send(bytes([byte]))
        await asyncio.sleep(0.06)
    twin.scan(b"after")
    await reader.until(lambda: reader.told(BarcodeRead) == [BarcodeRead(b"after", "QR")])
    assert not reader.task.done()
    await reader.stop()


async def test_commands_do_what_they_say(zebra: Reader) -> None:
    await zebra.driver.trigger(on=True)
    assert zebra.twin.is_triggered
    await zebra.driver.trigger(on=False)
    assert not zebra.twin.is_triggered
    await zebra.driver.beep(7)
    assert zebra.twin.beeps == [7]
    await zebra.driver.light(on=True)
    assert zebra.twin.lights == 1
    await zebra.driver.light(on=False)
    assert zebra.twin.lights == 0
    await zebra.driver.enable(on=False)
    zebra.twin.scan(b"unseen")
    await zebra.driver.enable(on=True)
    zebra.twin.scan(b"seen")
    await zebra.until(lambda: zebra.told(BarcodeRead) == [BarcodeRead(b"seen", "QR")])
    await zebra.driver.set_parameters({318: 1000, 138: 5})
    assert await zebra.driver.parameters(318, 138) == {318: 1000, 138: 5}
    assert await zebra.driver.parameters() == {318: 1000, 138: 5, 159: 1}
    assert await zebra.driver.attributes(533, 10_061) == {533: "EGATE-TWIN", 10_061: (0, 0, 1, 3, 2, 3)}


async def test_commands_given_at_once_have_their_answers_one_after_the_other(zebra: Reader) -> None:
    answers = await asyncio.gather(
        zebra.driver.parameters(318), zebra.driver.beep(3), zebra.driver.attributes(402), zebra.driver.light(on=True)
    )
    assert answers == [{318: 1279}, None, {402: 0}, None]
    assert (zebra.twin.beeps, zebra.twin.lights) == ([3], 1)


async def test_a_decoder_that_does_not_say_what_it_takes_is_asked_and_refuses(tmp_path: Path) -> None:
    silent = [opcode for opcode in COMMANDS if opcode not in {Opcode.CAPABILITIES_REQUEST, Opcode.BEEP}]
    reader = await start(ZebraSsiTwin(tmp_path / "scanner", commands=silent))
    with pytest.raises(DeviceRefused, match="denied"):
        await reader.driver.beep()
    await reader.driver.trigger(on=True)
    assert "beep" in reader.driver.capabilities
    await reader.stop()


async def test_symbols_that_arrive_while_a_command_waits_are_told(zebra: Reader) -> None:
    zebra.twin.scan(b"L" * 600)
    zebra.twin.press()
    assert await zebra.driver.parameters(138) == {138: 8}
    await zebra.until(lambda: zebra.told(BarcodeRead) == [BarcodeRead(b"L" * 600, "QR")])
    await zebra.until(lambda: zebra.twin._in_flight is None)  # the event was acknowledged, too


def packets_in(chunk: bytes) -> list[Packet]:
    return [message for message in SsiCodec().feed(chunk) if isinstance(message, Packet)]


def answering(twin: ZebraSsiTwin, *answers: Packet) -> Callable[[bytes], None]:
    """Return a `heard` that gives these answers to commands, in turn; the handshake is left unanswered."""
    passed_over = {Opcode.REVISION_REQUEST, Opcode.CAPABILITIES_REQUEST, Opcode.ACKNOWLEDGED}
    waiting = list(answers)

    def heard(chunk: bytes) -> None:
        for message in packets_in(chunk):
            if message.opcode not in passed_over:
                twin.send(CODEC.encode(waiting.pop(0)) if waiting else b"")

    return heard


async def test_a_refusal_is_typed_and_a_wish_for_repetition_is_met(zebra: Reader) -> None:
    resend, denied = Packet(Opcode.REFUSED, b"\x01"), Packet(Opcode.REFUSED, b"\x06")
    zebra.twin.heard = answering(zebra.twin, resend, Packet(Opcode.ACKNOWLEDGED), denied, resend, resend)
    await zebra.driver.beep(1)
    for words in ("denied", "once more"):
        with pytest.raises(DeviceRefused, match=words) as refused:
            await zebra.driver.beep(1)
        assert refused.value.code == "DRV-DEV-003"
    assert zebra.driver.state is DeviceState.READY


async def test_an_answer_that_is_none_and_no_answer_at_all_are_typed(tmp_path: Path) -> None:
    zebra = await start(ZebraSsiTwin(tmp_path / "scanner"))
    zebra.twin.heard = answering(zebra.twin, Packet(Opcode.PARAMETERS, b"\xff\xf4\xf0"))
    with pytest.raises(FrameDamaged):
        await zebra.driver.parameters(318)
    await zebra.stop()
    zebra = await start(ZebraSsiTwin(tmp_path / "scanner"), reply_timeout_s=0.05)
    zebra.twin.heard = answering(zebra.twin)
    with pytest.raises(DeviceSilent):
        await zebra.driver.beep(1)
    await zebra.stop()
    with pytest.raises(NotReady):
        await zebra.driver.beep(1)


async def test_a_command_whose_cable_is_pulled_fails_when_the_decoder_is_back(tmp_path: Path) -> None:
    zebra = await start(ZebraSsiTwin(tmp_path / "scanner"), reply_timeout_s=5.0)
    asked: list[Opcode | int] = []
    with pytest.MonkeyPatch.context() as silent:
        silent.setattr(zebra.twin, "heard", lambda chunk: asked.extend(one.opcode for one in packets_in(chunk)))
        asking = asyncio.create_task(zebra.driver.beep(1))
        await zebra.until(lambda: Opcode.BEEP in asked)
        await zebra.twin.unplug()
    await zebra.twin.plug()
    with pytest.raises(LinkLost):
        async with asyncio.timeout(3):
            await asking
    await zebra.stop()


async def test_a_line_that_echoes_is_no_decoder(tmp_path: Path) -> None:
    twin = ZebraSsiTwin(tmp_path / "scanner")
    twin.heard = twin.send
    await twin.plug()
    reader = Reader("zebra_ssi", twin, quiet_s=0.05, dead_s=0.3)
    await reader.until_state(DeviceState.FAULT)
    assert [change.state for change in reader.told(StateChanged)] == [DeviceState.STARTING, DeviceState.FAULT]
    await reader.stop()


async def test_types_identifiers_and_lengths_follow_the_options(tmp_path: Path) -> None:
    twin = ZebraSsiTwin(tmp_path / "scanner", is_acknowledged=False)
    reader = await start(twin, has_aim_id=True, payload_limit_bytes=300, acknowledges=False)
    twin.scan(b"]C1010123", 0x03)
    twin.scan(b"no identifier", 0x03)
    twin.scan(b"]Q1" + b"x" * 400)
    twin.scan(b"]e0linear", 0x99)
    await reader.until(lambda: len(reader.told(BarcodeRead)) == 2)
    assert reader.told(BarcodeRead) == [
        BarcodeRead(b"010123", "Code 128", "]C1"),
        BarcodeRead(b"linear", "DataBar", "]e0"),
    ]
    assert reader.told(BarcodeRefused) == [BarcodeRefused("symbol too long")]
    assert twin.acknowledged_count == 0
    await reader.stop()
    plain = await start(twin)
    twin.scan(b"12345", 0x99)
    await plain.until(lambda: plain.told(BarcodeRead))
    (read,) = plain.told(BarcodeRead)
    assert read.is_linear  # of a type nobody listed: taken only against something expected
    await plain.stop()
