"""Untrusted images: the header gate, and the disposable decoder that bombs and broken files cannot get past."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import image_decoding
from models.errors import ImageRefused
from models.image_decoding import DecodeLimits, decode_image
from models.image_header import read_header

PICTURE = np.random.default_rng(5).integers(0, 256, (48, 64, 3), dtype=np.uint8)
FORMATS = {"jpeg": ".jpg", "png": ".png", "jpeg2000": ".jp2"}


def encoded(name, picture=PICTURE):
    done, content = cv2.imencode(FORMATS[name], picture)
    assert done
    return content.tobytes()


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def claiming(content, width, height):
    """The same JPEG 2000 file with another size in its header box and codestream."""
    changed = bytearray(content)
    start = changed.find(b"\xff\x4f\xff\x51")
    struct.pack_into(">II", changed, start + 8, width, height)
    struct.pack_into(">II", changed, start + 24, width, height)
    box = changed.find(b"ihdr")
    struct.pack_into(">II", changed, box + 4, height, width)
    return bytes(changed)


BOMB = claiming(encoded("jpeg2000", np.zeros((64, 64, 3), np.uint8)), 9000, 9000)


@pytest.mark.parametrize("name", FORMATS)
def test_header_and_pixels_of_each_format(name):
    content = encoded(name)
    header = read_header(content)
    assert (header.format, header.width_px, header.height_px) == (name, 64, 48)
    image = decode_image(content)
    assert image.shape == (48, 64, 3)
    if name == "png":
        assert (image == PICTURE).all()


def test_bomb_is_refused_by_its_header():
    assert len(BOMB) < 1000
    with pytest.raises(ImageRefused, match="9000 x 9000") as refusal:
        decode_image(BOMB)
    assert refusal.value.code == "MD-IMG-003"


def test_bomb_that_gets_past_the_header_dies_in_the_child_only():
    with pytest.raises(ImageRefused) as refusal:
        decode_image(BOMB, DecodeLimits(maximum_pixels=100_000_000))
    assert refusal.value.code in {"MD-IMG-004", "MD-IMG-005"}


def test_honest_image_beyond_the_memory_limit_is_refused():
    content = encoded("png", np.zeros((6000, 6000, 3), np.uint8))
    with pytest.raises(ImageRefused) as refusal:
        decode_image(content, DecodeLimits(maximum_pixels=100_000_000, memory_bytes=32_000_000))
    assert refusal.value.code == "MD-IMG-005"


def test_decoder_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(image_decoding.cv2, "imdecode", lambda *_: signal.pause())
    with pytest.raises(ImageRefused, match="SIGALRM") as refusal:
        decode_image(encoded("png"), DecodeLimits(time_s=0.2))
    assert refusal.value.code == "MD-IMG-005"


def test_decoder_that_crashes_takes_nobody_with_it(monkeypatch):
    monkeypatch.setattr(image_decoding.cv2, "imdecode", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    with pytest.raises(ImageRefused, match="SIGSEGV"):
        decode_image(encoded("png"))
    monkeypatch.setattr(image_decoding.cv2, "imdecode", lambda *_: 1 // 0)
    with pytest.raises(ImageRefused, match="broken"):
        decode_image(encoded("png"))


def test_caller_keeps_its_limits_and_has_no_child_left():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS), open_descriptors()
    decode_image(encoded("jpeg"))
    assert (resource.getrlimit(resource.RLIMIT_AS), open_descriptors()) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_decoder_holds_no_descriptor_of_the_caller(monkeypatch):
    """Neither the channel that answers are given on, nor anybody's picture: what is open leads nowhere."""
    held, other = socket.socketpair()

    def looked(*_):
        targets = {number: str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(256) if is_open(number)}
        return np.full(
            (48, 64, 3), sum(target == os.devnull for target in targets.values()) + 16 * len(targets), np.uint8
        )

    monkeypatch.setattr(image_decoding.cv2, "imdecode", looked)
    with held, other:
        found = int(decode_image(encoded("png"))[0, 0, 0])
    assert (found % 16, found // 16) == (3, 3)


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


_DECODES = """
import os, sys, time
from pathlib import Path
from models import image_decoding
def stuck(*_):
    Path(sys.argv[2]).write_text(str(os.getpid()))
    time.sleep(20)
image_decoding.cv2.imdecode = stuck
image_decoding.decode_image(Path(sys.argv[1]).read_bytes(), image_decoding.DecodeLimits(time_s=20))
"""


def state_of(process_id):
    """One letter of /proc, Z for one that has ended and is not reaped, empty for none."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_decoder_dies_with_its_caller(tmp_path):
    picture, said = tmp_path / "picture", tmp_path / "said"
    picture.write_bytes(encoded("png"))
    caller = subprocess.Popen([sys.executable, "-c", _DECODES, str(picture), str(said)])
    try:
        for _ in range(1000):
            if said.exists() and said.read_text():
                break
            time.sleep(0.01)
        child = int(said.read_text())
        assert state_of(child) == "S"
    finally:
        caller.kill()
        caller.wait()
    for _ in range(200):
        if state_of(child) in {"", "Z"}:
            return
        time.sleep(0.01)
    pytest.fail("the decoder outlived its caller")


def test_decoder_that_the_callers_own_limit_leaves_no_room_is_no_fault_of_the_image():
    """At its limit a caller would refuse every honest portrait for ever: it has to be told that it is the one to be replaced."""
    asked = (
        "import resource, sys; from pathlib import Path; from models.image_decoding import decode_image\n"
        "content = Path(sys.argv[1]).read_bytes(); pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "room = pages * resource.getpagesize() + (4 << 20); resource.setrlimit(resource.RLIMIT_AS, (room, room))\n"
        "try: decode_image(content)\n"
        "except MemoryError: print('memory')\n"
    )
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(encoded("png", np.zeros((1000, 1000, 3), np.uint8)))
        file.flush()
        done = subprocess.run([sys.executable, "-c", asked, file.name], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("memory\n", 0), done.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x00",
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x00",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR",
        b"\xff\x4f\xff\x51",
        b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51" + bytes(4) + struct.pack(">IIII", 5, 5, 9, 9),
        b"GIF89a\x01\x00\x01\x00",
        b"BM" + bytes(60),
        b"<svg/>",
        bytes(9_000_000),
    ],
)
def test_unknown_short_and_empty_headers_are_refused(content):
    with pytest.raises(ImageRefused):
        read_header(content)


@given(st.binary(max_size=200), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51", b""]))
def test_header_gate_never_crashes(content, start):
    try:
        header = read_header(start + content)
    except ImageRefused:
        return
    assert 0 < header.width_px * header.height_px <= 4_000_000


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_damaged_images_are_decoded_or_refused(name, data):
    content = bytearray(encoded(name))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content), 300) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        image = decode_image(bytes(content[:cut]))
    except ImageRefused:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
