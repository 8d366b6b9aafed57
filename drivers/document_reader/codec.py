"""The wire of a document reader: framed MRZ lines, and packets for presence, images and commands on the same line.

MRZ frame (profile): start bytes, lines of 7 to 44 characters with a separator between (and optionally after) them, end bytes. Default
`STX l1 CR l2 CR [l3 CR] ETX`. An empty end means that a silent line ends the frame.

Packet (our own framing, both directions, integers big-endian):

    SOH  kind  role  length u32  check  crc32 u32  body
         check = XOR of kind, role and the four length bytes; crc32 (ISO-HDLC) over kind, role, length and body

    kind I  image: role p portrait, w white light, i infrared, u ultraviolet; the body is the image file
    kind P  presence: role 1 presented, 0 removed; no body
    kind S  status, the answer to a query: role 1 a document lies there, 0 none; no body
    kind Q  from the host: role S ask for the status, R read again; no body
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from drivers.codec import EXCERPT_BYTES, BadFrame, first_mark
from drivers.document_reader.picture_file import IMAGE_LIMIT_BYTES, media_type_of

SOH = b"\x01"
HEADER = struct.Struct(">ccIBI")  # after SOH
LINE_LENGTHS = range(7, 45)
LINES_LIMIT = 3
IMAGE_ROLES = {b"p": "portrait", b"w": "white", b"i": "infrared", b"u": "ultraviolet"}
_ROLE_BYTES = {role: byte for byte, role in IMAGE_ROLES.items()}


@dataclass(frozen=True, slots=True)
class Profile:
    """How a reader frames the lines of one read."""

    start: bytes = b"\x02"
    separator: bytes = b"\r"
    end: bytes = b"\x03"
    has_packets: bool = True

    @property
    def limit_bytes(self) -> int:
        """Longest frame body that can hold lines."""
        return LINES_LIMIT * (LINE_LENGTHS[-1] + len(self.separator))


@dataclass(frozen=True, slots=True)
class MrzLines:
    """Lines of one read, exactly as sent; `raw` is the frame's body on the wire."""

    lines: tuple[str, ...]
    raw: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class ImageSent:
    """One image file, undecoded."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """A document was presented or removed."""

    is_presented: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The reader lives; whether a document lies on it."""

    is_presented: bool


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """From the host: tell the status."""


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """From the host: read the document once more."""


Message = MrzLines | ImageSent | Presence | Status | StatusQuery | ReadAgain

_FIXED: dict[tuple[bytes, bytes], Message] = {
    (b"P", b"1"): Presence(is_presented=True),
    (b"P", b"0"): Presence(is_presented=False),
    (b"S", b"1"): Status(is_presented=True),
    (b"S", b"0"): Status(is_presented=False),
    (b"Q", b"S"): StatusQuery(),
    (b"Q", b"R"): ReadAgain(),
}
_FIXED_BYTES = {message: key for key, message in _FIXED.items()}


