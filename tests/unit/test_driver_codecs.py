"""Properties of the wire codecs: byte by byte is at once, glued is apart, damage never crashes, memory stays bounded."""

import itertools
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.honeywell_packets import HoneywellCodec, MenuOutcome, MenuReply
from drivers.barcode.input_events import InputEvent, InputEventCodec
from drivers.barcode.line_codec import SYMBOLOGIES, LineCodec, LineProfile, Reply, Scan
from drivers.barcode.ssi_packets import Packet, SsiCodec
from drivers.barrier.errors import ModbusFault, ModbusMismatch, ModbusRefused
from drivers.barrier.modbus import (
    Adu,
    Function,
    MbapCodec,
    Request,
    exception_pdu,
    parse_request,
    parse_response,
    request_pdu,
    response_pdu,
)
from drivers.barrier.modbus_rtu import RtuCodec
from drivers.barrier.turnstile_codec import Command, TurnstileCodec
from drivers.codec import BadFrame, first_mark
from drivers.document_reader.codec import (
    DocumentReaderCodec,
    ImageSent,
    MrzLines,
    Presence,
    Profile,
    ReadAgain,
    Status,
    StatusQuery,
    image_of,
    packet,
)
from drivers.document_reader.elyctis_codec import ElyctisCodec, Tlv
from drivers.rfid.llrp_messages import LlrpCodec, Message

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "devices"
CUTE = Profile(b"\xe0\x02", b"\r", b"\x03\xe1")
PLAIN = Profile(b"", b"\r\n", b"")
MRZ_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<*? "

lines = st.lists(st.text(MRZ_CHARACTERS, min_size=7, max_size=44), min_size=1, max_size=3).map(
    lambda drawn: MrzLines(tuple(drawn))
)
images = st.builds(
    lambda role, body: image_of(role, b"\xff\xd8\xff" + body),
    st.sampled_from(["portrait", "white", "infrared", "ultraviolet"]),
    st.binary(max_size=300),
)
reader_messages = st.one_of(
    lines,
    images,
    st.sampled_from([Presence(True), Presence(False), Status(True), Status(False), StatusQuery(), ReadAgain()]),
)
payloads = st.binary(min_size=1, max_size=200).map(lambda drawn: drawn.replace(b"\r", b"."))
scans = st.builds(
    lambda payload, letter, modifier: Scan(payload, SYMBOLOGIES[letter], f"]{letter}{modifier}"),
    payloads,
    st.sampled_from(sorted(SYMBOLOGIES)),
    st.sampled_from("0123456789abc"),
)
replies = st.binary(max_size=60).map(lambda drawn: Reply(drawn.replace(b"\x06", b".")))
adus = st.builds(Adu, st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253))
rtu_requests = st.one_of(
    st.builds(
        lambda unit, head: Adu(0, unit, head),
        st.integers(0, 247),
        st.tuples(st.integers(1, 6), st.binary(min_size=4, max_size=4)).map(lambda parts: bytes([parts[0]]) + parts[1]),
    ),
    st.builds(
        lambda unit, values: Adu(
            0, unit, request_pdu(Request(Function.WRITE_REGISTERS, 3, len(values), tuple(values)))
        ),
        st.integers(0, 247),
        st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123),
    ),
)
rtu_replies = st.builds(
    Adu,
    st.just(0),
    st.integers(1, 247),
    st.one_of(
        st.builds(
            lambda function, body: bytes([function, len(body)]) + body,
            st.integers(1, 4),
            st.binary(min_size=1, max_size=250),
        ),
        st.builds(
            lambda function, body: bytes([function]) + body,
            st.sampled_from([5, 6, 15, 16]),
            st.binary(min_size=4, max_size=4),
        ),
        st.builds(exception_pdu, st.sampled_from(list(Function)), st.integers(1, 11)),
    ),
)
ssi_packets = st.builds(
    Packet, st.integers(0, 255), st.binary(max_size=251), st.sampled_from([0, 2, 4]), st.integers(0, 255)
)
binary_scans = st.builds(
    lambda payload, letter: Scan(payload, SYMBOLOGIES[letter], f"]{letter}0"),
    st.binary(min_size=1, max_size=300),
    st.sampled_from(sorted(SYMBOLOGIES)),
)
menu_replies = st.builds(
    MenuReply, st.text(MRZ_CHARACTERS, max_size=40).map(str.encode), st.sampled_from(MenuOutcome), st.booleans()
)
input_events = st.one_of(
    st.builds(InputEvent, st.just(1), st.integers(0, 0x2FF), st.integers(0, 2)),
    st.builds(
        InputEvent, st.sampled_from([0, 4, 17, 20]), st.integers(0, 0x2FF), st.integers(-(1 << 31), (1 << 31) - 1)
    ),
)
tlvs = st.one_of(
    st.builds(Tlv, st.sampled_from([b"I", b"L"]), st.binary(max_size=140)),
    st.builds(Tlv, st.just(b"C"), st.binary(max_size=1)),
    st.builds(Tlv, st.just(b"V"), st.binary(max_size=255)),
)
llrp_messages = st.builds(Message, st.integers(0, 1023), st.integers(0, (1 << 32) - 1), st.binary(max_size=300))

