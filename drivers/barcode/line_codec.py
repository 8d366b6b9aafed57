"""Line-framed bar code readers: optional prefix, optional AIM identifier, payload, suffix (or a silent line).

Every symbol is hostile input: payloads stay bytes, at most `limit_bytes` of one are ever kept, and a longer one comes out as one `BadFrame`.
A payload may itself begin with `]` or hold line ends, so the AIM identifier is cut off only when the profile says that the reader sends it.
AIM identifiers: ISO/IEC 15424.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.codec import EXCERPT_BYTES, BadFrame, first_mark

PAYLOAD_LIMIT_BYTES = 8 * 1024
REPLY_LIMIT_BYTES = 512
AIM_BYTES = 3
SYMBOLOGIES = {
    "E": "UPC/EAN",
    "A": "Code 39",
    "C": "Code 128",
    "L": "PDF417",
    "d": "Data Matrix",
    "Q": "QR",
    "z": "Aztec",
    "I": "ITF",
    "G": "Code 93",
    "F": "Codabar",
    "e": "DataBar",
    "X": "other",
}


def split_aim_id(body: bytes) -> tuple[str, bytes]:
    """Return the AIM identifier that a symbol begins with, and its payload; an empty identifier when it begins with none."""
    if body[:1] == b"]" and body[1:2].isalpha() and body[2:3].isalnum():
        return body[:AIM_BYTES].decode("ascii"), body[AIM_BYTES:]
    return "", body


@dataclass(frozen=True, slots=True)
class LineProfile:
    """How a reader frames a symbol, and what its answer to the probe looks like (`reply_start … reply_end`, empty: none)."""

    prefix: bytes = b""
    suffix: bytes = b"\r"
    has_aim_id: bool = True
    limit_bytes: int = PAYLOAD_LIMIT_BYTES
    reply_start: bytes = b"REVINF"
    reply_end: bytes = b"\x06."


@dataclass(frozen=True, slots=True)
class Scan:
    """One symbol; `symbology` and `aim_id` are empty when the reader does not send them."""

    payload: bytes
    symbology: str = ""
    aim_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reader's answer to the probe, without its marks."""

    content: bytes


class LineCodec:
    """Cuts a reader's bytes into scans and replies, and puts them together for the twin."""

    def __init__(self, profile: LineProfile) -> None:
        self._profile = profile
        self.dropped_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Forget an unfinished frame, as after a reconnection."""
        self._buffer = bytearray()
        self._inside = ""  # "", "frame" or "reply"
        self._overrun_bytes = 0
        self._excerpt = b""

    def feed(self, received: bytes) -> list[Scan | Reply | BadFrame]:
        """Return what is complete after these bytes."""
        found: list[Scan | Reply | BadFrame] = []
        for offset in range(0, len(received), 4096):
            self._buffer += received[offset : offset + 4096]
            while self._advance(found):
                pass
        return found

    def silence(self) -> list[Scan | Reply | BadFrame]:
        """Return what a silent line ends: a symbol when the profile has no suffix, otherwise a torn frame."""
        ending: list[Scan | Reply | BadFrame] = []
        length = len(self._buffer) + self._overrun_bytes
        if length and not self._profile.suffix and self._inside != "reply":
            if self._inside or not self._profile.prefix:
                ending.append(self._finished(bytes(self._buffer)))
        elif length:
            ending.append(
                BadFrame("frame torn by silence", length, self._excerpt or bytes(self._buffer[:EXCERPT_BYTES]))
            )
        self.reset()
        return ending

    def encode(self, message: Scan | Reply) -> bytes:
        """Return the bytes that a reader would send."""
        if isinstance(message, Reply):
            return self._profile.reply_start + message.content + self._profile.reply_end
        aim_id = message.aim_id.encode("ascii") if self._profile.has_aim_id else b""
        return self._profile.prefix + aim_id + message.payload + self._profile.suffix

    # ---- decoding

    def _advance(self, found: list[Scan | Reply | BadFrame]) -> bool:
        """Take one step; False when more bytes are needed."""
        if not self._inside and not self._begin():
            return False
        is_reply = self._inside == "reply"
        mark = self._profile.reply_end if is_reply else self._profile.suffix
        at = self._buffer.find(mark) if mark else -1
        if at < 0:
            self._give_back(REPLY_LIMIT_BYTES if is_reply else self._profile.limit_bytes + AIM_BYTES, len(mark))
            return False
        body = bytes(self._buffer[:at])
        del self._buffer[: at + len(mark)]
        if is_reply:
            length = len(body) + self._overrun_bytes
            too_long = length > REPLY_LIMIT_BYTES
            found.append(BadFrame("reply too long", length, is_too_long=True) if too_long else Reply(body))
        else:
            found.append(self._finished(body))
        self._inside = ""
        self._overrun_bytes = 0
        self._excerpt = b""
        return True

    def _begin(self) -> bool:
        """Find where a frame or reply begins."""
        prefix, reply = self._profile.prefix, self._profile.reply_start
        if not prefix:
            if not self._buffer or (reply and len(self._buffer) < len(reply) and reply.startswith(self._buffer)):
                return False
            self._inside = "reply" if reply and self._buffer.startswith(reply) else "frame"
            if self._inside == "reply":
                del self._buffer[: len(reply)]
            return True
        begun = first_mark(self._buffer, {"frame": prefix, "reply": reply})
        if begun is None:
            surplus = len(self._buffer) - (max(len(prefix), len(reply)) - 1)
            if surplus > 0:
                self.dropped_bytes += surplus
                del self._buffer[:surplus]
            return False
        after, at, self._inside = begun
        self.dropped_bytes += at
        del self._buffer[:after]
        return True

    def _give_back(self, limit_bytes: int, mark_bytes: int) -> None:
        surplus = len(self._buffer) - max(mark_bytes - 1, 0)
        if surplus > limit_bytes:
            self._excerpt = self._excerpt or bytes(self._buffer[:EXCERPT_BYTES])
            self._overrun_bytes += surplus
            del self._buffer[:surplus]

    def _finished(self, body: bytes) -> Scan | BadFrame:
        length = len(body) + self._overrun_bytes
        excerpt = self._excerpt or body[:EXCERPT_BYTES]
        aim_bytes = AIM_BYTES if self._profile.has_aim_id else 0
        if length > self._profile.limit_bytes + aim_bytes:
            return BadFrame("symbol too long", length, excerpt, is_too_long=True)
        aim_id, payload = split_aim_id(body) if self._profile.has_aim_id else ("", body)
        if self._profile.has_aim_id and body and not aim_id:
            return BadFrame("symbol without AIM identifier", length, excerpt)
        if length <= aim_bytes:
            return BadFrame("empty symbol", length, excerpt)
        return Scan(payload, SYMBOLOGIES.get(aim_id[1:2], ""), aim_id)
