"""How much a type of chip bears to be asked for at once: what it promises, what it was found to bear, remembered for the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.chip.apdu import SHORT_LIMIT
from emrtd.tlv import MalformedTlv, children

EXTENDED_BLOCK_BYTES = 20_000
BLOCK_LADDER_BYTES = (EXTENDED_BLOCK_BYTES, 256, 223, 192, 160, 128)
"""Plain bytes asked for at once. 223 is what one protected short answer holds; from there on for chips that fail before that."""

_CAPABILITIES, _EXTENDED_LENGTHS, _EXTENDED = 0x47, 0x7F66, 0x40
_PROTECTION_BYTES = 4 + 4 + 10


@dataclass(slots=True)
class BlockSizes:
    """The block sizes that each type of chip bears, learned while reading; the first time is asked as much as the chip promises."""

    _steps: dict[bytes, int] = field(default_factory=dict)
    _limits_bytes: dict[bytes, int] = field(default_factory=dict)
    _informed: set[bytes] = field(default_factory=set)

    def of(self, atr: bytes) -> int:
        """Return the block size to ask this type of chip for."""
        return min(BLOCK_LADDER_BYTES[self.step(atr)], self._limits_bytes.get(atr, EXTENDED_BLOCK_BYTES))

    def step(self, atr: bytes) -> int:
        """Return the place of that size in the ladder."""
        return self._steps.setdefault(atr, 0 if bears_extended_length(atr) else 1)

    def wants_information(self, atr: bytes) -> bool:
        """Tell whether this type of chip says nothing of lengths in its ATR and was not asked for EF.ATR/INFO yet."""
        return _card_capabilities(atr) is None and atr not in self._informed

    def inform(self, atr: bytes, information: bytes) -> None:
        """Take what EF.ATR/INFO says of this type of chip; one without the file, or with nonsense in it, is asked as before."""
        self._informed.add(atr)
        try:
            objects = {element.tag: element.value for element in children(information)}
            longest = [number.value for number in children(objects.get(_EXTENDED_LENGTHS, b""))][1:2]
        except MalformedTlv:
            return
        if int.from_bytes(objects.get(_CAPABILITIES, b"")[2:3], "big") & _EXTENDED:
            self._steps[atr] = 0
            limit_bytes = within_protected(int.from_bytes(b"".join(longest), "big"))
            if limit_bytes > SHORT_LIMIT:
                self._limits_bytes[atr] = limit_bytes

    def restore(self, atr: bytes, step: int) -> None:
        """Forget what was learned since `step` was the place."""
        self._steps[atr] = step

    def smaller(self, atr: bytes) -> bool:
        """Remember that this type of chip bears less; False when there is no smaller step."""
        self.of(atr)
        if self._steps[atr] + 1 >= len(BLOCK_LADDER_BYTES):
            return False
        self._steps[atr] += 1
        return True

    def at_most(self, atr: bytes, limit_bytes: int) -> None:
        """Remember what a chip named as its limit; less than the smallest block was the rest of a short file, and teaches nothing."""
        while limit_bytes >= BLOCK_LADDER_BYTES[-1] and self.of(atr) > limit_bytes:
            self.smaller(atr)


def bears_extended_length(atr: bytes) -> bool:
    """Tell whether the card capabilities in an ATR name extended lengths."""
    return bool((_card_capabilities(atr) or 0) & _EXTENDED)


def _card_capabilities(atr: bytes) -> int | None:
    """Return the third byte of the card capabilities (compact tag 7, ISO/IEC 7816-4 §12.1.1.9) in the historical bytes, None without them.

    Found by their tag alone, as they stand behind objects of other lengths: where several places look like them, one that is right counts.
    """
    found = [atr[at + 3] for at in range(1, len(atr) - 3) if atr[at] == 0x73]
    return max(found, key=lambda byte: byte & _EXTENDED, default=None)


def within_protected(answer_bytes: int) -> int:
    """Return how many plain bytes fit in a protected answer of so many: objects 87, 99 and 8E around padded blocks of 16 (§9.8.7)."""
    return (answer_bytes - _PROTECTION_BYTES) // 16 * 16 - 1