CODECS: dict[str, tuple[Callable[[], Any], st.SearchStrategy[Any]]] = {
    "document_reader": (lambda: DocumentReaderCodec(Profile()), reader_messages),
    "document_reader_cute": (lambda: DocumentReaderCodec(CUTE), reader_messages),
    "barcode": (lambda: LineCodec(LineProfile()), st.one_of(scans, replies)),
    "barcode_prefixed": (lambda: LineCodec(LineProfile(b"\x02", b"\r\n")), st.one_of(scans, replies)),
    "modbus": (MbapCodec, adus),
    "modbus_rtu_requests": (lambda: RtuCodec("requests"), rtu_requests),
    "modbus_rtu_replies": (lambda: RtuCodec("replies"), rtu_replies),
    "turnstile": (TurnstileCodec, st.builds(Command, st.binary(min_size=1, max_size=255))),
    "elyctis": (ElyctisCodec, tlvs),
    "ssi": (SsiCodec, ssi_packets),
    "input_events": (InputEventCodec, input_events),
    "llrp": (LlrpCodec, llrp_messages),
    "honeywell": (HoneywellCodec, st.one_of(binary_scans, menu_replies)),
}
each_codec = pytest.mark.parametrize("name", sorted(CODECS))


def byte_by_byte(codec: Any, wire: bytes) -> list[Any]:
    return [message for index in range(len(wire)) for message in codec.feed(wire[index : index + 1])]


