"""What the contract suite cannot know: this device's frames and its own commands."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from egate_example_reader.codec import CONTENT_LIMIT_BYTES, Beep, ExampleCodec, Message, Question, Symbol, Version
from egate_example_reader.driver import build
from egate_example_reader.twin import ExampleTwin
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import BadFrame
from drivers.contracts import DeviceEvent, DeviceState, Unsupported
from gate_agent.clock import SystemClock

MESSAGES = st.one_of(
    st.binary(max_size=64).map(Symbol),
    st.text(st.characters(max_codepoint=127), max_size=16).map(Version),
    st.sampled_from([Question(), Beep()]),
)


@given(st.lists(MESSAGES, max_size=5))
def test_byte_by_byte_is_the_same_as_at_once(messages: list[Message]) -> None:
    encoder, at_once, slowly = ExampleCodec(), ExampleCodec(), ExampleCodec()
    wire = b"".join(encoder.encode(message) for message in messages)
    assert at_once.feed(wire) == messages
    assert [message for byte in wire for message in slowly.feed(bytes([byte]))] == messages


@given(MESSAGES, st.data())
def test_one_flipped_bit_is_never_another_message(message: Message, draw: st.DataObject) -> None:
    wire = bytearray(ExampleCodec().encode(message))
    bit = draw.draw(st.integers(0, len(wire) * 8 - 1))
    wire[bit // 8] ^= 1 << bit % 8
    codec = ExampleCodec()
    heard = [*codec.feed(bytes(wire)), *codec.silence()]
    assert message not in heard
    assert any(isinstance(one, BadFrame) for one in heard)


@given(st.binary(max_size=200))
def test_any_bytes_are_survived_and_the_next_frame_is_found(noise: bytes) -> None:
    codec = ExampleCodec()
    codec.feed(noise)
    codec.silence()
    assert codec.feed(codec.encode(Symbol(b"next"))) == [Symbol(b"next")]


def test_a_symbol_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        ExampleCodec().encode(Symbol(bytes(CONTENT_LIMIT_BYTES + 1)))


async def until(is_met: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_met():  # noqa: ASYNC110 - a twin and a driver, looked at now and then
            await asyncio.sleep(0.01)


async def test_it_beeps_where_it_can(tmp_path: Path) -> None:
    twin = ExampleTwin(tmp_path / "reader")
    await twin.plug()
    events: list[DeviceEvent] = []
    reader = build("reader-1", {"path": str(twin.path)}, events.append, SystemClock())
    running = asyncio.create_task(reader.run())
    try:
        await until(lambda: reader.state is DeviceState.READY)
        await reader.beep()
        await until(lambda: twin.beeps)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await twin.unplug()
    mute = build("reader-2", {"path": "/dev/nothing", "has_beeper": False}, events.append, SystemClock())
    with pytest.raises(Unsupported):
        await mute.beep()
