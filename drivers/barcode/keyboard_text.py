"""What a keyboard wedge types: key events of the US layout to the bytes of symbols.

A wedge sends keys, not bytes. What no key of the US layout stands for is lost on the way: control characters (the GS of GS1 symbols) and bytes
from 80 hex. A reader whose symbols hold such bytes belongs on a serial line or in packet mode. A key that gives no character, or one
pressed with Ctrl, Alt or Meta, makes its whole symbol one `BadFrame`: a symbol is never passed on with something left out. The reader must
be set to the US layout; the numeric keypad gives digits; caps lock is off at the start. Key codes: linux/input-event-codes.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from drivers.barcode.input_events import EV_KEY, EV_SYN, PRESSED, RELEASED, SYN_DROPPED, SYN_REPORT, InputEvent
from drivers.codec import EXCERPT_BYTES, BadFrame

KEY_ENTER, KEYPAD_ENTER = 28, 96
SHIFTS = {42, 54}
CAPS_LOCK, NUM_LOCK, SCROLL_LOCK = 58, 69, 70
MODIFIERS = {29, 97, 56, 100, 125, 126}  # Ctrl, Alt, Meta

_ROWS = {
    2: ("1234567890-=", "!@#$%^&*()_+"),
    15: ("\tqwertyuiop[]", "\tQWERTYUIOP{}"),
    30: ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
    43: ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
    55: ("*", "*"),
    57: (" ", " "),
    71: ("789-456+1230.", "789-456+1230."),
    98: ("/", "/"),
}
KEYMAP: dict[int, tuple[str, str]] = {
    first + place: characters for first, row in _ROWS.items() for place, characters in enumerate(zip(*row, strict=True))
}
_KEYS = {character: (code, shift) for code, pair in reversed(KEYMAP.items()) for shift, character in enumerate(pair)}


class KeyboardText:
    """Collects the characters of one symbol until Enter or silence; keeps no more than `limit_bytes` of it."""

    def __init__(self, limit_bytes: int, *, needs_enter: bool = False) -> None:
        """`needs_enter`: silence tears a symbol instead of ending it."""
        self._limit_bytes = limit_bytes
        self._needs_enter = needs_enter
        self._shifts: set[int] = set()
        self._modifiers: set[int] = set()
        self._has_caps = False
        self._begin()

    def _begin(self) -> None:
        self._typed = bytearray()
        self._length_bytes = 0
        self._reason = ""

    def press(self, event: InputEvent) -> list[bytes | BadFrame]:
        """Take one event; return the symbol that it ends."""
        kind, code, value = event
        if kind == EV_SYN and code == SYN_DROPPED:
            self._reason = self._reason or "events were lost"
            self._shifts.clear()
            self._modifiers.clear()
            return []
        if kind != EV_KEY:
            return []
        for held, codes in ((self._shifts, SHIFTS), (self._modifiers, MODIFIERS)):
            if code in codes:
                (held.discard if value == RELEASED else held.add)(code)
                return []
        if value != PRESSED:
            return []
        if code == CAPS_LOCK:
            self._has_caps = not self._has_caps
        elif code in {KEY_ENTER, KEYPAD_ENTER}:
            return self._end()
        elif code not in {NUM_LOCK, SCROLL_LOCK}:
            self._type(code)
        return []

    def silence(self) -> list[bytes | BadFrame]:
        """Return the symbol that a silent line ends or tears."""
        if self._needs_enter and self._length_bytes:
            self._reason = self._reason or "symbol torn by silence"
        return self._end()

    def _type(self, code: int) -> None:
        self._length_bytes += 1
        pair = KEYMAP.get(code)
        if pair is None or self._modifiers:
            self._reason = self._reason or f"key {code} gives no character"
            return
        is_shifted = bool(self._shifts) != (self._has_caps and pair[0].isalpha())
        if len(self._typed) < self._limit_bytes:
            self._typed += pair[is_shifted].encode("ascii")

    def _end(self) -> list[bytes | BadFrame]:
        typed, length, reason = bytes(self._typed), self._length_bytes, self._reason
        self._begin()
        excerpt = typed[:EXCERPT_BYTES]
        if length > self._limit_bytes:
            return [BadFrame("symbol too long", length, excerpt, is_too_long=True)]
        if reason:
            return [BadFrame(reason, length, excerpt)]
        return [typed] if typed else []  # Enter alone ends what silence had ended


def keystrokes(text: str) -> Iterator[InputEvent]:
    """Yield what a wedge sends for a symbol and Enter. Raises ValueError for a character that it has no key for."""
    for character in text:
        if character not in _KEYS:
            raise ValueError(f"a keyboard wedge has no key for {character!r}")
        code, is_shifted = _KEYS[character]
        if is_shifted:
            yield InputEvent(EV_KEY, min(SHIFTS), PRESSED)
        yield from _stroke(code)
        if is_shifted:
            yield InputEvent(EV_KEY, min(SHIFTS), RELEASED)
    yield from _stroke(KEY_ENTER)


def _stroke(code: int) -> Iterator[InputEvent]:
    for value in (PRESSED, RELEASED):
        yield InputEvent(EV_KEY, code, value)
        yield InputEvent(EV_SYN, SYN_REPORT, 0)
