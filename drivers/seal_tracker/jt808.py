"""JT/T 808 as electronic locks speak it, sans-IO: framing, header, checksum and the answers 8001, 8100, 8109 and 4401.

`7E`, header, body, XOR of header and body, `7E`; `7D 01` stands for `7D`, `7D 02` for `7E`. Some units use `E7` with escapes of their
own. Header: id u16, attributes u16, [version u8], phone BCD (6 bytes; 10 with a version, 7 with `E7`), serial u16 (u8 for 5501 and
5502). Source: JT/T 808-2011 §4 and 808-2019 §4; places and locks are in `jt808_location`.
"""

from __future__ import annotations

import functools
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from drivers.checksums import xor
from drivers.seal_commands import UnlockOutcome
from drivers.seal_tracker import jt808_location as location
from drivers.seal_tracker.codec import Measure
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import CommandAnswer, DecodedFrame, SealEvent
from drivers.seal_tracker.fields import Cursor, shown, shown_bytes, structured
from drivers.seal_tracker.jt808_fields import STANDARD, FieldTable, TerminalModels
from drivers.seal_tracker.jt808_parts import PartOf, Parts
from drivers.seal_tracker.reading import Attributes, message_event

FRAME_LIMIT_BYTES = 2200
"""A body has at most 1023 bytes, header and checksum 19; escaping can double them."""

TEXT_START, TEXT_END = 0x28, 0x29
_ESCAPES: dict[int, tuple[tuple[bytes, bytes], ...]] = {
    0x7E: ((b"\x7d", b"\x7d\x01"), (b"\x7e", b"\x7d\x02")),
    0xE7: ((b"\xe6", b"\xe6\x01"), (b"\xe7", b"\xe6\x02"), (b"\x3e", b"\x3e\x01"), (b"\x3d", b"\x3e\x02")),
}
DELIMITERS = bytes(_ESCAPES)
_SHORT_SERIAL = (0x5501, 0x5502)
_ENCRYPTED = 0x1C00
_SUB_PACKETS = 0x2000
_HAS_VERSION = 0x4000
_ANSWER_4401 = 0x8000
VEHICLE_CONTROL = 0x8500
_DOOR_LOCKED = 1 << 12
_TERMINALS_LIMIT = 64
_IN_PARTS = frozenset({0x0104, 0x0107, 0x0200, 0x0201, 0x0210, 0x0701, 0x0702, 0x0704, 0x0900, 0x1300, 0x6006})
"""Messages that say something to us, so that their parts are kept; those of pictures and sounds are answered and dropped."""