class DocumentReaderCodec:
    """Both directions of the wire; memory stays below one image plus one chunk."""

    def __init__(self, profile: Profile, image_limit_bytes: int = IMAGE_LIMIT_BYTES) -> None:
        self._profile = profile
        self._image_limit_bytes = image_limit_bytes
        self.dropped_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Forget an unfinished frame, as after a reconnection."""
        self._buffer = bytearray()
        self._is_inside = False  # an MRZ frame
        self._overrun_bytes = 0
        self._excerpt = b""
        self._header: tuple[bytes, bytes, int, int] | None = None
        self._skip_bytes = 0

    @property
    def is_inside_packet(self) -> bool:
        """True while the body of a packet with a good header is arriving."""
        return self._header is not None

    def feed(self, received: bytes) -> list[Message | BadFrame]:
        """Return the messages that are complete after these bytes."""
        messages: list[Message | BadFrame] = []
        view = memoryview(received)
        for offset in range(0, len(view), 65_536):
            self._buffer += view[offset : offset + 65_536]
            while self._advance(messages):
                pass
        return messages

    def silence(self) -> list[Message | BadFrame]:
        """Return what a silent line ends: the frame of a profile without end bytes, or a frame that was torn."""
        ending: list[Message | BadFrame] = []
        if self._header is not None:
            arrived = len(self._buffer) if not self._skip_bytes else 0
            ending.append(BadFrame("packet torn by silence", arrived))
        elif self._is_inside and not self._profile.end:
            ending.append(self._finished(bytes(self._buffer)))
        elif self._is_inside or self._buffer:
            length = len(self._buffer) + self._overrun_bytes
            excerpt = self._excerpt or bytes(self._buffer[:EXCERPT_BYTES])
            ending.append(BadFrame("frame torn by silence", length, excerpt))
        self.reset()
        return ending

    def encode(self, message: Message) -> bytes:
        """Return the bytes of a message. Raises ValueError for an image role that has no byte."""
        if isinstance(message, MrzLines):
            body = b"".join(line.encode("ascii") + self._profile.separator for line in message.lines)
            return self._profile.start + body + self._profile.end
        if isinstance(message, ImageSent):
            if message.role not in _ROLE_BYTES:
                raise ValueError(f"an image has one of the roles {', '.join(_ROLE_BYTES)}")
            return packet(b"I", _ROLE_BYTES[message.role], message.content)
        return packet(*_FIXED_BYTES[message], b"")

    # ---- decoding

    def _advance(self, messages: list[Message | BadFrame]) -> bool:
        """Take one step; False when more bytes are needed."""
        if self._header is not None:
            return self._packet_body(messages)
        packet_mark = SOH if self._profile.has_packets else b""
        if not self._is_inside and not self._profile.start and self._buffer and self._buffer[:1] != packet_mark:
            self._is_inside = True
        marks = {"start": self._profile.start, "packet": packet_mark}
        if self._is_inside:
            marks["end"] = self._profile.end
        found = first_mark(self._buffer, marks)
        if found is None:
            self._give_back(max(len(mark) for mark in marks.values()))
            return False
        after, at, name = found
        if name == "packet" and len(self._buffer) - at < 1 + HEADER.size:
            if not self._is_inside:  # noise before it is gone, as it is when it comes alone
                self.dropped_bytes += at
                del self._buffer[:at]
            return False
        body = bytes(self._buffer[:at])
        del self._buffer[:after]
        self._leave(body, name, messages)
        if name == "packet":
            self._packet_header(messages)
        return True

    def _leave(self, body: bytes, mark: str, messages: list[Message | BadFrame]) -> None:
        """Account for what stood before a mark."""
        if not self._is_inside:
            self.dropped_bytes += len(body)
        elif mark == "end":
            messages.append(self._finished(body))
        else:
            length = len(body) + self._overrun_bytes
            messages.append(BadFrame("frame torn by a new one", length, self._excerpt or body[:EXCERPT_BYTES]))
        self._is_inside = mark == "start"
        self._overrun_bytes = 0
        self._excerpt = b""

    def _give_back(self, mark_bytes: int) -> None:
        """Keep no more than a frame that can still be good, and what may be the first bytes of a mark."""
        kept = max(mark_bytes - 1, 0)
        surplus = len(self._buffer) - kept
        if not self._is_inside and surplus > 0:
            self.dropped_bytes += surplus
            del self._buffer[:surplus]
        elif self._is_inside and surplus > self._profile.limit_bytes:
            self._excerpt = self._excerpt or bytes(self._buffer[:EXCERPT_BYTES])
            self._overrun_bytes += surplus
            del self._buffer[:surplus]

    def _finished(self, body: bytes) -> MrzLines | BadFrame:
        length = len(body) + self._overrun_bytes
        if length > self._profile.limit_bytes:
            return BadFrame("frame too long", length, self._excerpt or body[:EXCERPT_BYTES], is_too_long=True)
        separator = self._profile.separator
        return mrz_lines(body.removesuffix(separator).split(separator), body)

    def _packet_header(self, messages: list[Message | BadFrame]) -> None:
        kind, role, length, check, crc = HEADER.unpack_from(self._buffer)
        if reduce(xor, self._buffer[:6]) != check:
            messages.append(BadFrame("packet header damaged", 1, bytes(self._buffer[: HEADER.size])))
            return  # only the SOH is gone: a good frame may begin inside these bytes
        del self._buffer[: HEADER.size]
        self._header = (kind, role, length, crc)
        if length > self._image_limit_bytes:
            self._skip_bytes = length

    def _packet_body(self, messages: list[Message | BadFrame]) -> bool:
        assert self._header is not None
        kind, role, length, crc = self._header
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(self._buffer))
            del self._buffer[:skipped]
            self._skip_bytes -= skipped
            if not self._skip_bytes:
                self._header = None
                messages.append(BadFrame("image too large", length, is_too_long=True))
            return not self._skip_bytes
        if len(self._buffer) < length:
            return False
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._header = None
        if zlib.crc32(body, zlib.crc32(struct.pack(">ccI", kind, role, length))) != crc:
            messages.append(BadFrame("packet damaged", length, body[:EXCERPT_BYTES]))
        else:
            messages.append(_meaning(kind, role, body))
        return True


def _meaning(kind: bytes, role: bytes, body: bytes) -> Message | BadFrame:
    if kind == b"I" and role in IMAGE_ROLES:
        media_type = media_type_of(body)
        if not media_type:
            return BadFrame("image of no known type", len(body), body[:EXCERPT_BYTES])
        return ImageSent(IMAGE_ROLES[role], media_type, body)
    message = _FIXED.get((kind, role))
    if message is None or body:
        return BadFrame("packet of no known kind", len(body), body[:EXCERPT_BYTES])
    return message


def mrz_lines(pieces: Sequence[bytes], body: bytes) -> MrzLines | BadFrame:
    """Return the lines of one read, misread characters kept in place; `BadFrame` when they can be no machine readable zone."""
    excerpt = body[:EXCERPT_BYTES]
    if not 1 <= len(pieces) <= LINES_LIMIT:
        return BadFrame(f"{len(pieces)} lines", len(body), excerpt)
    for piece in pieces:
        if any(not 0x20 <= byte <= 0x7E for byte in piece):
            return BadFrame("line with a byte that is no character", len(body), excerpt)
        if len(piece) not in LINE_LENGTHS:
            return BadFrame(f"line of {len(piece)} characters", len(body), excerpt)
    return MrzLines(tuple(piece.decode("ascii") for piece in pieces), body)


def packet(kind: bytes, role: bytes, body: bytes) -> bytes:
    """Return one packet with its checks."""
    head = struct.pack(">ccI", kind, role, len(body))
    return SOH + head + bytes([reduce(xor, head)]) + struct.pack(">I", zlib.crc32(body, zlib.crc32(head))) + body


def image_of(role: str, content: bytes) -> ImageSent:
    """Return an image message with the media type that its first bytes say. Raises ValueError for a type no reader sends."""
    media_type = media_type_of(content)
    if not media_type:
        raise ValueError("the image is no JPEG, JPEG 2000 or PNG file")
    return ImageSent(role, media_type, content)
