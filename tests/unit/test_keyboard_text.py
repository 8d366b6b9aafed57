"""Keyboard wedges without a device: events, the US layout, shift and caps, what ends a symbol and what spoils one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.input_events import (
    EV_KEY,
    EV_SYN,
    PRESSED,
    RELEASED,
    REPEATED,
    SYN_DROPPED,
    InputEvent,
    InputEventCodec,
)
from drivers.barcode.keyboard_text import CAPS_LOCK, KEY_ENTER, KEYPAD_ENTER, NUM_LOCK, KeyboardText, keystrokes
from drivers.codec import BadFrame

TYPED = "".join(chr(code) for code in range(0x20, 0x7F)) + "\t"
SHIFT, RIGHT_SHIFT, CTRL, KEY_A, KEY_1, KEY_F1, KEYPAD_7 = 42, 54, 29, 30, 2, 59, 71


def press(text: KeyboardText, *codes: int) -> list[bytes | BadFrame]:
    """Press and release keys; a negative code only releases."""
    found: list[bytes | BadFrame] = []
    for code in codes:
        if code > 0:
            found += text.press(InputEvent(EV_KEY, code, PRESSED))
        if code < 0 or code not in {SHIFT, RIGHT_SHIFT, CTRL}:
            found += text.press(InputEvent(EV_KEY, abs(code), RELEASED))
    return found


@given(st.text(st.sampled_from(TYPED), min_size=1, max_size=60))
def test_whatever_the_layout_has_a_key_for_comes_back(symbol: str) -> None:
    text = KeyboardText(100)
    found = [one for event in keystrokes(symbol) for one in text.press(event)]
    assert found == [symbol.encode()]


def test_what_no_key_stands_for_cannot_be_typed() -> None:
    for character in ("\x1d", "\r", "\x80", "ß"):
        with pytest.raises(ValueError, match="no key"):
            list(keystrokes("HC1" + character))


def test_both_shifts_caps_lock_and_the_keypad() -> None:
    text = KeyboardText(100)
    press(text, KEY_A, SHIFT, KEY_A, RIGHT_SHIFT, -SHIFT, KEY_A, KEY_1, -RIGHT_SHIFT, KEY_A)
    assert press(text, KEYPAD_7, NUM_LOCK, KEYPAD_ENTER) == [b"aAA!a7"]
    press(text, CAPS_LOCK, KEY_A, KEY_1, SHIFT, KEY_A, KEY_1, -SHIFT)
    assert press(text, CAPS_LOCK, KEY_A, KEY_ENTER) == [b"A1a!a"]


def test_a_held_key_is_typed_once_and_other_events_say_nothing() -> None:
    text = KeyboardText(100)
    press(text, KEY_A)
    for _ in range(3):
        text.press(InputEvent(EV_KEY, KEY_A, REPEATED))
    assert text.press(InputEvent(4, 4, 0x70004)) == []  # the scan code that comes with each key
    assert press(text, KEY_ENTER) == [b"a"]


@pytest.mark.parametrize("codes", [(KEY_F1,), (CTRL, 27, -CTRL), (500,)], ids=["function", "control", "unknown"])
def test_a_key_without_a_character_spoils_its_symbol_and_no_other(codes: tuple[int, ...]) -> None:
    text = KeyboardText(100)
    press(text, KEY_A, *codes, KEY_A)
    (bad,) = press(text, KEY_ENTER)
    assert isinstance(bad, BadFrame)
    assert "gives no character" in bad.reason
    assert press(text, KEY_A, KEY_ENTER) == [b"a"]


def test_events_that_the_kernel_lost_spoil_the_symbol_and_release_what_was_held() -> None:
    text = KeyboardText(100)
    press(text, SHIFT, KEY_A)
    text.press(InputEvent(EV_SYN, SYN_DROPPED, 0))
    (bad,) = press(text, KEY_A, KEY_ENTER)
    assert isinstance(bad, BadFrame)
    assert bad.reason == "events were lost"
    assert press(text, KEY_A, KEY_ENTER) == [b"a"]


def test_silence_ends_a_symbol_or_tears_it() -> None:
    text = KeyboardText(100)
    press(text, KEY_A)
    assert text.silence() == [b"a"]
    assert press(text, KEY_ENTER) == []  # Enter came late: it ends nothing more
    assert text.silence() == []
    strict = KeyboardText(100, needs_enter=True)
    press(strict, KEY_A)
    (torn,) = strict.silence()
    assert isinstance(torn, BadFrame)
    assert torn.reason == "symbol torn by silence"
    assert press(strict, KEY_A, KEY_ENTER) == [b"a"]
    assert strict.silence() == []


def test_the_limit_is_exact_and_memory_bounded() -> None:
    text = KeyboardText(5)
    assert press(text, *[KEY_A] * 5, KEY_ENTER) == [b"aaaaa"]
    press(text, *[KEY_A] * 5000)
    assert len(text._typed) == 5
    (bad,) = press(text, KEY_ENTER)
    assert isinstance(bad, BadFrame)
    assert bad.is_too_long
    assert bad.length_bytes == 5000


@given(st.lists(st.builds(InputEvent, st.integers(0, 31), st.integers(0, 0x2FF), st.integers(0, 2)), max_size=60))
def test_any_events_give_printable_bytes_or_a_bad_frame(events: list[InputEvent]) -> None:
    text = KeyboardText(20)
    for found in [one for event in events for one in text.press(event)] + text.silence():
        if not isinstance(found, BadFrame):
            assert set(found.decode()) <= set(string.printable)
            assert 1 <= len(found) <= 20


def test_a_stream_that_begins_inside_an_event_finds_the_next() -> None:
    codec = InputEventCodec()
    wire = b"".join(codec.encode(event) for event in keystrokes("a"))
    stamped = (1_700_000_000).to_bytes(8, "little") + (999_999).to_bytes(8, "little") + wire[16:24]
    bad, *events = codec.feed(b"\xff" * 7 + stamped + wire)
    assert isinstance(bad, BadFrame)
    assert bad.length_bytes == 7
    assert len(events) == 1 + len(wire) // 24
    assert codec.feed(stamped[:10]) == []
    (torn,) = codec.silence()
    assert isinstance(torn, BadFrame)
    assert codec.feed(wire) == events[1:]