@each_codec
@given(st.data())
def test_glued_messages_come_out_one_by_one_however_they_arrive(name: str, data: st.DataObject) -> None:
    new, messages = CODECS[name]
    sent = data.draw(st.lists(messages, min_size=1, max_size=4))
    wire = b"".join(new().encode(message) for message in sent)
    assert new().feed(wire) == sent
    assert byte_by_byte(new(), wire) == sent
    for cut in range(0, len(wire), max(len(wire) // 40, 1)):
        codec = new()
        assert codec.feed(wire[:cut]) + codec.feed(wire[cut:]) == sent


FRAMES: dict[str, list[Any]] = {
    "document_reader": [MrzLines(("I<UTO" + "<" * 25,) * 3), Presence(True), image_of("portrait", b"\xff\xd8\xffjpeg")],
    "barcode": [Scan(b"HC1:\x1d\x00]Q1", "QR", "]Q1"), Reply(b": twin")],
    "barcode_prefixed": [Scan(b"M1SPECIMEN", "PDF417", "]L2"), Reply(b": twin")],
    "modbus_rtu_requests": [Adu(0, 17, request_pdu(Request(Function.READ_COILS, 0x13, 0x25)))],
    "modbus_rtu_replies": [Adu(0, 17, b"\x01\x05\xcd\x6b\xb2\x0e\x1b"), Adu(0, 10, b"\x81\x02")],
    "turnstile": [Command(b"H"), Command(b"\x02\x02\x00H"), Command(bytes(255))],
    "ssi": [Packet(0xF3, b"\x1cHC1:\x00\xff\x04"), Packet(0xD0), Packet(0x73, bytes(251), 2)],
    "honeywell": [Scan(b"\r\n\x16\xfe\x06.", "QR", "]Q3"), MenuReply(b"REVINF: x", MenuOutcome.DONE, True)],
    "input_events": [InputEvent(1, 30, 1), InputEvent(0, 0, 0), InputEvent(1, 30, 0)],
    "llrp": [Message(63, 1, bytes(22)), Message(62, 2), Message(1023, 3, b"\x04\x3d" * 40), Message(61, 0xFFFFFFFF)],
    "elyctis": [Tlv(b"C", b"\x01"), Tlv(b"I", b"P<UTO" * 17), Tlv(b"I"), Tlv(b"V", b"1.0")],
}


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_every_split_point_of_every_frame_gives_the_same(name: str) -> None:
    new, sent = CODECS[name][0], FRAMES[name]
    wire = b"".join(new().encode(message) for message in sent)
    for cut in range(len(wire) + 1):
        codec = new()
        assert codec.feed(wire[:cut]) + codec.feed(wire[cut:]) == sent


@pytest.mark.parametrize("name", ["document_reader", "document_reader_cute", "barcode_prefixed"])
@given(st.data())
def test_garbage_before_a_frame_is_counted_and_dropped(name: str, data: st.DataObject) -> None:
    new, messages = CODECS[name]
    message = data.draw(messages)
    marks = {0x01, 0x02, 0xE0, ord("R")}
    garbage = bytes(byte for byte in data.draw(st.binary(max_size=80)) if byte not in marks)
    codec = new()
    assert codec.feed(garbage + codec.encode(message)) == [message]
    assert codec.dropped_bytes == len(garbage)


@each_codec
@given(noise=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=6))
def test_noise_never_crashes_and_means_the_same_in_any_pieces(name: str, noise: bytes, cuts: list[int]) -> None:
    new, _ = CODECS[name]
    edges = [0, *sorted(cut for cut in cuts if cut < len(noise)), len(noise)]
    pieces = new()
    found = [message for start, end in itertools.pairwise(edges) for message in pieces.feed(noise[start:end])]
    at_once, singly = new(), new()
    assert found == at_once.feed(noise) == byte_by_byte(singly, noise)
    if hasattr(at_once, "silence"):  # what a silent line ends does not depend on the pieces either
        assert pieces.silence() == at_once.silence() == singly.silence()


@each_codec
@given(st.data())
def test_a_flipped_bit_never_crashes(name: str, data: st.DataObject) -> None:
    new, messages = CODECS[name]
    message = data.draw(messages)
    wire = bytearray(new().encode(message))
    bit = data.draw(st.integers(0, len(wire) * 8 - 1))
    wire[bit // 8] ^= 1 << bit % 8
    codec = new()
    found = codec.feed(bytes(wire))
    if isinstance(message, ImageSent):  # has a checksum: never another image
        assert not any(isinstance(one, ImageSent) for one in found)


@given(images, st.data())
def test_after_a_damaged_image_the_next_read_comes_through(image: ImageSent, data: st.DataObject) -> None:
    codec = DocumentReaderCodec(Profile())
    wire = bytearray(codec.encode(image))
    position = data.draw(st.integers(12, len(wire) - 1))  # body: the header has its own check
    wire[position] ^= 0x10
    after = MrzLines(("I<UTO" + "<" * 25,))
    found = codec.feed(bytes(wire) + codec.encode(after))
    assert isinstance(found[0], BadFrame)
    assert found[-1] == after


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"SHORT\r", "line of 5 characters"),
        (b"X" * 45 + b"\r", "line of 45 characters"),
        (b"A" * 30 + b"\r" + b"B" * 29 + b"\xc3\r", "no character"),
        (b"A" * 30 + b"\r\x00" + b"B" * 29 + b"\r", "no character"),
        (b"A" * 30 + b"\r" + b"B" * 30 + b"\r" + b"C" * 30 + b"\r" + b"D" * 30 + b"\r", "4 lines"),
        (b"A" * 400, "frame too long"),
        (b"", "line of 0 characters"),
    ],
)
def test_a_bad_mrz_frame_says_why(body: bytes, reason: str) -> None:
    codec = DocumentReaderCodec(Profile())
    good = MrzLines(("V<UTO" + "<" * 39, "X" * 44))
    bad, following = codec.feed(b"\x02" + body + b"\x03" + codec.encode(good))
    assert isinstance(bad, BadFrame)
    assert reason in bad.reason
    assert following == good


