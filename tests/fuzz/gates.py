"""Barriers: what a Modbus box may answer to our questions, over TCP and on a serial line, and what a turnstile may tell."""

from __future__ import annotations

from typing import Any

from drivers.barrier.board import DoorBoard
from drivers.barrier.board_maps import GENERIC, read_map
from drivers.barrier.errors import ModbusMismatch, ModbusRefused
from drivers.barrier.modbus import (
    Adu,
    Function,
    MbapCodec,
    Request,
    parse_request,
    parse_response,
    request_pdu,
    response_pdu,
)
from drivers.barrier.modbus_rtu import RtuCodec
from drivers.barrier.signals import poll_plan
from drivers.barrier.turnstile_codec import Command, TurnstileCodec
from drivers.barrier.turnstile_twin import LOCK, STATUS, WORDS
from drivers.codec import BadFrame
from drivers.contracts import BarrierInputs, DeviceEvent
from drivers.registry import build
from drivers.tape import TapeEntry
from gate_agent.clock import SystemClock
from tests.fuzz.target import Target, cut, layers

_UNIT = 1
_TABLE = read_map(GENERIC)  # read once: a file for each execution would take most of the time
_PLAN = poll_plan(_TABLE)
_ASKED = (*_PLAN, Request(Function.WRITE_COIL, 1, values=(1,)), Request(Function.WRITE_REGISTER, 0, values=(50,)))
_CHOICE = len(_ASKED)


def _tcp_stream(content: bytes) -> bool:
    """In any pieces the same frames; every byte is in a frame, dropped or in the buffer, and our encoder writes the frames again."""
    codec, pieces = MbapCodec(), MbapCodec()
    frames = codec.feed(content)
    assert [one for piece in cut(content) for one in pieces.feed(piece)] == frames
    wire = b"".join(map(codec.encode, frames))
    assert len(wire) + codec.dropped_bytes + len(codec._buffer) == len(content)
    assert MbapCodec().feed(wire) == frames
    return bool(frames)


def _rtu_stream(content: bytes) -> bool:
    is_understood = False
    for side in ("requests", "replies"):
        codec, pieces = RtuCodec(side), RtuCodec(side)  # type: ignore[arg-type] # the two there are
        whole = _frames(codec, content)
        assert _frames(pieces, *cut(content)) == whole
        again = RtuCodec(side)  # type: ignore[arg-type] # as above
        for frame in whole:
            assert again.feed(codec.encode(frame)) == [frame]
        is_understood = is_understood or bool(whole)
    return is_understood


def _turnstile_stream(content: bytes) -> bool:
    codec, pieces = TurnstileCodec(), TurnstileCodec()
    whole = _frames(codec, content)
    assert _frames(pieces, *cut(content)) == whole
    for frame in whole:
        assert TurnstileCodec().feed(codec.encode(frame)) == [frame]
    return bool(whole)


def _frames(codec: Any, *chunks: bytes) -> list[Any]:
    return [one for chunk in chunks for one in codec.feed(chunk) if not isinstance(one, BadFrame)]


def _answer(content: bytes) -> bool:
    """An answer to one of our questions gives as many values as were asked for, each in its range, or one of two faults."""
    if not content:
        return False
    request = _ASKED[content[0] % _CHOICE]
    try:
        values = parse_response(request, content[1:])
    except (ModbusMismatch, ModbusRefused):
        return False
    is_read = not request.values
    assert len(values) == (request.count if is_read else 0)
    limit = 1 if request.function in {Function.READ_COILS, Function.READ_DISCRETE_INPUTS} else 0xFFFF
    assert all(0 <= value <= limit for value in values)
    return True


def _question(content: bytes) -> bool:
    """A question is refused with an exception, or our encoder writes one that means the same (unused bits of coils may differ)."""
    try:
        request = parse_request(content)
    except ModbusRefused as refused:
        if refused.exception not in {1, 3}:
            raise  # nothing else is the question's own fault
        return False
    assert parse_request(request_pdu(request)) == request, "what our encoder writes means the same"
    return True


