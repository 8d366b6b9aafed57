"""Long JT/T 808 messages in parts: put together in any order, bounded, asked for again, and given up with a word."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import BadFrame
from drivers.seal_tracker import jt808_parts
from drivers.seal_tracker.codec import Heard, SealCodec
from drivers.seal_tracker.jt808 import Message, encode, parse, unwrap
from drivers.seal_tracker.jt808_parts import ASKED_TIMES, MESSAGES_LIMIT, PARTS_LIMIT, PATIENCE_S
from drivers.seal_tracker.protocols import protocol_named
from tests.unit.tracker_frames import PHONE, jt808_frame, jt808_report

REPORTS = 12
BATCH = struct.pack(">HB", REPORTS, 0) + b"".join(
    struct.pack(">H", 28) + jt808_report(moment=f"261130201{number:02d}0") for number in range(REPORTS)
)


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def parts_of(
    body: bytes = BATCH, size: int = 100, serial: int = 0x7D00, message_id: int = 0x0704, **header: object
) -> list[bytes]:
    pieces = cut(body, size)
    return [
        jt808_frame(message_id, piece, (serial + number) & 0xFFFF, part=(len(pieces), number + 1), **header)
        for number, piece in enumerate(pieces)
    ]


def codec() -> SealCodec:
    return protocol_named("jt808").new_codec()


def fed(codec: SealCodec, frames: Sequence[bytes], now_s: float = 0.0) -> list[Heard]:
    items = [item for frame in frames for item in codec.feed(frame, now_s)]
    assert not [item for item in items if isinstance(item, BadFrame)]
    return items


def places(heard: Sequence[Heard]) -> int:
    return sum(event.kind == "position" for item in heard for event in item.decoded.events)


def answered(heard: Sequence[Heard]) -> list[Message]:
    return [parse(unwrap(item.decoded.reply)) for item in heard if item.decoded.reply]


@given(st.permutations(range(len(parts_of()))), st.integers(0, 0xFFFF))
def test_parts_in_any_order_make_the_message_once_and_each_is_answered(order: list[int], serial: int) -> None:
    frames = parts_of(serial=serial)
    heard = fed(codec(), [frames[number] for number in order])
    assert [places([item]) for item in heard] == [0] * (len(frames) - 1) + [REPORTS]
    assert [(one.message_id, struct.unpack(">HHB", one.body)) for one in answered(heard)] == [
        (0x8001, ((serial + number) & 0xFFFF, 0x0704, 0)) for number in order
    ]


def test_the_whole_message_says_what_it_says_in_one_piece() -> None:
    in_parts = fed(codec(), parts_of())[-1].decoded.events
    assert in_parts == fed(codec(), [jt808_frame(0x0704, BATCH)])[0].decoded.events


def test_two_messages_that_are_sent_at_the_same_time_are_told_apart() -> None:
    first, second = parts_of(serial=1), parts_of(BATCH, serial=100)
    mixed = [frame for pair in itertools.zip_longest(first, second) for frame in pair if frame]
    assert places(fed(codec(), mixed)) == 2 * REPORTS


def test_a_part_that_comes_again_changes_nothing_before_and_after_the_end() -> None:
    frames, running = parts_of(), codec()
    heard = fed(running, [frames[0], frames[0], *frames, *frames, frames[-1]])
    assert places(heard) == REPORTS
    assert len(answered(heard)) == len(heard)
    assert not running.is_waiting


def test_missing_parts_are_asked_for_again_and_complete_the_message() -> None:
    frames, running = parts_of(), codec()
    fed(running, [frames[0], frames[2]], 0.0)
    assert running.is_waiting
    assert running.overdue(PATIENCE_S - 0.1) == []
    (asked,) = running.overdue(PATIENCE_S)
    again = parse(unwrap(asked.decoded.reply))
    assert (again.message_id, again.phone) == (0x8003, PHONE)
    assert again.body == struct.pack(">HB2H", 0x7D00, 2, 2, 4)
    assert asked.decoded.events == ()
    assert running.overdue(PATIENCE_S + 0.1) == [], "asked once per patience"
    assert places(fed(running, [frames[1], frames[3]], PATIENCE_S + 1)) == REPORTS
    assert running.overdue(PATIENCE_S * 9) == []


def test_from_2019_on_the_request_counts_in_two_bytes() -> None:
    running = codec()
    fed(running, [encode(Message(0x0704, bytes(4) + PHONE, 5, b"x", version=1, part=(3, 1)))])
    (asked,) = running.overdue(PATIENCE_S)
    again = parse(unwrap(asked.decoded.reply))
    assert (again.version, again.body) == (1, struct.pack(">HH2H", 5, 2, 2, 3))


def test_a_message_that_stays_torn_is_given_up_with_a_word() -> None:
    frames, running = parts_of(), codec()
    fed(running, frames[:2])
    told = [running.overdue(PATIENCE_S * turn) for turn in range(1, ASKED_TIMES + 2)]
    assert [len(one) for one in told] == [1] * (ASKED_TIMES + 1)
    (given_up,) = told[-1]
    assert given_up.decoded.reply == b""
    (event,) = given_up.decoded.events
    assert (event.kind, dict(event.attributes)) == (
        "status",
        {"incomplete_message": "0704", "missing_parts": "2 of 4"},
    )
    assert given_up.decoded.seal_id == "1862"
    assert places(fed(running, frames, PATIENCE_S * 9)) == 0, "late parts start no new message"
    assert not running.is_waiting


def test_too_many_unfinished_messages_cost_the_oldest() -> None:
    running = codec()
    for number in range(MESSAGES_LIMIT + 1):
        fed(running, parts_of(serial=1000 * number)[:1])
    (given_up,) = running.overdue(1.0)
    assert dict(given_up.decoded.events[0].attributes)["missing_parts"] == "3 of 4"


@pytest.mark.parametrize("part", [(2, 0), (2, 3), (0, 0), (0, 1), (PARTS_LIMIT + 1, 1), (0xFFFF, 0xFFFF)], ids=str)
def test_a_part_that_can_be_none_is_rejected(part: tuple[int, int]) -> None:
    running = codec()
    (bad,) = running.feed(jt808_frame(0x0704, b"x", part=part))
    assert isinstance(bad, BadFrame)
    assert not running.is_waiting


def test_a_message_of_too_many_bytes_is_rejected_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jt808_parts, "MESSAGE_LIMIT_BYTES", 250)
    running = codec()
    items = [item for frame in parts_of() for item in running.feed(frame)]
    assert [isinstance(item, BadFrame) for item in items] == [False, False, True, False]
    assert len(running.overdue(0.0)) == 1
    assert places([item for item in items if isinstance(item, Heard)]) == 0


def test_parts_of_pictures_are_answered_and_not_kept() -> None:
    running = codec()
    heard = fed(running, parts_of(message_id=0x0801))
    assert len(answered(heard)) == len(heard)
    assert not running.is_waiting


@given(st.binary(max_size=900), st.integers(1, 300), st.integers(0, 0xFFFF))
def test_what_is_put_together_is_what_was_cut(body: bytes, size: int, serial: int) -> None:
    frames = parts_of(body or b"x", size, serial, message_id=0x0701)[:PARTS_LIMIT]
    running = codec()
    for frame in frames:
        running.feed(frame)
    if len(cut(body or b"x", size)) <= PARTS_LIMIT:
        assert not running.is_waiting