def test_misread_characters_and_missing_last_separator_are_kept_as_sent() -> None:
    (message,) = DocumentReaderCodec(Profile()).feed(b"\x02I<UT0*?<<<<<\rUT0 123\x03")
    assert message == MrzLines(("I<UT0*?<<<<<", "UT0 123"))
    assert message.raw == b"I<UT0*?<<<<<\rUT0 123"


def test_a_torn_frame_is_recorded_once_and_the_next_is_read() -> None:
    codec = DocumentReaderCodec(Profile())
    good = MrzLines(("P<UTO" + "<" * 39, "X" * 44))
    wire = codec.encode(good)
    torn, following = codec.feed(wire[:30] + wire)
    assert isinstance(torn, BadFrame)
    assert torn.length_bytes == 29
    assert following == good


def test_silence_ends_a_profile_without_end_and_tears_one_with() -> None:
    plain = DocumentReaderCodec(PLAIN)
    assert plain.feed(b"I<UTO" + b"<" * 25 + b"\r\n" + b"A" * 30) == []
    assert plain.silence() == [MrzLines(("I<UTO" + "<" * 25, "A" * 30))]
    framed = DocumentReaderCodec(Profile())
    framed.feed(b"\x02I<UTO")
    (torn,) = framed.silence()
    assert isinstance(torn, BadFrame)
    assert framed.silence() == []


def test_an_image_beyond_the_limit_is_skipped_without_keeping_it() -> None:
    codec = DocumentReaderCodec(Profile(), image_limit_bytes=100_000)
    wire = codec.encode(image_of("portrait", b"\xff\xd8\xff" + bytes(3_000_000)))
    found = []
    for offset in range(0, len(wire), 4096):
        found += codec.feed(wire[offset : offset + 4096])
        assert len(codec._buffer) < 8192
    (bad,) = found
    assert bad.is_too_long
    assert bad.fault().code == "DRV-FRM-002"
    assert codec.feed(codec.encode(Presence(False))) == [Presence(False)]


def test_an_image_of_unknown_type_and_an_unknown_packet_are_bad_frames() -> None:
    codec = DocumentReaderCodec(Profile())
    found = codec.feed(packet(b"I", b"p", b"GIF89a") + packet(b"Z", b"1", b"") + packet(b"P", b"1", b"body"))
    assert [bad.reason for bad in found] == ["image of no known type", *["packet of no known kind"] * 2]
    with pytest.raises(ValueError, match="no JPEG"):
        image_of("portrait", b"GIF89a")


def test_a_four_megabyte_symbol_is_one_bad_frame_in_bounded_memory() -> None:
    codec = LineCodec(LineProfile())
    found = []
    for _ in range(1024):
        found += codec.feed(b"Q" * 4096)
        assert len(codec._buffer) <= 16_384
    found += codec.feed(b"\r]Q1next\r")
    bad, following = found
    assert bad.length_bytes == 4 << 20
    assert bad.is_too_long
    assert following == Scan(b"next", "QR", "]Q1")
    (at_once,) = LineCodec(LineProfile()).feed(b"Q" * (4 << 20) + b"\r")
    assert at_once == bad


def test_the_limit_of_a_payload_is_exact() -> None:
    codec = LineCodec(LineProfile())
    assert codec.feed(b"]d2" + b"x" * 8192 + b"\r") == [Scan(b"x" * 8192, "Data Matrix", "]d2")]
    (bad,) = codec.feed(b"]d2" + b"x" * 8193 + b"\r")
    assert bad.is_too_long


def test_the_aim_identifier_is_cut_only_when_the_profile_says_so() -> None:
    assert LineCodec(LineProfile(has_aim_id=False)).feed(b"]Q1abc\r") == [Scan(b"]Q1abc")]
    assert LineCodec(LineProfile()).feed(b"]Q1]Q1abc\r") == [Scan(b"]Q1abc", "QR", "]Q1")]
    (bad,) = LineCodec(LineProfile()).feed(b"abc\r")
    assert bad.reason == "symbol without AIM identifier"
    (empty,) = LineCodec(LineProfile()).feed(b"]Q1\r")
    assert empty.reason == "empty symbol"


