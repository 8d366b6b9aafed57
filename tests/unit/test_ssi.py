"""Zebra's Simple Serial Interface without a line: packets, symbols over several packets, parameters, attributes, published examples."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.ssi_attributes import attribute_reply, attribute_request, parse_attributes
from drivers.barcode.ssi_packets import FIRST_SEGMENT, HOST, RETRANSMITTED, Opcode, Packet, SsiCodec
from drivers.barcode.ssi_parameters import parameter_number, parameter_request, parameters_content, parse_parameters
from drivers.barcode.ssi_segments import Decoded, SegmentAssembly, segments_of
from drivers.codec import BadFrame

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "devices"
LIMIT_BYTES = 8192


def vectors() -> list[dict[str, Any]]:
    path = SHARED / "ssi_vectors.json"
    if not path.is_file():
        pytest.skip("ssi_vectors.json is not beside the project")
    return list(json.loads(path.read_text())["vectors"])


@pytest.mark.shared_data
def test_published_packets_mean_what_is_said_of_them() -> None:
    opcodes = {"CMD_ACK": "ACKNOWLEDGED", "PARAM_SEND": "PARAMETERS", "SSI_MGMT": "MANAGEMENT"}
    for vector in vectors():
        wire, meaning = bytes.fromhex(vector["hex"]), vector["meaning"]
        (packet,) = SsiCodec().feed(wire)
        assert isinstance(packet, Packet)
        name = meaning["opcode"]
        assert packet.opcode == Opcode[opcodes.get(name, name)], vector["name"]
        assert packet.source == (HOST if meaning.get("source") == "host" else 0)
        assert packet.status == meaning.get("status", packet.status)
        assert SsiCodec().encode(packet) == wire
        if "event" in meaning:
            assert packet.content == bytes([meaning["event"]])
        if "params" in meaning:
            told = {str(number): value for number, value in parse_parameters(packet.content).items()}
            assert told == meaning["params"]
        if "attr" in meaning:
            assert list(parse_attributes(packet.content)) == [meaning["attr"]]


@pytest.mark.shared_data
def test_any_flipped_bit_of_a_published_packet_is_refused_and_the_next_packet_comes_through() -> None:
    after = Packet(Opcode.DECODED, b"\x1cnext")
    for vector in vectors():
        wire = bytes.fromhex(vector["hex"])
        for bit in range(len(wire) * 8):
            damaged = bytearray(wire)
            damaged[bit // 8] ^= 1 << bit % 8
            codec = SsiCodec()
            found = codec.feed(bytes(damaged) + codec.encode(after)) + codec.silence()
            packets = [one for one in found if isinstance(one, Packet)]
            assert packets == [after], (vector["name"], bit)


@pytest.mark.parametrize("length", [2, 60, 251])
def test_any_flipped_bit_of_a_symbol_is_refused_and_nothing_else_is_read(length: int) -> None:
    after = Packet(Opcode.DECODED, b"\x1cnext")
    wire = SsiCodec().encode(Packet(Opcode.DECODED, random.Random(length).randbytes(length)))
    for bit in range(len(wire) * 8):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        codec = SsiCodec()
        found = codec.feed(bytes(damaged) + codec.encode(after)) + codec.silence()
        assert [one for one in found if isinstance(one, Packet)] == [after], bit


symbols = st.builds(Decoded, st.sampled_from([0x03, 0x11, 0x1C]), st.binary(min_size=1, max_size=900))


@given(symbols)
def test_a_symbol_comes_back_whole_from_its_packets(symbol: Decoded) -> None:
    assembly, found = SegmentAssembly(LIMIT_BYTES), []
    packets = list(segments_of(symbol))
    for packet in packets:
        if packet.opcode == Opcode.DECODED:
            found.append(Decoded(packet.content[0], packet.content[1:]))
        else:
            assert packet.source == (FIRST_SEGMENT if packet is packets[0] else 0)
            found += assembly.add(packet)
            assert assembly.is_open is (packet is not packets[-1])
    assert found == [symbol]


@given(st.builds(Decoded, st.just(0x1C), st.binary(min_size=251, max_size=600)), st.integers(0, 1 << 16))
def test_any_flipped_bit_of_a_long_symbol_loses_it_and_alters_nothing(symbol: Decoded, place: int) -> None:
    codec, assembly = SsiCodec(), SegmentAssembly(LIMIT_BYTES)
    wire = bytearray(b"".join(codec.encode(packet) for packet in segments_of(symbol)))
    bit = place % (len(wire) * 8)
    wire[bit // 8] ^= 1 << bit % 8
    found: list[Decoded | BadFrame] = []
    for message in codec.feed(bytes(wire)) + codec.silence():
        if isinstance(message, BadFrame):
            assembly.doubt()
        elif message.opcode == Opcode.SEGMENT:
            found += assembly.add(message)
    assert not any(isinstance(one, Decoded) for one in found)


def test_a_long_symbol_is_cut_as_a_published_exchange_shows() -> None:
    """Heads and checksums of three packets with 500 letters Z (test of the open driver enioka_scan, Apache-2.0)."""
    heads = ["ff7302 0000 f3 000001f7 1c 01 01f4", "ff7300 0001", "0e7300 0002"]
    checks = ["a6d5", "a6a9", "fc53"]
    wires = [SsiCodec().encode(packet) for packet in segments_of(Decoded(0x1C, b"Z" * 500))]
    for wire, head, check in zip(wires, map(bytes.fromhex, heads), checks, strict=True):
        assert wire[: len(head)] == head
        assert set(wire[len(head) : -2]) == {ord("Z")}
        assert wire[-2:].hex() == check


def test_a_symbol_of_which_the_last_packet_is_exactly_full_ends() -> None:
    symbol = Decoded(0x1C, b"Z" * (241 + 250))
    first, last = segments_of(symbol)
    assert (len(first.content), len(last.content)) == (251, 251)
    assembly = SegmentAssembly(LIMIT_BYTES)
    assert assembly.add(first) == []
    assert assembly.add(last) == [symbol]


def test_what_two_symbols_sent_is_never_one_symbol() -> None:
    one, other = Decoded(0x1C, b"A" * 700), Decoded(0x1C, b"B" * 700)
    first, *_ = segments_of(one)
    _, second, third = segments_of(other)
    assembly = SegmentAssembly(LIMIT_BYTES)
    assert assembly.add(first) == []
    assembly.doubt()  # the first packet of the other one came damaged
    torn, stray = assembly.add(second)
    assert isinstance(torn, BadFrame)
    assert isinstance(stray, BadFrame)
    (again,) = assembly.add(third)
    assert isinstance(again, BadFrame)


def test_a_damaged_segment_that_is_sent_again_goes_on_with_its_symbol() -> None:
    symbol = Decoded(0x1C, bytes(range(256)) * 3)
    first, second, *rest = segments_of(symbol)
    repeated = Packet(second.opcode, second.content, second.source, RETRANSMITTED)
    assembly = SegmentAssembly(LIMIT_BYTES)
    assembly.add(first)
    assembly.doubt()
    assert assembly.add(repeated) == []
    assert assembly.add(repeated) == []  # our acknowledgement was lost: the same once more
    assert [found for packet in rest for found in assembly.add(packet)] == [symbol]
    last = Packet(rest[-1].opcode, rest[-1].content, rest[-1].source, RETRANSMITTED)
    assert assembly.add(last) == []


def test_a_symbol_beyond_the_limit_is_refused_without_keeping_it() -> None:
    assembly = SegmentAssembly(1000)
    packets = list(segments_of(Decoded(0x1C, bytes(65_535))))
    assert len(packets) > 256  # indices start again
    found = [found for packet in packets for found in assembly.add(packet)]
    (bad,) = found
    assert isinstance(bad, BadFrame)
    assert bad.is_too_long
    with pytest.raises(ValueError, match="65535"):
        list(segments_of(Decoded(0x1C, bytes(65_536))))


def test_noise_in_front_between_and_behind_is_recorded_in_bounded_memory() -> None:
    codec = SsiCodec()
    packet = Packet(Opcode.DECODED, b"\x1cHC1:\x1d\xff\x00")
    noise = bytes(3) + b"\xff\xff\xff\x03\x03\x03"  # no header among them
    bad, first, between, second = codec.feed(noise + codec.encode(packet) + b"\x01" + codec.encode(packet))
    assert (first, second) == (packet, packet)
    assert isinstance(bad, BadFrame)
    assert bad.length_bytes == len(noise)
    assert isinstance(between, BadFrame)
    chance = random.Random(8)
    for _ in range(200):
        codec.feed(chance.randbytes(4096))
        assert len(codec._buffer) <= 257
        assert len(codec._skipped._excerpt) <= 64


def test_a_torn_packet_gives_way_to_the_whole_ones_behind_it() -> None:
    codec = SsiCodec()
    whole = Packet(Opcode.DECODED, b"\x1cwhole")
    torn = codec.encode(Packet(Opcode.DECODED, b"\x1c" + bytes(200)))[:20]
    assert codec.feed(torn + codec.encode(whole)) == []  # it may still be the torn one's content
    bad, found = codec.silence()
    assert isinstance(bad, BadFrame)
    assert found == whole
    assert codec.feed(codec.encode(whole)) == [whole]


@given(st.dictionaries(st.one_of(st.integers(0, 239), st.integers(256, 1023)), st.integers(0, 0xFFFF), max_size=20))
def test_parameters_go_round(parameters: dict[int, int]) -> None:
    assert parse_parameters(parameters_content(parameters)) == parameters


@given(st.binary(max_size=60))
def test_foreign_parameters_and_attributes_are_values_or_a_value_error(content: bytes) -> None:
    for parse in (parse_parameters, parse_attributes):
        try:
            assert isinstance(parse(content), dict)
        except ValueError:
            continue


def test_parameters_that_open_drivers_read() -> None:
    assert parse_parameters(bytes.fromhex("ff01009c07")) == {1: 0, 156: 7}
    assert parse_parameters(bytes.fromhex("fff81234fff30503414243f6f00102aabb")) == {
        0x1234: 255,
        5: b"ABC",
        257: b"\xaa\xbb",
    }
    assert parameter_request([]) == b"\xfe"
    assert parameter_request([3, 300, 1023]) == bytes.fromhex("03f02cf2ff")
    for number in (240, 255, 1024, -1):
        with pytest.raises(ValueError, match=str(number)):
            parameter_number(number)
    with pytest.raises(ValueError, match="65536"):
        parameters_content({1: 65_536})


def test_attributes_go_round_and_are_asked_for() -> None:
    attributes = {533: ("S", "TWIN"), 10_061: ("AW", (1, 500)), 7: ("L", -2), 8: ("B", 200)}
    assert parse_attributes(attribute_reply(attributes)) == {number: value for number, (_, value) in attributes.items()}
    assert attribute_request([533, 534]) == bytes.fromhex("000a 0200 0215 0216 ffff")
    with pytest.raises(ValueError, match="65535"):
        attribute_request([65_535])
    with pytest.raises(ValueError, match="'Z'"):
        parse_attributes(bytes.fromhex("000b0200 0001 5a01 00 ffff"))


def test_a_packet_holds_no_more_than_its_length_can_say() -> None:
    with pytest.raises(ValueError, match="251"):
        SsiCodec().encode(Packet(Opcode.DECODED, bytes(252)))
