"""Files of a chip in clear: block sizes that are learned, lengths that lie, ends that come too soon."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chip.apdu import CommandApdu, ResponseApdu
from drivers.chip.channel import ChipChannel
from drivers.chip.errors import ChipFault, ChipGone, ChipUnintelligible, SecureMessagingLost
from drivers.chip.file_reading import BLOCK_LADDER_BYTES, BlockSizes, FileReader, FileUnreadable
from drivers.chip.reading import ChipReading
from drivers.contracts import ChipKeys
from emrtd.files import CHIP_FILES
from emrtd.tlv import encode_tlv

SHORT_ATR = bytes.fromhex("3B80800101")
EXTENDED_ATR = bytes.fromhex("3B8580017300004000")
DG2 = CHIP_FILES["DG2"]


class Chip:
    """One file, read in blocks of `most_bytes` at most; anything longer is refused with `refusal`."""

    def __init__(
        self, content: bytes, most_bytes: int = 1 << 20, refusal: int = 0x6700, atr: bytes = SHORT_ATR
    ) -> None:
        self.atr = atr
        self.asked: list[int] = []
        self._content = content
        self._most_bytes = most_bytes
        self._refusal = refusal

    def transmit(self, command: bytes) -> bytes:
        ins, first, second, rest = command[1], command[2], command[3], command[4:]
        if ins == 0xB1:
            size = rest[0]
            offset, expected = int.from_bytes(rest[3 : 1 + size], "big"), rest[1 + size] or 256
        else:
            offset = 0 if first & 0x80 else first << 8 | second
            expected = int.from_bytes(rest[1:], "big") if len(rest) == 3 else rest[0] or 256
        self.asked.append(expected)
        if expected > self._most_bytes:
            return self._refusal.to_bytes(2, "big")
        if offset >= len(self._content):
            return b"\x6b\x00"
        block = self._content[offset : offset + expected]
        status = b"\x62\x82" if offset + expected > len(self._content) else b"\x90\x00"
        return (encode_tlv(0x53, block) if ins == 0xB1 else block) + status

    def close(self) -> None:
        pass


def read(chip: Chip, sizes: BlockSizes | None = None) -> bytes:
    return FileReader(ChipChannel(chip), sizes or BlockSizes()).read(DG2)


@pytest.mark.parametrize("size", [1, 120, 300, 15_000])
@pytest.mark.parametrize("most_bytes", [20_000, 256, 223, 192, 160, 128])
@pytest.mark.parametrize("refusal", [0x6700, 0x6F00])
def test_the_chip_s_limit_is_found_and_remembered(size: int, most_bytes: int, refusal: int) -> None:
    content = encode_tlv(0x75, bytes(size))
    sizes = BlockSizes()
    for atr in (SHORT_ATR, EXTENDED_ATR):
        assert read(Chip(content, most_bytes, refusal, atr), sizes) == content
        again = Chip(content, most_bytes, refusal, atr)
        assert read(again, sizes) == content
        assert max(again.asked) <= most_bytes


def test_a_chip_that_bears_extended_lengths_is_read_at_once() -> None:
    chip = Chip(encode_tlv(0x75, bytes(15_000)), atr=EXTENDED_ATR)
    read(chip)
    assert chip.asked == [BLOCK_LADDER_BYTES[0]]


def test_files_beyond_the_reach_of_a_short_offset() -> None:
    content = encode_tlv(0x75, bytes(range(256)) * 160)
    assert read(Chip(content)) == content


@pytest.mark.parametrize("claimed", [65_535, 1_000_000])
def test_a_length_that_lies_is_an_end_that_came_too_soon_and_teaches_nothing(claimed: int) -> None:
    sizes = BlockSizes()
    head = encode_tlv(0x75, bytes(claimed))[:400]
    with pytest.raises(ChipUnintelligible, match="ends after 400"):
        read(Chip(head), sizes)
    assert sizes.of(SHORT_ATR) == 256


@pytest.mark.parametrize("content", [b"\x75\x84\xff\xff\xff\xff" + bytes(300), b"\x75\x80" + bytes(300), b"\x75"])
def test_starts_that_no_file_has(content: bytes) -> None:
    with pytest.raises(ChipUnintelligible):
        read(Chip(content))


@pytest.mark.parametrize("head", [b"\x75\x00", b"\x75\x81\x00", b"\x75\x82\x00\x00"])
def test_a_file_that_claims_to_be_empty_is_a_chip_out_of_order(head: bytes) -> None:
    with pytest.raises(ChipUnintelligible, match="claims"):
        read(Chip(head + bytes(300)))


def test_a_file_that_is_refused_at_every_size() -> None:
    with pytest.raises(FileUnreadable) as refused:
        read(Chip(b"", 0, 0x6F00))
    assert refused.value.status == 0x6F00


@pytest.mark.parametrize("refusal", [0x6700, 0x6F00, 0x6B00])
def test_a_file_that_is_refused_at_every_size_teaches_nothing(refusal: int) -> None:
    sizes = BlockSizes()
    with pytest.raises(FileUnreadable):
        read(Chip(b"", 0, refusal, EXTENDED_ATR), sizes)
    chip = Chip(encode_tlv(0x75, bytes(15_000)), atr=EXTENDED_ATR)
    read(chip, sizes)
    assert len(chip.asked) == 1


@pytest.mark.parametrize(("status", "next_bytes"), [(0x6C00, 223), (0x6CE0, 160), (0x6CE2, 192), (0x6CF2, 223), (0x6CF1, 192), (0x6700, 256), (0x6C10, 20_000), (0x6988, 20_000)])  # fmt: skip
def test_a_session_that_broke_over_a_length_is_tried_with_what_fits(status: int, next_bytes: int) -> None:
    class Breaking(ChipChannel):
        def send(self, command: CommandApdu) -> ResponseApdu:
            raise SecureMessagingLost("unprotected", status=status)

    sizes = BlockSizes()
    with pytest.raises(SecureMessagingLost):
        FileReader(Breaking(Chip(b"", atr=EXTENDED_ATR)), sizes).read(DG2)
    assert sizes.of(EXTENDED_ATR) == next_bytes


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_any_answers_end_in_a_file_or_a_fault_soon(answers: list[bytes]) -> None:
    class Any(Chip):
        def transmit(self, command: bytes) -> bytes:
            if not answers:
                raise ChipGone("gone")
            return answers.pop()

    started_s = time.process_time()
    with contextlib.suppress(ChipFault, FileUnreadable):
        read(Any(b""))
    assert time.process_time() - started_s < 1


def test_data_groups_that_the_security_object_does_not_list_are_not_asked_for() -> None:
    def no_chip() -> Chip:
        raise ChipGone("none")

    reading = ChipReading(no_chip, ChipKeys("L898902C<369080619406236"), lambda _: None, bytes, lambda: 0.0)
    hashes = b"".join(encode_tlv(0x30, b"\x02\x01" + bytes([n]) + encode_tlv(0x04, bytes(32))) for n in (1, 2, 15))
    lds = encode_tlv(0x30, b"\x02\x01\x00" + encode_tlv(0x30, b"") + encode_tlv(0x30, hashes))
    content = encode_tlv(0x30, encode_tlv(0x06, b"\x2a") + encode_tlv(0xA0, encode_tlv(0x04, lds)))
    signed = encode_tlv(0xA0, encode_tlv(0x30, b"\x02\x01\x03" + encode_tlv(0x31, b"") + content))
    reading._files["EF.SOD"] = encode_tlv(0x77, encode_tlv(0x30, encode_tlv(0x06, b"\x2a") + signed))
    assert reading._is_listed(CHIP_FILES["DG15"])
    assert not reading._is_listed(CHIP_FILES["DG14"])
    reading._files["EF.SOD"] = b"\x77\x00"
    assert reading._is_listed(CHIP_FILES["DG14"])