def _box(driver_name: str, options: dict[str, object], codec: Any, content: bytes) -> bool:
    """The driver on a tape: our own polls, and between them whatever the box may send."""
    events: list[DeviceEvent] = []
    driver: Any = build("barrier", driver_name, options, events.append, SystemClock())
    tape, size = [TapeEntry(0.0, "open", b"")], max(1, len(content) // len(_PLAN))
    for number, request in enumerate(_PLAN):
        asked = codec.encode(Adu(number + 1, _UNIT, request_pdu(request)))
        end = None if number == len(_PLAN) - 1 else (number + 1) * size
        tape.append(TapeEntry(1.0 + number, "tx", asked))
        tape.append(TapeEntry(1.1 + number, "rx", content[number * size : end]))
    driver.replay(tape)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return any(isinstance(event.data, BarrierInputs) for event in events)


def _tcp_box(content: bytes) -> bool:
    return _box("modbus_barrier", {"host": "tape", "table": _TABLE}, MbapCodec(), content)


def _rtu_box(content: bytes) -> bool:
    return _box("modbus_rtu_barrier", {"path": "tape", "parity": "N", "table": _TABLE}, RtuCodec("requests"), content)


def _pdus() -> list[bytes]:
    """What the twin's board answers to each of our polls."""
    board = DoorBoard()
    return [response_pdu(request, board.read(request)) for request in _PLAN]


def modbus() -> Target:
    """Streams over TCP and on a serial line, questions and answers, and the driver on both lines."""
    pdus = _pdus()
    tcp = [MbapCodec().encode(Adu(number + 1, _UNIT, pdu)) for number, pdu in enumerate(pdus)]
    rtu = [RtuCodec("replies").encode(Adu(0, _UNIT, pdu)) for pdu in pdus]
    questions = [request_pdu(request) for request in _ASKED]
    many = [
        request_pdu(Request(Function.WRITE_COILS, 0, 3, (1, 0, 1))),
        request_pdu(Request(Function.WRITE_REGISTERS, 0, 2, (7, 65_535))),
    ]
    asked = [RtuCodec("requests").encode(Adu(0, _UNIT, question)) for question in questions]
    numbered = [bytes([number]) + pdu for number, pdu in enumerate(pdus)]
    numbered += [bytes([0]) + b"\x82\x02", bytes([_CHOICE - 2]) + questions[-2], bytes([_CHOICE - 1]) + questions[-1]]
    return layers(
        (_tcp_stream, [*tcp, b"".join(tcp)]),
        (_rtu_stream, [*rtu, *asked, b"".join(rtu)]),
        (_answer, numbered),
        (_question, [*questions, *many]),
        (_tcp_box, [b"".join(tcp)]),
        (_rtu_box, [b"".join(rtu)]),
        limit_bytes=128,
    )


def _turnstile_driver(content: bytes) -> bool:
    events: list[DeviceEvent] = []
    options = {
        "path": "tape",
        "entrance_release": "49",
        "lock": LOCK.hex(),
        "status": STATUS.hex(),
        "told": WORDS,
        "wait_s": 3.0,
    }
    driver: Any = build("barrier", "turnstile_serial", options, events.append, SystemClock())
    half = len(content) // 2
    release = TurnstileCodec().encode(Command(b"H"))
    driver.replay(
        [
            TapeEntry(0.0, "open", b""),
            TapeEntry(0.1, "rx", content[:half]),
            TapeEntry(0.2, "tx", release),
            TapeEntry(0.21, "rx", content[half:]),
        ]
    )
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return any(isinstance(event.data, BarrierInputs) for event in events)


def turnstile() -> Target:
    """A stream, and the driver on it."""
    words = [TurnstileCodec().encode(Command(bytes.fromhex(word))) for word in WORDS]
    return layers(
        (_turnstile_stream, [*words, b"".join(words)]),
        (_turnstile_driver, [b"".join(words), b"".join(reversed(words))]),
        limit_bytes=128,
    )
