"""The wire: `02`, kind, length (two bytes, high first), content, and the exclusive or of everything after the `02`.

A codec has no clock, no socket and no endless memory. Received bytes never make it raise: what is no frame comes out as `BadFrame`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

from drivers.codec import BadFrame, SteppingCodec

START = 0x02
HEAD_BYTES = 4
CONTENT_LIMIT_BYTES = 2048
SYMBOL, VERSION, QUESTION, BEEP = b"SVQB"


@dataclass(frozen=True, slots=True)
class Symbol:
    """From the device: what it read."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Version:
    """From the device: its answer to `Question`."""

    name: str


@dataclass(frozen=True, slots=True)
class Question:
    """To the device: which version are you? Serves as the sign of life."""


@dataclass(frozen=True, slots=True)
class Beep:
    """To the device: sound the beeper."""


Message = Symbol | Version | Question | Beep


class ExampleCodec(SteppingCodec[Message]):
    """Both directions, so that driver, twin and replay share it."""

    def __init__(self) -> None:
        super().__init__("bytes that are no frame")

    def encode(self, message: Message) -> bytes:
        """Return a frame. Raises `ValueError` when the content is too long."""
        match message:
            case Symbol(payload):
                kind, content = SYMBOL, payload
            case Version(name):
                kind, content = VERSION, name.encode("ascii")
            case Question():
                kind, content = QUESTION, b""
            case Beep():
                kind, content = BEEP, b""
        if len(content) > CONTENT_LIMIT_BYTES:
            raise ValueError(f"a frame holds at most {CONTENT_LIMIT_BYTES} bytes")
        body = bytes([kind]) + len(content).to_bytes(2, "big") + content
        return bytes([START]) + body + bytes([reduce(xor, body)])

    def take(self, buffer: bytearray) -> tuple[int, Message | BadFrame | None] | None:
        """Return the frame at the beginning and its length, `(1, None)` to step over a byte, None while more bytes are needed."""
        if buffer[0] != START:
            return 1, None
        if len(buffer) < HEAD_BYTES:
            return None
        length = HEAD_BYTES + int.from_bytes(buffer[2:HEAD_BYTES], "big") + 1
        if length > HEAD_BYTES + CONTENT_LIMIT_BYTES + 1:
            return 1, None
        if len(buffer) < length:
            return None
        message = _message(buffer[1], bytes(buffer[HEAD_BYTES : length - 1]))
        if message is None or reduce(xor, buffer[1:length]):
            return 1, None
        return length, message


def _message(kind: int, content: bytes) -> Message | None:
    if kind == SYMBOL:
        return Symbol(content)
    if kind == VERSION and content.isascii():
        return Version(content.decode("ascii"))
    if kind in {QUESTION, BEEP} and not content:
        return Question() if kind == QUESTION else Beep()
    return None
