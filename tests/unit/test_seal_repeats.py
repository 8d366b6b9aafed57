from drivers.seal_tracker.repeats import FORGOTTEN_AFTER_S, FRAMES_LIMIT, RecentFrames


def test_the_same_bytes_of_the_same_seal_are_a_repeat_for_some_minutes() -> None:
    recent = RecentFrames()
    assert not recent.is_repeat("1", b"frame", 0.0)
    assert recent.is_repeat("1", b"frame", 1.0)
    assert not recent.is_repeat("2", b"frame", 2.0)
    assert not recent.is_repeat("1", b"other", 3.0)
    assert recent.is_repeat("1", b"frame", 0.5 + FORGOTTEN_AFTER_S)
    assert not recent.is_repeat("1", b"frame", 1.0 + 2 * FORGOTTEN_AFTER_S)


def test_memory_is_bounded_and_the_oldest_are_forgotten_first() -> None:
    recent = RecentFrames()
    for number in range(FRAMES_LIMIT + 1):
        recent.is_repeat("1", b"%d" % number, 0.0)
    assert len(recent._seen_s) == FRAMES_LIMIT
    assert recent.is_repeat("1", b"%d" % FRAMES_LIMIT, 1.0)
    assert not recent.is_repeat("1", b"0", 1.0)
