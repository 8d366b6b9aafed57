"""Messages of Elyctis readers without a line: the vendor's examples, damage, noise, and the lines of a zone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import BadFrame
from drivers.document_reader.codec import MrzLines
from drivers.document_reader.elyctis_codec import CONTINUOUS, ONE_LINE_ZONE, VERSION, ZONE, ElyctisCodec, Tlv, lines_of

TD3 = ("P<UTOSPECIMEN<<ELYCTIS".ljust(44, "<"), "UT00000023UTO8001014F3001012<<<<<<<<<<<<<<06")
TD1 = ("I<UTOUT0000002<<<<<<<<<<<<<<<<", "8001014F3001012UTO<<<<<<<<<<<0", "SPECIMEN<<SLOT<<<<<<<<<<<<<<<<")


def test_messages_are_laid_out_as_the_command_set_says() -> None:
    codec = ElyctisCodec()
    assert codec.encode(Tlv(ZONE)) == bytes.fromhex("490000")
    assert codec.encode(Tlv(ONE_LINE_ZONE)) == bytes.fromhex("4c0000")
    assert codec.encode(Tlv(CONTINUOUS, b"\x01")) == bytes.fromhex("43000101")
    assert codec.encode(Tlv(VERSION)) == bytes.fromhex("560000")
    assert codec.feed(bytes.fromhex("4300010049000343 4446".replace(" ", ""))) == [
        Tlv(CONTINUOUS, b"\x00"),
        Tlv(ZONE, b"CDF"),
    ]


@given(st.data())
def test_a_damaged_head_is_stepped_over_and_the_next_message_comes_through(data: st.DataObject) -> None:
    codec = ElyctisCodec()
    wire = bytearray(codec.encode(Tlv(ZONE, "\r".join(TD3).encode())))
    wire[1] ^= 1 << data.draw(st.integers(0, 7))
    after = Tlv(VERSION, b"x")
    bad, found = codec.feed(bytes(wire) + codec.encode(after)) + codec.silence()
    assert isinstance(bad, BadFrame)
    assert bad.length_bytes == len(wire)
    assert found == after


def test_a_torn_message_gives_way_and_memory_stays_bounded() -> None:
    codec = ElyctisCodec()
    whole = codec.encode(Tlv(ZONE, b"whole"))
    assert codec.feed(codec.encode(Tlv(VERSION, bytes(200)))[:50] + whole) == []  # it may still be the torn one's value
    bad, found = codec.silence()
    assert isinstance(bad, BadFrame)
    assert found == Tlv(ZONE, b"whole")
    chance = random.Random(6)
    for _ in range(100):
        codec.feed(chance.randbytes(4096))
        assert len(codec._buffer) <= 258


@pytest.mark.parametrize("lines", [TD3, TD1, (TD3[0][:36], TD3[1][:36]), ("DLUTO0000002<<SPECIMEN<<<<<<<<",)])
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "none", "blank line"])
def test_lines_are_cut_however_they_end(lines: tuple[str, ...], end: str) -> None:
    zone = {"none": "".join(lines), "blank line": "\r".join(lines) + "\r\r"}.get(end, end.join(lines) + end)
    found = lines_of(zone.encode())
    assert isinstance(found, MrzLines)
    assert found.lines == lines
    assert found.raw == zone.encode()


@pytest.mark.parametrize("zone", [b"SHORT\r", b"A" * 45, b"\r".join([b"A" * 30] * 4), b"A" * 29 + b"\xc3", b"\r\r"])
def test_what_can_be_no_zone_is_a_bad_frame(zone: bytes) -> None:
    assert isinstance(lines_of(zone), BadFrame)