_NO_ANSWER = frozenset({0x0001, 0x0104, 0x0201, 0x0500, 0x0701, 0x0702, 0x1300, 0x2070})


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `phone` is the identity as sent; `serial` is echoed by answers."""

    message_id: int
    phone: bytes
    serial: int
    body: bytes
    delimiter: int = 0x7E
    version: int | None = None
    flags: int = 0
    part: tuple[int, int] | None = None
    """Of a message in parts: how many there are, and which one this is, from 1."""

    @property
    def device_id(self) -> str:
        """Decimal digits as they are, without leading zeros; six binary bytes are an IMEI without its check digit."""
        digits = self.phone.hex()
        if digits.isdecimal():
            return digits.lstrip("0") or "0"
        imei = str(int.from_bytes(self.phone[:6], "big"))
        return imei + str(_luhn(imei))


def frame_size(pending: bytearray) -> int | None:
    """Return where the frame at the start ends. The end mark may be the start of the next frame, so that one lost byte costs one frame."""
    first = pending[0]
    if first == TEXT_START:
        return _text_size(pending)
    if first not in DELIMITERS:
        return 0
    if len(pending) == 1:
        return None
    if pending[1] in (first, TEXT_START):
        return -1
    end = pending.find(first, 1)
    return end + 1 if end > 0 else None


def _text_size(pending: bytearray) -> int | None:
    end = pending.find(TEXT_END)
    inner = pending[1 : end if end > 0 else len(pending)]
    if not inner.isascii() or any(byte < 0x20 or byte == TEXT_START for byte in inner):
        return 0
    return end + 1 if end > 0 else None


def unwrap(frame: bytes) -> bytes:
    """Return the frame un-escaped; an escape that is none stays as it is, and length or checksum then do not hold."""
    escapes = _ESCAPES.get(frame[0])
    if escapes is None:
        return frame
    content = frame[1:-1]
    for plain, escaped in reversed(escapes):
        content = content.replace(escaped, plain)
    return frame[:1] + content + frame[-1:]


def parse(frame: bytes) -> Message:
    """Return the message of one un-escaped frame. Raises `SealFrameRejected` when length or checksum do not hold."""
    if len(frame) < 14 or frame[0] not in _ESCAPES or frame[-1] != frame[0]:
        raise SealFrameRejected("not a JT/T 808 frame: shorter than 14 bytes or without its delimiters")
    check = xor(frame[1:-2])
    if check != frame[-2]:
        raise SealFrameRejected(f"checksum {frame[-2]:02x}, the frame gives {check:02x}")
    message_id, flags = struct.unpack_from(">HH", frame, 1)
    version = frame[5] if flags & _HAS_VERSION else None
    at = 5 if version is None else 6
    phone_end = at + (10 if version is not None else 7 if frame[0] == 0xE7 else 6)
    is_short = message_id in _SHORT_SERIAL
    body_at = phone_end + (1 if is_short else 2)
    body = frame[body_at:-2]
    part = None
    if not is_short and flags & _SUB_PACKETS:
        if len(body) < 4:
            raise SealFrameRejected("part of a message without its number")
        part, body = (int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")), body[4:]
    if flags & 0x03FF != len(body):
        raise SealFrameRejected(f"length field says {flags & 0x03FF} bytes, the body has {len(body)}")
    serial = int.from_bytes(frame[phone_end:body_at], "big")
    return Message(message_id, frame[at:phone_end], serial, body, frame[0], version, flags, part)


def encode(message: Message) -> bytes:
    """Return the bytes of a message on the wire; `parse(unwrap(…))` gives it back."""
    flags = message.flags & ~0x63FF | len(message.body) | (_SUB_PACKETS if message.part else 0)
    head = struct.pack(">HH", message.message_id, flags | (_HAS_VERSION if message.version is not None else 0))
    if message.version is not None:
        head += bytes((message.version,))
    serial_bytes = 1 if message.message_id in (*_SHORT_SERIAL, 0x4401) else 2
    part = struct.pack(">HH", *message.part) if message.part else b""
    content = head + message.phone + message.serial.to_bytes(serial_bytes, "big") + part + message.body
    content += bytes((xor(content),))
    for plain, escaped in _ESCAPES[message.delimiter]:
        content = content.replace(plain, escaped)
    mark = bytes((message.delimiter,))
    return mark + content + mark


def _answer(message: Message, message_id: int, body: bytes, serial: int = 0) -> bytes:
    return encode(Message(message_id, message.phone, serial, body, message.delimiter, message.version))


def _reply(message: Message) -> bytes:
    """Return the acknowledgement that a message is owed."""
    if message.message_id == 0x0100:
        token = message.device_id.encode("ascii")
        return _answer(message, 0x8100, struct.pack(">HB", message.serial, 0) + token)
    if message.message_id in _SHORT_SERIAL:
        if not message.flags & _ANSWER_4401:
            return b""
        return _answer(message, 0x4401, struct.pack(">HB", message.message_id, 0), serial=1)
    if message.message_id in _NO_ANSWER:
        return b""
    return _answer(message, 0x8001, struct.pack(">HHB", message.serial, message.message_id, 0))


def _clock(message: Message, now: datetime) -> bytes:
    moment = struct.pack(">H6B", now.year, now.month, now.day, now.hour, now.minute, now.second, 0)
    return _answer(message, 0x8109, moment)


def _text_clock(frame: bytes, now: datetime) -> bytes:
    return frame.replace(b"TIME", f"{now:%Y%m%d%H%M%S}".encode("ascii"))


class Connection:
    """What one connection remembers: messages of which parts are missing. Models of terminals belong to the whole port."""

    def __init__(self) -> None:
        self._parts = Parts()
        self._now_s = 0.0
        self._heads: OrderedDict[str, tuple[Message, FieldTable]] = OrderedDict()

    @property
    def frame_size(self) -> Measure:
        """How frames are measured."""
        return frame_size

    @property
    def is_waiting(self) -> bool:
        """Whether parts are missing, so that `overdue` has to be asked now and then."""
        return self._parts.is_waiting

    def at(self, now_s: float) -> None:
        """Say what time it is before bytes are decoded."""
        self._now_s = now_s

    def decode(
        self, frame: bytes, clock_offset_h: int = location.CLOCK_OFFSET_H, models: TerminalModels | None = None
    ) -> DecodedFrame:
        """Return what one un-escaped frame says; of a message in parts with the last one that was missing. Raises `SealFrameRejected`."""
        return decode(frame, clock_offset_h, models, functools.partial(self._whole, models))

    def overdue(self) -> list[DecodedFrame]:
        """Return the requests (8003) for parts that are missing for too long, and a `status` for each message that was given up."""
        told = []
        for key, missing, is_given_up in self._parts.overdue(self._now_s):
            head = Message(key.message_id, key.phone, key.first_serial, b"", key.delimiter, key.version)
            attributes: Attributes = (
                ("incomplete_message", f"{key.message_id:04x}"),
                ("missing_parts", f"{len(missing)} of {key.total}"),
            )
            events = message_event(attributes) if is_given_up else ()
            told.append(
                DecodedFrame(head.device_id, "parts", events, b"" if is_given_up else _again(head, key, missing))
            )
        return told

    def unlock(self, seal_id: str, serial: int) -> bytes | None:
        """Return 8500 for a terminal whose model is known to obey it: a flag (bit 0 clear unlocks) before 2019, a list of controls since.

        Source: JT/T 808-2011 §8.26, 808-2019 §8.37 (control 0001, door, 1 opens).
        """
        head, table = self._heads.get(seal_id, (None, STANDARD))
        if head is None or not table.has_vehicle_control:
            return None
        body = b"\x00" if head.version is None else struct.pack(">HHB", 1, 0x0001, 1)
        return _answer(head, VEHICLE_CONTROL, body, serial)

    def _whole(self, models: TerminalModels | None, message: Message) -> Message | None:
        if models is not None:
            self._heads[message.device_id] = replace(message, body=b""), models.table_of(message.device_id)
            self._heads.move_to_end(message.device_id)
            while len(self._heads) > _TERMINALS_LIMIT:
                self._heads.popitem(last=False)
        if message.part is None:
            return message
        total, number = message.part
        if message.message_id not in _IN_PARTS:
            return None
        first = (message.serial - number + 1) & 0xFFFF
        key = PartOf(message.phone, message.message_id, total, first, message.delimiter, message.version)
        body = self._parts.add(key, number, message.body, self._now_s)
        if body is None:
            return None
        return replace(message, serial=key.first_serial, body=body, part=None)


def _again(head: Message, key: PartOf, missing: tuple[int, ...]) -> bytes:
    """Return the request 8003: serial of part 1, count (a byte; two from 2019 on), and the numbers of the parts."""
    count = struct.pack(">HB" if head.version is None else ">HH", key.first_serial, len(missing))
    return _answer(head, 0x8003, count + struct.pack(f">{len(missing)}H", *missing))


def _as_it_is(message: Message) -> Message | None:
    return message if message.part is None else None


@structured
def decode(
    frame: bytes,
    clock_offset_h: int = location.CLOCK_OFFSET_H,
    models: TerminalModels | None = None,
    whole: Callable[[Message], Message | None] = _as_it_is,
) -> DecodedFrame:
    """Return what one un-escaped frame says and the answer it is owed. Raises `SealFrameRejected`.

    `whole` gives a message in parts once all are there, and None before; without a connection there is no more than one part.
    """
    if frame[:1] == b"(" and b"BASE,2" in frame:
        return DecodedFrame("", "text", (), clock_reply=functools.partial(_text_clock, frame))
    if frame[:1] == b"(":
        return DecodedFrame("", "text", message_event((("result", shown_bytes(frame)),)))
    message = parse(frame)
    name = f"{message.message_id:04x}"
    if message.message_id == 0x0109:
        return DecodedFrame(message.device_id, name, (), clock_reply=functools.partial(_clock, message))
    is_short = message.message_id in _SHORT_SERIAL
    if not is_short and message.flags & _ENCRYPTED:
        raise SealFrameRejected("the body is encrypted")
    complete = whole(message)
    if complete is None:
        return DecodedFrame(message.device_id, name, (), _reply(message))
    table = STANDARD
    if models is not None:
        models.registered(message.device_id, _model(complete))
        table = models.table_of(message.device_id)
    events = _events(complete, clock_offset_h, table)
    return DecodedFrame(message.device_id, name, events, _reply(message), answer=_command_answer(complete))


def _command_answer(message: Message) -> CommandAnswer | None:
    """Return what a terminal answers to 8500: 0500 with its state, or 0001 that it will not; that it got it says nothing yet."""
    body = message.body
    if message.message_id == 0x0500 and len(body) >= 10:
        is_locked = int.from_bytes(body[6:10], "big") & _DOOR_LOCKED
        return CommandAnswer(
            int.from_bytes(body[:2], "big"), UnlockOutcome.REFUSED if is_locked else UnlockOutcome.CONFIRMED
        )
    if message.message_id == 0x0001 and len(body) == 5 and int.from_bytes(body[2:4], "big") == VEHICLE_CONTROL:
        return CommandAnswer(int.from_bytes(body[:2], "big"), UnlockOutcome.REFUSED if body[4] else None)
    return None


def _model(message: Message) -> str:
    """Return the model's name from a registration (0100) or the terminal's own description (0107), empty in any other message."""
    size, name = len(message.body), b""
    if message.message_id == 0x0107:
        name = message.body[7:27]
    elif message.message_id == 0x0100 and message.version is not None:
        name = message.body[15:45]  # from 2019 on
    elif message.message_id == 0x0100 and size >= 25:
        name = message.body[9:29] if size >= 37 else message.body[9:17]  # from 2013 on 20 bytes, 8 before
    return shown_bytes(name.strip(b" \x00"))


def _events(message: Message, offset_h: int, table: FieldTable) -> tuple[SealEvent, ...]:
    body = Cursor(message.body)
    match message.message_id:
        case 0x0200:
            return location.report(body, offset_h, table)
        case 0x0201 | 0x0500:
            body.skip(2)
            return location.report(body, offset_h, table)
        case 0x5501 | 0x5502:
            return location.lock_report(body, is_valid=message.message_id == 0x5501)
        case 0x0210 if body.left == 7:
            level = (("battery_percent", str(body.u8())),)
            return message_event(level, location.bcd_time(body.take(6), offset_h))
        case 0x0704 | 0x0210:
            return location.batch(body, offset_h, table, is_long=message.message_id == 0x0704)
        case 0x0002 if body.left >= 2:
            return message_event((("battery_percent", str(body.u8())), ("gsm", str(body.u8()))))
        case 0x0702:
            return _card(body, offset_h)
        case 0x0900:
            return location.transparent(body, offset_h)
        case 0x0107:
            body.skip(34)
            return message_event((("iccid", body.take(10).hex()),))
        case 0x0701 | 0x6006 | 0x1300:
            return message_event((("result", _text(message)),))
        case 0x0104 | 0x2070:
            return message_event(())
    return ()


def _text(message: Message) -> str:
    if message.message_id == 0x0701:
        body = Cursor(message.body)
        return shown_bytes(body.take(body.u32()), 256)
    if message.message_id == 0x6006:
        return shown(message.body[1:].decode("gbk", "replace"), 256)
    return shown(message.body[2:].decode("utf-16-be", "replace"), 256)


def _card(body: Cursor, offset_h: int) -> tuple[SealEvent, ...]:
    """0702: a card was put on the reader, or taken off."""
    status, moment, result = body.u8(), location.bcd_time(body.take(6), offset_h), body.u8()
    body.skip(body.u8())  # the holder's name is not ours to keep
    attributes: Attributes = (
        ("card_status", str(status)),
        ("card_result", str(result)),
        ("actor", shown_bytes(body.take(20))),
    )
    return message_event(attributes, moment)


def _luhn(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10
