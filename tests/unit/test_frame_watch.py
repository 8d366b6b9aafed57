import itertools
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.frame_marks import marks_of
from drivers.camera.frame_ring import RingReader, RingWriter
from drivers.camera.frame_watch import FrameWatch, Seen, Verdict, WatchLimits
from drivers.camera.mjpeg import PICTURE_LIMIT_BYTES, MultipartParser, StreamRefused

SIZE = (1280, 720)


def seen(digest: str, arrived: int = 1, **marks: Any) -> Seen:
    return replace(Seen(digest, 120.0, 9.0, 0.0, arrived, SIZE), **marks)


def watched(limits: WatchLimits, frames: list[tuple[float, str]], **marks: Any) -> FrameWatch:
    watch = FrameWatch(limits)
    watch.reopened(0.0)
    for number, (now_s, digest) in enumerate(frames, 1):
        watch.saw(now_s, seen(digest, number, **marks))
    return watch


LIVE = [(tick / 10, f"d{tick}") for tick in range(31)]


def test_a_live_stream_is_good_and_a_silent_one_stale_at_the_limit() -> None:
    watch = watched(WatchLimits(), LIVE)
    assert watch.verdict(3.0) is Verdict.GOOD
    assert watch.verdict(4.79) is Verdict.GOOD
    assert watch.verdict(4.81) is Verdict.STALE


def test_nothing_yet_is_waiting_then_stale() -> None:
    watch = watched(WatchLimits(), [])
    assert watch.verdict(1.79) is Verdict.WAITING
    assert watch.verdict(1.8) is Verdict.STALE


def test_an_unchanged_picture_is_frozen_and_stays_so_over_a_reopening() -> None:
    watch = watched(WatchLimits(), LIVE + [(3.0 + tick / 10, "d30") for tick in range(1, 21)])
    assert watch.verdict(5.0) is Verdict.FROZEN
    watch.reopened(6.0)
    for tick in range(1, 16):
        watch.saw(6.0 + tick / 10, seen("d30", tick))
        assert watch.verdict(6.0 + tick / 10) is (Verdict.WAITING if tick < 15 else Verdict.FROZEN)
    watch.reopened(8.0)
    watch.saw(8.1, seen("d30"))
    assert watch.verdict(8.1) is Verdict.WAITING, "not reopened at once: the next picture may be another"
    watch.saw(8.2, seen("other", 2))
    assert watch.verdict(8.2) is Verdict.GOOD


def test_frozen_is_not_watched_when_switched_off() -> None:
    watch = watched(WatchLimits(frozen_s=0), [(tick / 10, "same") for tick in range(50)])
    assert watch.verdict(4.9) is Verdict.GOOD


def test_a_silent_stream_is_stale_and_not_frozen() -> None:
    watch = watched(WatchLimits(), LIVE)
    assert {watch.verdict(3.0 + tick / 10) for tick in range(17)} == {Verdict.GOOD}


@pytest.mark.parametrize(
    "marks",
    [{"luma": 2.0, "spread": 1.0}, {"luma": 33.0, "spread": 2.5}, {"luma": 252.0, "white_ratio": 0.9}],
    ids=["black", "covered", "white"],
)
def test_a_picture_that_shows_nothing_counts_after_its_time_and_ends_with_the_first_that_does(
    marks: dict[str, float],
) -> None:
    watch = watched(WatchLimits(), LIVE, **marks)
    assert watch.verdict(1.39) is Verdict.GOOD
    assert watch.verdict(3.0) is (Verdict.WHITE if "white_ratio" in marks else Verdict.BLACK)
    watch.saw(3.1, seen("lit", 40))
    assert watch.verdict(3.1) is Verdict.GOOD


@pytest.mark.parametrize(
    "marks",
    [
        {"luma": 196.0, "spread": 0.8},
        {"luma": 35.0, "spread": 9.0},
        {"luma": 8.0, "spread": 25.0},
        {"luma": 240.0, "white_ratio": 0.6},
    ],
    ids=["plain-wall", "dim-lane", "one-lamp-at-night", "bright-window"],
)
def test_a_scene_that_shows_something_is_not_accused(marks: dict[str, float]) -> None:
    assert watched(WatchLimits(), LIVE, **marks).verdict(3.0) is Verdict.GOOD


