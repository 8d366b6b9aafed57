"""Packet mode of Honeywell imagers without a line: the layout, damage, noise, limits."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.honeywell_packets import HoneywellCodec, MenuOutcome, MenuReply
from drivers.barcode.line_codec import Scan
from drivers.codec import BadFrame

AFTER = Scan(b"after", "QR", "]Q1")


def test_a_packet_is_laid_out_as_the_guide_says() -> None:
    wire = b"\x16\xfe" + (6 + 14).to_bytes(4, "little") + b"\rMSGGET0006jC1\x1d\x1d\xff0\r\n\r"
    assert HoneywellCodec().feed(wire) == [Scan(b"\x1d\xff0\r\n", "Code 128", "]C1")]
    assert HoneywellCodec().feed(HoneywellCodec().encode(AFTER)) == [AFTER]


@pytest.mark.parametrize("outcome", MenuOutcome, ids=lambda outcome: outcome.name)
def test_a_reply_ends_with_what_became_of_the_command(outcome: MenuOutcome) -> None:
    found = HoneywellCodec().feed(b"CBRENA9" + bytes([outcome]) + b"!" + b"REVINF: x" + bytes([outcome]) + b".")
    assert found == [MenuReply(b"CBRENA9", outcome), MenuReply(b"REVINF: x", outcome, is_stored=True)]


@given(st.binary(min_size=1, max_size=120), st.data())
def test_a_flipped_bit_in_the_head_is_refused_and_the_next_symbol_comes_through(
    payload: bytes, data: st.DataObject
) -> None:
    codec = HoneywellCodec()
    wire = bytearray(codec.encode(Scan(payload, "QR", "]Q1")))
    # Honeywell id, AIM letter and modifier (17 to 19) are content: no check covers them.
    place = data.draw(st.sampled_from([*range(17), 20, len(wire) - 1]))
    wire[place] ^= 1 << data.draw(st.integers(0, 7))
    found = codec.feed(bytes(wire) + codec.encode(AFTER)) + codec.silence()
    assert [one for one in found if isinstance(one, Scan)] == [AFTER]
    assert isinstance(found[0], BadFrame)


def test_noise_and_torn_packets_are_recorded_in_bounded_memory() -> None:
    codec = HoneywellCodec()
    wire = codec.encode(AFTER)
    bad, found = codec.feed(b"noise \x16 \xfe " + wire)
    assert isinstance(bad, BadFrame)
    assert bad.length_bytes == 10
    assert found == AFTER
    torn = codec.encode(Scan(bytes(400), aim_id="]Q1"))[:100]
    assert codec.feed(torn + wire) == []  # it may still be the torn one's content
    bad, found = codec.silence()
    assert isinstance(bad, BadFrame)
    assert (bad.length_bytes, found) == (100, AFTER)
    chance = random.Random(4)
    for _ in range(100):
        codec.feed(chance.randbytes(4096))
        assert len(codec._buffer) <= 10_100


def test_limits_are_exact_and_symbols_without_content_or_identifier_are_none() -> None:
    codec = HoneywellCodec(limit_bytes=100)
    assert codec.feed(codec.encode(Scan(b"x" * 100, aim_id="]Q1"))) == [Scan(b"x" * 100, "QR", "]Q1")]
    (bad,) = codec.feed(codec.encode(Scan(b"x" * 101, aim_id="]Q1")))
    assert isinstance(bad, BadFrame)
    assert bad.is_too_long
    (empty,) = codec.feed(codec.encode(Scan(b"", aim_id="]Q1")))
    assert isinstance(empty, BadFrame)
    wire = bytearray(codec.encode(Scan(b"x", aim_id="]Q1")))
    wire[18] = 0xFF
    (unnamed,) = codec.feed(bytes(wire))
    assert isinstance(unnamed, BadFrame)
    assert unnamed.reason == "symbol without AIM identifier"
    with pytest.raises(ValueError, match="9998"):
        codec.encode(Scan(bytes(9999)))
