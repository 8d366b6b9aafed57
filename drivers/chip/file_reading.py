"""Reading files: by short identifier, length from the first block, blocks as large as the chip bears (ICAO 9303-10 §3.6)."""

from __future__ import annotations

from drivers.chip.apdu import (
    BY_SHORT_ID,
    END_OF_FILE,
    SHORT_LIMIT,
    UNSPECIFIED,
    WRONG_EXPECTED_LENGTH,
    WRONG_LENGTH,
    CommandApdu,
    ResponseApdu,
)
from drivers.chip.block_sizes import EXTENDED_BLOCK_BYTES, BlockSizes, within_protected
from drivers.chip.channel import ChipChannel
from drivers.chip.errors import ChipUnintelligible, SecureMessagingLost
from emrtd.files import ChipFile
from emrtd.tlv import MalformedTlv, declared_size, encode_tlv, read_only_tlv, read_tlv

FILE_LIMIT_BYTES = 1 << 20
_OFFSET_LIMIT = 0x7FFF
_WRONG_OFFSET = 0x6B00
_SMALLER_PLEASE = {WRONG_LENGTH, _WRONG_OFFSET, UNSPECIFIED}
_DISCRETIONARY, _OFFSET = 0x53, 0x54
_OBJECT_HEADER_BYTES = 4


class FileUnreadable(Exception):
    """The chip does not give a file; `status` is its status word."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name}: status {status:04X}")
        self.status = status


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
                    self._sizes.at_most(atr, within_protected(lost.status & 0xFF or SHORT_LIMIT))
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
            return self._channel.send(CommandApdu(0x00, 0xB0, BY_SHORT_ID | file.short_id, 0, b"", block_bytes))
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
