"""TLV: round trips, every torn prefix refused, lying lengths refused, nothing quadratic."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrtd.files import CHIP_FILES, data_group_name
from emrtd.tlv import MalformedTlv, children, declared_size, encode_tlv, find_child, read_only_tlv, read_tlv

TAGS = st.sampled_from([0x61, 0x04, 0x30, 0x77, 0x5F1F, 0x5F2E, 0x7F61, 0x7F49])


@given(TAGS, st.binary(max_size=300), st.binary(max_size=8))
def test_what_is_encoded_is_read_again(tag: int, value: bytes, rest: bytes) -> None:
    encoded = encode_tlv(tag, value)
    element = read_tlv(encoded + rest)
    assert (element.tag, element.value, element.end) == (tag, value, len(encoded))


@given(TAGS, st.binary(max_size=300))
def test_every_torn_prefix_is_refused(tag: int, value: bytes) -> None:
    encoded = encode_tlv(tag, value)
    for size in range(len(encoded)):
        with pytest.raises(MalformedTlv):
            read_tlv(encoded[:size])


@given(st.binary(max_size=200))
def test_any_bytes_give_elements_or_the_one_error(content: bytes) -> None:
    try:
        total = sum(len(element.value) for element in children(content))
    except MalformedTlv:
        return
    assert total <= len(content)


@given(TAGS, st.integers(0, 70_000))
def test_a_files_size_is_known_from_its_first_eight_bytes(tag: int, size: int) -> None:
    encoded = encode_tlv(tag, bytes(size))
    assert declared_size(encoded[:8]) == len(encoded)


def test_a_start_too_short_to_tell_is_none() -> None:
    assert declared_size(b"") is None
    assert declared_size(b"\x75\x82\x3a") is None
    assert declared_size(b"\x75\x82\x3a\xe7") == 0x3AE7 + 4


@pytest.mark.parametrize("head", ["3080", "3085000000000100", "7f8181810100", "30890000000000000000"])
def test_indefinite_and_overlong_heads_are_refused(head: str) -> None:
    with pytest.raises(MalformedTlv):
        read_tlv(bytes.fromhex(head) + bytes(16))
    with pytest.raises(MalformedTlv):
        declared_size(bytes.fromhex(head) + bytes(16))


def test_lengths_that_are_longer_than_needed_are_read() -> None:
    assert read_tlv(bytes.fromhex("0484000000027878")).value == b"xx"


def test_one_element_and_nothing_else() -> None:
    assert read_only_tlv(bytes.fromhex("610141"), 0x61) == b"A"
    with pytest.raises(MalformedTlv, match="1 bytes after element 61"):
        read_only_tlv(bytes.fromhex("61014100"), 0x61)
    with pytest.raises(MalformedTlv, match="element 61 where 77 belongs"):
        read_only_tlv(bytes.fromhex("610141"), 0x77)


def test_the_first_of_several_is_found() -> None:
    content = encode_tlv(0x80, b"a") + encode_tlv(0x81, b"b") + encode_tlv(0x81, b"c")
    assert find_child(content, 0x81) == b"b"
    assert find_child(content, 0x82) is None


def test_a_million_empty_elements_end_soon() -> None:
    started_s = time.process_time()
    with pytest.raises(MalformedTlv, match="more than 4096"):
        list(children(bytes(2_000_000)))
    assert time.process_time() - started_s < 1


def test_the_files_have_the_identifiers_of_the_standard() -> None:
    assert {name: (file.file_id, file.short_id, file.tag) for name, file in CHIP_FILES.items()} == {
        "EF.CardAccess": (0x011C, 0x1C, 0x31),
        "EF.CardSecurity": (0x011D, 0x1D, 0x30),
        "EF.COM": (0x011E, 0x1E, 0x60),
        "EF.SOD": (0x011D, 0x1D, 0x77),
        "DG1": (0x0101, 1, 0x61),
        "DG2": (0x0102, 2, 0x75),
        "DG3": (0x0103, 3, 0x63),
        "DG4": (0x0104, 4, 0x76),
        "DG5": (0x0105, 5, 0x65),
        "DG6": (0x0106, 6, 0x66),
        "DG7": (0x0107, 7, 0x67),
        "DG8": (0x0108, 8, 0x68),
        "DG9": (0x0109, 9, 0x69),
        "DG10": (0x010A, 10, 0x6A),
        "DG11": (0x010B, 11, 0x6B),
        "DG12": (0x010C, 12, 0x6C),
        "DG13": (0x010D, 13, 0x6D),
        "DG14": (0x010E, 14, 0x6E),
        "DG15": (0x010F, 15, 0x6F),
        "DG16": (0x0110, 16, 0x70),
    }
    assert [data_group_name(number) for number in (1, 16)] == ["DG1", "DG16"]
    for number in (0, 17):
        with pytest.raises(ValueError, match="no data group"):
            data_group_name(number)
