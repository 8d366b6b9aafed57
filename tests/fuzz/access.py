"""What devices for travellers who need them are given: recordings from a folder, sound from a synthesiser's pipe."""

from __future__ import annotations

import struct

from drivers.speech.errors import RecordingRefused
from drivers.speech.sound import Sound, parse_wav
from tests.fuzz.target import Target


def recording() -> Target:
    """A WAV file or what a program wrote into a pipe: refused, or sound that is no longer than its bytes and comes back the same."""
    samples = struct.pack("<8h", *range(-4000, 4000, 1000))
    plain = Sound(22_050, 1, samples).wav()
    piped = bytearray(plain)
    struct.pack_into("<I", piped, 40, 0x7FFFF000)
    noted = plain[:12] + b"LIST\x03\x00\x00\x00abc\x00" + plain[12:]

    def check(content: bytes) -> bool:
        try:
            sound = parse_wav(content)
        except RecordingRefused:
            return False
        assert 0 < len(sound.samples) <= len(content)
        assert sound.seconds > 0
        assert 0 <= sound.at(0.5).level() <= sound.level() <= 1
        assert parse_wav(sound.wav()) == sound
        return True

    return Target((plain, bytes(piped), noted, Sound(8_000, 2, samples).wav()), check, limit_bytes=512)