def test_a_silent_line_ends_a_symbol_without_suffix() -> None:
    codec = LineCodec(LineProfile(suffix=b""))
    assert codec.feed(b"]L2binary\r\n\x00") == []
    assert codec.silence() == [Scan(b"binary\r\n\x00", "PDF417", "]L2")]
    with_suffix = LineCodec(LineProfile())
    with_suffix.feed(b"]Q1half")
    (torn,) = with_suffix.silence()
    assert torn.reason == "frame torn by silence"


@given(st.binary(max_size=30))
def test_the_first_mark_is_the_one_that_a_byte_by_byte_reader_meets(wire: bytes) -> None:
    marks = {"long": b"\x00\x01\x00", "short": b"\x01", "none": b""}
    met = next(
        (
            (end, name)
            for end in range(len(wire) + 1)
            for name, mark in sorted(marks.items())
            if mark and wire[:end].endswith(mark)
        ),
        None,
    )
    found = first_mark(bytearray(wire), marks)
    assert (None if found is None else (found.after, found.name)) == met


# ---- Modbus


requests = st.one_of(
    st.builds(Request, st.sampled_from([Function(1), Function(2)]), st.integers(0, 65_535), st.integers(1, 2000)),
    st.builds(Request, st.sampled_from([Function(3), Function(4)]), st.integers(0, 65_535), st.integers(1, 125)),
    st.builds(
        lambda at, value: Request(Function.WRITE_COIL, at, values=(value,)), st.integers(0, 65_535), st.integers(0, 1)
    ),
    st.builds(
        lambda at, value: Request(Function.WRITE_REGISTER, at, values=(value,)),
        st.integers(0, 65_535),
        st.integers(0, 65_535),
    ),
    st.lists(st.integers(0, 1), min_size=1, max_size=1968).map(
        lambda values: Request(Function.WRITE_COILS, 7, len(values), tuple(values))
    ),
    st.lists(st.integers(0, 65_535), min_size=1, max_size=123).map(
        lambda values: Request(Function.WRITE_REGISTERS, 7, len(values), tuple(values))
    ),
)


@given(requests, st.randoms(use_true_random=False))
def test_requests_and_responses_go_round(request: Request, chance: Any) -> None:
    assert parse_request(request_pdu(request)) == request
    top = 1 if request.function in {1, 2} else 0xFFFF
    is_read = request.function <= 4
    values = tuple(chance.randint(0, top) for _ in range(request.count)) if is_read else ()
    assert parse_response(request, response_pdu(request, values)) == values
    with pytest.raises(ModbusRefused) as refused:
        parse_response(request, exception_pdu(request.function, 2))
    assert refused.value.exception == 2


@given(requests, st.binary(max_size=260))
def test_a_foreign_response_is_values_or_a_typed_fault(request: Request, pdu: bytes) -> None:
    try:
        values = parse_response(request, pdu)
    except ModbusFault:
        return
    assert len(values) == (request.count if request.function <= 4 else 0)


@given(st.binary(max_size=260))
def test_a_foreign_request_is_understood_or_refused(pdu: bytes) -> None:
    try:
        request = parse_request(pdu)
    except ModbusRefused:
        return
    # Spare bits of a last coil byte carry nothing; everything else is kept.
    assert parse_request(request_pdu(request)) == request


def test_the_confirmation_of_a_write_must_name_what_was_written() -> None:
    request = Request(Function.WRITE_COIL, 1, values=(1,))
    with pytest.raises(ModbusMismatch):
        parse_response(request, response_pdu(Request(Function.WRITE_COIL, 2, values=(1,))))
    with pytest.raises(ModbusMismatch):
        parse_response(request, response_pdu(Request(Function.WRITE_COIL, 1, values=(0,))))


