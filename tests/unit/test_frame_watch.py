import itertools
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.frame_ring import RingReader, RingWriter
from drivers.camera.frame_watch import FrameWatch, Verdict, WatchLimits
from drivers.camera.mjpeg import PICTURE_LIMIT_BYTES, MultipartParser, StreamRefused


def watched(limits: WatchLimits, frames: list[tuple[float, str]], *, luma: float = 120.0) -> FrameWatch:
    watch = FrameWatch(limits)
    watch.reopened(0.0)
    for number, (now_s, digest) in enumerate(frames, 1):
        watch.saw(now_s, digest=digest, luma=luma, spread=1.0, arrived=number)
    return watch


LIVE = [(tick / 10, f"d{tick}") for tick in range(31)]


def test_a_live_stream_is_good_and_a_silent_one_stale_at_the_limit() -> None:
    watch = watched(WatchLimits(), LIVE)
    assert watch.verdict(3.0) is Verdict.GOOD
    assert watch.verdict(4.999) is Verdict.GOOD
    assert watch.verdict(5.0) is Verdict.STALE


def test_nothing_yet_is_waiting_then_stale() -> None:
    watch = watched(WatchLimits(), [])
    assert watch.verdict(1.99) is Verdict.WAITING
    assert watch.verdict(2.0) is Verdict.STALE


def test_an_unchanged_picture_is_frozen_and_stays_so_over_a_reopening() -> None:
    watch = watched(WatchLimits(), LIVE + [(3.0 + tick / 10, "d30") for tick in range(1, 21)])
    assert watch.verdict(5.0) is Verdict.FROZEN
    watch.reopened(6.0)
    watch.saw(6.1, digest="d30", luma=120, spread=9, arrived=1)
    assert watch.verdict(6.1) is Verdict.FROZEN
    watch.saw(6.2, digest="other", luma=120, spread=9, arrived=2)
    assert watch.verdict(6.2) is Verdict.GOOD


def test_frozen_is_not_watched_when_switched_off() -> None:
    watch = watched(WatchLimits(frozen_s=0), [(tick / 10, "same") for tick in range(50)])
    assert watch.verdict(4.9) is Verdict.GOOD


def test_black_counts_after_its_time_and_ends_with_the_first_picture() -> None:
    watch = watched(WatchLimits(), LIVE, luma=2.0)
    assert watch.verdict(1.9) is Verdict.GOOD
    assert watch.verdict(3.0) is Verdict.BLACK
    watch.saw(3.1, digest="lit", luma=90, spread=20, arrived=40)
    assert watch.verdict(3.1) is Verdict.GOOD


def test_one_frame_per_second_is_too_slow_within_two_seconds() -> None:
    watch = watched(WatchLimits(), LIVE)
    watch.saw(4.0, digest="e", luma=120, spread=9, arrived=32)
    watch.saw(5.0, digest="f", luma=120, spread=9, arrived=33)
    assert watch.verdict(5.0) is Verdict.SLOW


def test_an_idle_camera_that_is_sampled_rarely_is_not_slow() -> None:
    watch = FrameWatch(WatchLimits())
    watch.reopened(0.0)
    for sample in range(20):  # two samples a second of a stream of ten frames
        watch.saw(sample / 2, digest=f"d{sample}", luma=120, spread=9, arrived=sample * 5)
        assert watch.verdict(sample / 2) is Verdict.GOOD


def frame(value: int, height_px: int = 20, width_px: int = 30) -> np.ndarray:
    return np.full((height_px, width_px, 3), value, np.uint8)


def test_a_lent_slot_is_never_written_and_a_full_ring_says_so() -> None:
    writer = RingWriter(3, 20 * 30 * 3)
    reader = RingReader([os.dup(descriptor) for descriptor in writer.descriptors], 20 * 30 * 3)
    slots = [writer.write(frame(value)) for value in (1, 2, 3)]
    assert sorted(slots) == [0, 1, 2]
    assert writer.write(frame(4)) == -1
    kept = reader.lend(slots[0], 1800)
    writer.take_back(slots[1])
    assert [writer.write(frame(5)), writer.write(frame(6))] == [slots[1], -1]
    assert os.pread(kept, 1800, 0) == bytes([1]) * 1800
    assert reader.take_back(slots[0]) is True
    assert reader.take_back(slots[0]) is False
    reader.lend(slots[2], 1800)
    reader.retire()
    assert os.pread(reader.lend(slots[2], 1800), 1, 0) == b"\x03"
    reader.take_back(slots[2])
    with pytest.raises(KeyError):
        reader.lend(slots[2], 1800)


def test_free_slots_are_wiped_and_lent_ones_are_not() -> None:
    writer = RingWriter(2, 1800)
    first, second = writer.write(frame(7)), writer.write(frame(8))
    writer.take_back(first)
    writer.wipe_free()
    assert os.pread(writer.descriptors[first], 1800, 0) == bytes(1800)
    assert os.pread(writer.descriptors[second], 1800, 0) == bytes([8]) * 1800


def test_shared_memory_that_could_shrink_is_refused() -> None:
    loose = os.memfd_create("loose", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(loose, 1800)
    with pytest.raises(ValueError, match="unsealed"):
        RingReader([loose], 1800)
    os.close(loose)
    sealed = RingWriter(1, 1800)
    with pytest.raises(ValueError, match="wrong size"):
        RingReader(sealed.descriptors, 3600)
    with pytest.raises(KeyError):
        RingReader(sealed.descriptors, 1800).lend(0, 1801)


def part(body: bytes, *, with_length: bool) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if with_length else b""
    return b"--cut\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + body + b"\r\n"


@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans(), st.lists(st.integers(0, 500)))
def test_parts_are_the_same_however_the_stream_is_cut(bodies: list[bytes], with_length: bool, cuts: list[int]) -> None:
    bodies = [body.replace(b"--cut", b"").replace(b"\r", b"") for body in bodies]
    stream = b"".join(part(body, with_length=with_length) for body in bodies) + b"--cut"
    assert MultipartParser(b"cut").feed(stream) == bodies
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    torn = MultipartParser(b"cut")
    assert [body for start, end in itertools.pairwise(edges) for body in torn.feed(stream[start:end])] == bodies


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * 9000,
        b"--cut\r\nContent-Length: 99999999999\r\n\r\n",
        b"--cut\r\nContent-Length: -1\r\n\r\n",
        b"--cut\r\n" + b"a" * 9000,
        b"--cut\r\n\r\n" + bytes(PICTURE_LIMIT_BYTES + 9000),
    ],
    ids=["no-boundary", "huge-length", "bad-length", "long-header", "endless-body"],
)
def test_a_stream_that_breaks_its_framing_is_refused_with_bounded_memory(stream: bytes) -> None:
    with pytest.raises(StreamRefused):
        MultipartParser(b"cut").feed(stream)
