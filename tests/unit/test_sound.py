"""WAV files as people and programs leave them: read whole or refused, softer by a ratio, never more than there is."""

import contextlib
import struct
import wave
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.speech.errors import RecordingRefused
from drivers.speech.sound import SOUND_LIMIT_BYTES, Sound, parse_wav

SAMPLES = struct.pack("<6h", 0, 12_000, -12_000, 32_767, -32_768, 5)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (22_050, 1), (48_000, 2)])
def test_what_the_standard_library_writes_is_read_and_back(rate_hz, channels):
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        writer.writeframes(SAMPLES)
    sound = parse_wav(file.getvalue())
    assert sound == Sound(rate_hz, channels, SAMPLES)
    assert sound.seconds == pytest.approx(6 / channels / rate_hz)
    with wave.open(BytesIO(sound.wav())) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.readframes(9)) == (rate_hz, channels, SAMPLES)


def test_a_pipe_whose_size_is_a_guess_ends_where_it_ends():
    content = bytearray(Sound(22_050, 1, SAMPLES).wav())
    struct.pack_into("<I", content, 4, 0x7FFFF024)
    struct.pack_into("<I", content, 40, 0x7FFFF000)
    assert parse_wav(bytes(content) + b"\1").samples == SAMPLES


def test_other_chunks_are_stepped_over():
    plain = Sound(22_050, 1, SAMPLES).wav()
    noted = plain[:12] + b"LIST\x03\x00\x00\x00abc\x00" + plain[12:]
    assert parse_wav(noted).samples == SAMPLES


def test_softer_is_a_ratio_and_never_louder():
    sound = Sound(22_050, 1, SAMPLES)
    assert sound.at(1.0) == sound
    assert sound.at(3.0) == sound
    assert struct.unpack("<6h", sound.at(0.5).samples) == (0, 6_000, -6_000, 16_383, -16_384, 2)
    assert sound.at(0.0).level() == 0.0
    assert sound.first(2 / 22_050).samples == SAMPLES[:4]


@pytest.mark.parametrize("at", range(44))
def test_every_damaged_header_is_refused_or_still_sound(at):
    content = bytearray(Sound(22_050, 1, SAMPLES).wav())
    for bit in range(8):
        content[at] ^= 1 << bit
        try:
            sound = parse_wav(bytes(content))
        except RecordingRefused:
            pass
        else:
            assert len(sound.samples) <= len(SAMPLES)
            assert sound.seconds > 0
        content[at] ^= 1 << bit


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"\xff" * 100, bytes(SOUND_LIMIT_BYTES + 1)])
def test_what_is_no_sound_is_refused(content):
    with pytest.raises(RecordingRefused):
        parse_wav(content)


@given(st.binary(max_size=200))
def test_anything_is_sound_or_refused(tail):
    for content in (tail, b"RIFF\0\0\0\0WAVE" + tail, Sound(8_000, 2, SAMPLES).wav()[:36] + tail):
        with contextlib.suppress(RecordingRefused):
            assert parse_wav(content).seconds > 0
