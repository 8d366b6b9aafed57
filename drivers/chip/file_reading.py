"""Reading files: by short identifier, length from the first block, blocks as large as the chip bears (ICAO 9303-10 §3.6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.chip.apdu import (
    END_OF_FILE,
    SHORT_LIMIT,
    UNSPECIFIED,
    WRONG_EXPECTED_LENGTH,
    WRONG_LENGTH,
    CommandApdu,
    ResponseApdu,
)
from drivers.chip.channel import ChipChannel
from drivers.chip.errors import ChipUnintelligible, SecureMessagingLost
from emrtd.files import ChipFile
from emrtd.tlv import MalformedTlv, declared_size, encode_tlv, read_only_tlv, read_tlv

EXTENDED_BLOCK_BYTES = 20_000
BLOCK_LADDER_BYTES = (EXTENDED_BLOCK_BYTES, 256, 223, 192, 160, 128)
"""Plain bytes asked for at once. 223 is what one protected short answer holds; from there on for chips that fail before that."""

FILE_LIMIT_BYTES = 1 << 20
_OFFSET_LIMIT, _SHORT_ID = 0x7FFF, 0x80
_WRONG_OFFSET = 0x6B00
_SMALLER_PLEASE = {WRONG_LENGTH, _WRONG_OFFSET, UNSPECIFIED}
_DISCRETIONARY, _OFFSET = 0x53, 0x54
_OBJECT_HEADER_BYTES = 4
_PROTECTION_BYTES = 4 + 4 + 10


class FileUnreadable(Exception):
    """The chip does not give a file; `status` is its status word."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name}: status {status:04X}")
        self.status = status


@dataclass(slots=True)
class BlockSizes:
    """The block sizes that each type of chip bears, learned while reading; the first time is asked as much as its ATR promises."""

    _steps: dict[bytes, int] = field(default_factory=dict)

    def of(self, atr: bytes) -> int:
        """Return the block size to ask this type of chip for."""
        return BLOCK_LADDER_BYTES[self.step(atr)]

    def step(self, atr: bytes) -> int:
        """Return the place of that size in the ladder."""
        return self._steps.setdefault(atr, 0 if bears_extended_length(atr) else 1)

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
    """Tell whether the card capabilities (compact tag 7, ISO/IEC 7816-4 §12.1.1.9) in an ATR's historical bytes name extended lengths."""
    return any(atr[at] == 0x73 and atr[at + 3] & 0x40 for at in range(1, len(atr) - 3))


def _within_protected(answer_bytes: int) -> int:
    """Return how many plain bytes fit in a protected answer of so many: objects 87, 99 and 8E around padded blocks of 16 (§9.8.7)."""
    return (answer_bytes - _PROTECTION_BYTES) // 16 * 16 - 1


class FileReader:
    """Reads whole files over one channel."""

    def __init__(self, channel: ChipChannel, sizes: BlockSizes) -> None:
        self._channel = channel
        self._sizes = sizes

    def read(self, file: ChipFile) -> bytes:
        """Return a file's raw bytes. Raises `FileUnreadable`, `ChipUnintelligible` and what a channel raises."""
        head = self._block(file, 0)
        if not head:
            raise ChipUnintelligible(f"{file.name} is empty")
        try:
            size = declared_size(head)
        except MalformedTlv as error:
            raise ChipUnintelligible(f"{file.name}: {error}") from None
        if size is None:
            raise ChipUnintelligible(f"{file.name} ends within its length")
        if size > FILE_LIMIT_BYTES or (size <= len(head) and not read_tlv(head).value):
            raise ChipUnintelligible(f"{file.name} claims {size} bytes")
        content = bytearray(head[:size])
        while len(content) < size:
            # Le of the odd instruction counts the data object around the block, too.
            around_bytes = _OBJECT_HEADER_BYTES if len(content) > _OFFSET_LIMIT else 0
            block = self._block(file, len(content), size - len(content) + around_bytes)
            if not block:
                raise ChipUnintelligible(f"{file.name} ends after {len(content)} of {size} bytes")
            content += block[: size - len(content)]
        return bytes(content)

    def _block(self, file: ChipFile, offset: int, most_bytes: int = EXTENDED_BLOCK_BYTES) -> bytes:
        """Return the next block, asking for less until the chip gives one."""
        atr = self._channel.atr
        step = self._sizes.step(atr)
        while True:
            try:
                answer = self._ask(file, offset, min(self._sizes.of(atr), most_bytes))
            except SecureMessagingLost as lost:
                # The session is gone; the next one starts with less. A length told in clear is that of the protected answer.
                if lost.status in _SMALLER_PLEASE:
                    self._sizes.smaller(atr)
                elif lost.status >> 8 == WRONG_EXPECTED_LENGTH:
                    self._sizes.at_most(atr, _within_protected(lost.status & 0xFF or SHORT_LIMIT))
                raise
            if answer.status in {0x9000, END_OF_FILE}:
                return self._content(answer.content, offset)
            if answer.status >> 8 == WRONG_EXPECTED_LENGTH:
                if answer.content:
                    return self._content(answer.content, offset)
                right_bytes = answer.status & 0xFF or SHORT_LIMIT
                if right_bytes < most_bytes:  # the chip says how much it bears
                    self._sizes.at_most(atr, right_bytes)
                    most_bytes = right_bytes
                    continue
            if offset and answer.status == _WRONG_OFFSET:
                return b""  # the end, and no complaint about the block: nothing is learned from it
            if answer.status not in _SMALLER_PLEASE or not self._sizes.smaller(atr):
                self._sizes.restore(atr, step)  # a file that is refused at every size says nothing about sizes
                raise FileUnreadable(file.name, answer.status)

    def _ask(self, file: ChipFile, offset: int, block_bytes: int) -> ResponseApdu:
        if offset == 0:
            return self._channel.send(CommandApdu(0x00, 0xB0, _SHORT_ID | file.short_id, 0, b"", block_bytes))
        if offset <= _OFFSET_LIMIT:
            return self._channel.send(CommandApdu(0x00, 0xB0, offset >> 8, offset & 0xFF, b"", block_bytes))
        position = encode_tlv(_OFFSET, offset.to_bytes(4, "big").lstrip(b"\x00"))
        return self._channel.send(CommandApdu(0x00, 0xB1, 0x00, file.short_id, position, block_bytes))

    @staticmethod
    def _content(content: bytes, offset: int) -> bytes:
        """Take a block out of its data object, which only the odd instruction answers with."""
        if offset <= _OFFSET_LIMIT:
            return content
        try:
            return read_only_tlv(content, _DISCRETIONARY)
        except MalformedTlv as error:
            raise ChipUnintelligible(f"a block that is none: {error}") from None