def test_one_frame_per_second_is_too_slow_within_two_seconds_and_good_again_at_its_old_pace() -> None:
    watch = watched(WatchLimits(), LIVE)
    watch.saw(4.0, seen("e", 32))
    watch.saw(5.0, seen("f", 33))
    assert watch.verdict(5.0) is Verdict.SLOW
    for tick in range(1, 21):
        watch.saw(5.0 + tick / 10, seen(f"g{tick}", 33 + tick))
    assert watch.verdict(7.0) is Verdict.GOOD


def test_a_camera_at_the_border_of_too_slow_does_not_flap() -> None:
    watch = watched(WatchLimits(), [(tick, f"s{tick}") for tick in range(4)])
    assert watch.verdict(3.0) is Verdict.SLOW
    verdicts = set()
    for tick in range(1, 40):  # 2.6 frames a second: the least is 2.5
        watch.saw(3.0 + tick / 2.6, seen(f"t{tick}", 4 + tick))
        verdicts.add(watch.verdict(3.0 + tick / 2.6))
    assert verdicts == {Verdict.SLOW}


def test_an_idle_camera_that_is_sampled_rarely_is_not_slow() -> None:
    watch = FrameWatch(WatchLimits())
    watch.reopened(0.0)
    for sample in range(20):  # two samples a second of a stream of ten frames
        watch.saw(sample / 2, seen(f"d{sample}", sample * 5))
        assert watch.verdict(sample / 2) is Verdict.GOOD


def test_another_size_in_the_middle_is_told_until_the_source_is_opened_anew() -> None:
    watch = watched(WatchLimits(), LIVE)
    watch.saw(3.1, seen("small", 32, size_px=(640, 360)))
    watch.saw(3.2, seen("back", 33))
    assert watch.verdict(3.2) is Verdict.RESIZED
    watch.reopened(3.5)
    watch.saw(3.6, seen("new", 1, size_px=(640, 360)))
    assert watch.verdict(3.6) is Verdict.GOOD


def test_a_size_that_was_set_is_held_over_every_opening() -> None:
    watch = watched(WatchLimits(size_px=(640, 360)), LIVE)
    assert watch.verdict(3.0) is Verdict.RESIZED
    watch.reopened(4.0)
    watch.saw(4.1, seen("a", 1))
    assert watch.verdict(4.1) is Verdict.RESIZED
    watch.reopened(5.0)
    watch.saw(5.1, seen("b", 1, size_px=(640, 360)))
    assert watch.verdict(5.1) is Verdict.GOOD


def test_a_stream_whose_own_time_goes_back_is_told_and_reordered_frames_are_not() -> None:
    watch = FrameWatch(WatchLimits())
    watch.reopened(0.0)
    for number, stream_s in enumerate((10.0, 10.2, 10.1, None, 9.0, 9.1)):
        watch.saw(number / 10, seen(f"d{number}", number, stream_s=stream_s))
        assert watch.verdict(number / 10) is Verdict.GOOD
    watch.saw(0.7, seen("old", 7, stream_s=8.0))
    assert watch.verdict(0.7) is Verdict.BACKWARDS
    watch.reopened(1.0)
    watch.saw(1.1, seen("anew", 1, stream_s=0.0))
    assert watch.verdict(1.1) is Verdict.GOOD


def test_marks_change_with_any_pixel_and_tell_black_from_white() -> None:
    still = np.full((720, 1280, 3), 196, np.uint8)
    noisy = still.copy()
    noisy[719, 1279, 2] += 1  # outside of every sample
    assert marks_of(still).digest != marks_of(noisy).digest
    assert marks_of(still) == marks_of(still.copy())
    white = marks_of(np.full((48, 64, 3), 255, np.uint8))
    assert (white.luma, white.spread, white.white_ratio) == (255, 0, 1)
    depth = np.zeros((48, 64), np.uint16)
    assert (marks_of(depth).luma, marks_of(depth).white_ratio) == (0, 0)
    depth[:24] = 65_535
    assert (marks_of(depth).luma, marks_of(depth).white_ratio) == (127.5, 0)


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