@pytest.mark.shared_data
def test_textbook_frames_parse_to_what_they_mean() -> None:
    path = SHARED / "modbus_vectors.json"
    if not path.is_file():
        pytest.skip("modbus_vectors.json is not beside the project")
    frames = {
        vector["meaning"]: bytes.fromhex(vector["hex"])[1:-2]  # RTU: without unit and checksum it is the PDU
        for vector in json.loads(path.read_text())["vectors"]
    }
    read_registers = Request(Function.READ_HOLDING_REGISTERS, 0x6B, 3)
    assert parse_request(frames["FC3 request slave 0x11 addr 0x6B qty 3"]) == read_registers
    assert parse_response(read_registers, frames["FC3 response"]) == (0xAE41, 0x5652, 0x4340)
    read_coils = Request(Function.READ_COILS, 0x13, 0x25)
    assert parse_request(frames["FC1 request addr 0x13 qty 0x25"]) == read_coils
    coils = parse_response(read_coils, frames["FC1 response"])
    assert coils[:8] == (1, 0, 1, 1, 0, 0, 1, 1)
    assert len(coils) == 0x25
    write_coil = Request(Function.WRITE_COIL, 0xAC, values=(1,))
    assert parse_request(frames["FC5 write coil 0xAC on"]) == write_coil
    assert parse_request(frames["FC6 write reg 1=3"]) == Request(Function.WRITE_REGISTER, 1, values=(3,))
    with pytest.raises(ModbusRefused, match="illegal address"):
        parse_response(read_coils, frames["exception: slave 0x0A fc1 illegal address"])


@pytest.mark.shared_data
def test_textbook_frames_on_a_serial_line_are_whole_and_any_flipped_bit_is_none() -> None:
    path = SHARED / "modbus_vectors.json"
    if not path.is_file():
        pytest.skip("modbus_vectors.json is not beside the project")
    for vector in json.loads(path.read_text())["vectors"]:
        frame = bytes.fromhex(vector["hex"])
        side: Any = "replies" if "response" in vector["meaning"] or "exception" in vector["meaning"] else "requests"
        adu = Adu(0, frame[0], frame[1:-2])
        assert RtuCodec(side).feed(frame) == [adu], vector["meaning"]
        assert RtuCodec(side).encode(adu) == frame
        for bit in range(len(frame) * 8):
            damaged = bytearray(frame)
            damaged[bit // 8] ^= 1 << bit % 8
            codec = RtuCodec(side)
            assert not any(isinstance(one, Adu) for one in [*codec.feed(bytes(damaged)), *codec.silence()])


def test_a_torn_frame_on_a_serial_line_costs_only_itself() -> None:
    codec = RtuCodec("replies")
    whole = Adu(0, 1, b"\x03\x04\x00\x01\x00\x02")
    torn = codec.encode(whole)[:5]
    assert codec.feed(torn + codec.encode(whole)) == [BadFrame("no Modbus RTU frame", 5, torn), whole]
    assert codec.feed(torn) == []
    assert codec.silence() == [BadFrame("no Modbus RTU frame", 5, torn)]


def test_a_header_that_can_be_none_is_skipped() -> None:
    codec = MbapCodec()
    good = Adu(7, 1, b"\x01\x01\x00")
    assert codec.feed(b"\xff" * 11 + struct.pack(">HHHB", 1, 9, 3, 1) + codec.encode(good))[-1:] == [good]
    assert codec.dropped_bytes


# ---- turnstiles


@pytest.mark.shared_data
def test_the_published_turnstile_frame_is_read_written_and_damaged() -> None:
    path = SHARED / "turnstile_vectors.json"
    if not path.is_file():
        pytest.skip("turnstile_vectors.json is not beside the project")
    for vector in json.loads(path.read_text())["vectors"]:
        frame = bytes.fromhex(vector["hex"])
        (command,) = TurnstileCodec().feed(frame)
        assert TurnstileCodec().encode(command) == frame
        for bit in range(len(frame) * 8):
            damaged = bytearray(frame)
            damaged[bit // 8] ^= 1 << bit % 8
            codec = TurnstileCodec()
            assert not any(isinstance(one, Command) for one in [*codec.feed(bytes(damaged)), *codec.silence()])


@pytest.mark.parametrize("content", [b"", bytes(256)], ids=["empty", "long"])
def test_a_command_that_no_frame_holds_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        TurnstileCodec().encode(Command(content))
