"""OSDP by a second hand: frames, secure channel and a reader on a pty, written from the standard without the library that the driver uses.

Source: SIA OSDP 2.2 (IEC 60839-11-5), clauses 5 (frames), 6 and 7 (commands and replies), annex D (secure channel); its worked examples of
annex E are in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.twin import PtyTwin

MARK, SOM, REPLY, USES_CRC, HAS_BLOCK = 0xFF, 0x53, 0x80, 0x04, 0x08
POLL, ID, CAP, LSTAT, OUT, LED, BUZ, CHLNG, SCRYPT = 0x60, 0x61, 0x62, 0x64, 0x68, 0x69, 0x6A, 0x76, 0x77
ACK, NAK, PDID, PDCAP, LSTATR, RAW, KEYPAD, CCRYPT, RMAC_I = 0x40, 0x41, 0x45, 0x46, 0x48, 0x50, 0x53, 0x76, 0x78
SECURE_CHANNEL_REQUIRED = 6
MAC_BYTES = 4


def crc16(content: bytes) -> bytes:
    """Return the CRC of a frame (polynomial 1021, begun with 1D0F), low byte first."""
    crc = 0x1D0F
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


def checksum(content: bytes) -> bytes:
    """Return the two's complement of the sum of all bytes."""
    return bytes([-sum(content) & 0xFF])


@dataclass(frozen=True)
class Frame:
    """One message. `block` is the security control block without its length: type, then data."""

    address: int
    code: int
    content: bytes = b""
    sequence: int = 0
    is_reply: bool = False
    block: bytes = b""
    uses_crc: bool = True
    mac: bytes = b""

    def head_and_content(self) -> bytes:
        """Return everything that a message authentication code covers."""
        block = bytes([len(self.block) + 1]) + self.block if self.block else b""
        mac = MAC_BYTES if self.block[:1] >= b"\x15" else 0
        length = 5 + len(block) + 1 + len(self.content) + mac + (2 if self.uses_crc else 1)
        control = self.sequence | (USES_CRC if self.uses_crc else 0) | (HAS_BLOCK if self.block else 0)
        address = self.address | (REPLY if self.is_reply else 0)
        head = bytes([SOM, address]) + length.to_bytes(2, "little") + bytes([control])
        return head + block + bytes([self.code]) + self.content

    def wire(self) -> bytes:
        """Return the bytes on the line."""
        body = self.head_and_content() + self.mac
        return bytes([MARK]) + body + (crc16(body) if self.uses_crc else checksum(body))


def frames(buffer: bytearray) -> list[Frame]:
    """Take whole frames out of a buffer; what has a wrong check is dropped."""
    found = []
    while (start := buffer.find(SOM)) >= 0:
        del buffer[:start]
        if len(buffer) < 5 or len(buffer) < (length := int.from_bytes(buffer[2:4], "little")):
            break
        whole = bytes(buffer[:length])
        size = 2 if whole[4] & USES_CRC else 1
        if length < 7 or whole[-size:] != (crc16 if size == 2 else checksum)(whole[:-size]):
            del buffer[:1]
            continue
        del buffer[:length]
        found.append(_parsed(whole[:-size]))
    return found


def _parsed(body: bytes) -> Frame:
    control = body[4]
    block = body[6 : 5 + body[5]] if control & HAS_BLOCK else b""
    place = 5 + (body[5] if control & HAS_BLOCK else 0)
    mac = body[-MAC_BYTES:] if block[:1] >= b"\x15" else b""
    content = body[place + 1 : len(body) - len(mac)]
    return Frame(
        body[1] & 0x7F, body[place], content, control & 3, bool(body[1] & REPLY), block, bool(control & USES_CRC), mac
    )


def encrypted(key: bytes, block: bytes, start: bytes = bytes(16)) -> bytes:
    """Return AES-128 in chaining mode from a start."""
    coder = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    return coder.update(block) + coder.finalize()


def padded(content: bytes) -> bytes:
    """Return content with 80 00 … up to a whole block; unchanged when it is one."""
    return content if len(content) % 16 == 0 else content + b"\x80" + bytes(-(len(content) + 1) % 16)


@dataclass
class SecureChannel:
    """One session's keys and the codes that chain its messages."""

    base_key: bytes
    panel_random: bytes
    reader_random: bytes
    sent_mac: bytes = bytes(16)
    heard_mac: bytes = bytes(16)
    keys: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the session's keys: 01, a selector, six bytes of the panel's random number."""
        selectors = {"encrypt": 0x82, "mac1": 0x01, "mac2": 0x02}
        self.keys = {
            name: encrypted(self.base_key, bytes([1, selector]) + self.panel_random[:6] + bytes(8))
            for name, selector in selectors.items()
        }

    def reader_cryptogram(self) -> bytes:
        """Return what proves the reader's key."""
        return encrypted(self.keys["encrypt"], self.panel_random + self.reader_random)

    def panel_cryptogram(self) -> bytes:
        """Return what proves the panel's."""
        return encrypted(self.keys["encrypt"], self.reader_random + self.panel_random)

    def first_mac(self) -> bytes:
        """Return the code that the chain begins with."""
        return encrypted(self.keys["mac2"], encrypted(self.keys["mac1"], self.panel_cryptogram()))

    def mac(self, covered: bytes, start: bytes) -> bytes:
        """Return the code of a message: the last block with another key than those before it."""
        whole = padded(covered)
        if len(whole) > 16:
            start = encrypted(self.keys["mac1"], whole[:-16], start)[-16:]
        return encrypted(self.keys["mac2"], whole[-16:], start)

    def open(self, frame: Frame) -> bytes:
        """Return the content of a message of the other side. Raises `ValueError` when its code is wrong."""
        mac = self.mac(frame.head_and_content(), self.sent_mac)
        if mac[:MAC_BYTES] != frame.mac:
            raise ValueError("the message is not authentic")
        content = frame.content
        if frame.block[:1] in {b"\x17", b"\x18"} and content:
            decoder = Cipher(algorithms.AES(self.keys["encrypt"]), modes.CBC(_inverted(self.sent_mac))).decryptor()
            plain = decoder.update(content) + decoder.finalize()
            content = plain[: plain.rindex(b"\x80")] if plain.rstrip(b"\0")[-1:] == b"\x80" else plain
        self.heard_mac = mac
        return content

    def seal(self, address: int, code: int, content: bytes, sequence: int) -> Frame:
        """Return a reply, its content encrypted."""
        block = b"\x16"
        if content:
            whole = content + b"\x80" + bytes(-(len(content) + 1) % 16)
            content = encrypted(self.keys["encrypt"], whole, _inverted(self.heard_mac))
            block = b"\x18"
        frame = Frame(address, code, content, sequence, is_reply=True, block=block, mac=bytes(MAC_BYTES))
        self.sent_mac = self.mac(frame.head_and_content(), self.heard_mac)
        return Frame(address, code, content, sequence, is_reply=True, block=block, mac=self.sent_mac[:MAC_BYTES])


def _inverted(mac: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in mac)


class ReaderByHand(PtyTwin):
    """A reader with a key that answers as the standard says and notes every command's content. `tells` are replies to the next polls."""

    reader_random = bytes.fromhex("a0a1a2a3a4a5a6a7")
    identity = bytes.fromhex("5c2623 19 02 000a4400 030100")  # vendor, model, version, serial number, firmware
    # Function, then two bytes; 0a: its buffer takes 256 bytes. A reader that says 64 is not spoken to any further by libosdp 3.2.9.
    capabilities = bytes.fromhex("010101 020101 030100 040101 050101 090101 0a0001 0b0001 0d0001 0e0001")

    def __init__(self, path: Path, key: bytes, address: int) -> None:
        super().__init__(path)
        self.key = key
        self.address = address
        self.heard_frames: list[Frame] = []
        self.commands: list[tuple[int, bytes]] = []
        self.tells: list[tuple[int, bytes]] = []
        self.breaks_mac = False
        self.answers: Mapping[int, tuple[int, bytes]] = {
            ID: (PDID, self.identity),
            CAP: (PDCAP, self.capabilities),
            LSTAT: (LSTATR, bytes(2)),
        }
        self._buffer = bytearray()
        self._last = b""
        self._last_sequence = -1
        self._channel: SecureChannel | None = None
        self.is_secure = False

    def plugged(self) -> None:
        """Start as after power-up."""
        self._buffer.clear()
        self._channel, self.is_secure, self._last_sequence = None, False, -1

    def heard(self, chunk: bytes) -> None:
        """Answer each whole frame to this address; a repeated one as before."""
        self._buffer += chunk
        for frame in frames(self._buffer):
            if frame.address != self.address or frame.is_reply:
                continue
            self.heard_frames.append(frame)
            if frame.sequence != 0 and frame.sequence == self._last_sequence:
                self.send(self._last)
                continue
            self._last_sequence = frame.sequence
            self._last = self._answer(frame).wire()
            self.send(self._last)

    def _answer(self, frame: Frame) -> Frame:
        kind = frame.block[:1]
        if kind in {b"\x11", b"\x13"}:
            return self._handshake(frame, kind)
        if self.is_secure and self._channel is not None and kind >= b"\x15":
            try:
                content = self._channel.open(frame)
            except ValueError:
                self.is_secure = False
                return self._plain(frame, NAK, bytes([SECURE_CHANNEL_REQUIRED]))
            code, answer = self._obeyed(frame.code, content)
            sealed = self._channel.seal(self.address, code, answer, frame.sequence)
            if self.breaks_mac:
                return Frame(**{**vars(sealed), "mac": bytes(MAC_BYTES)})
            return sealed
        if frame.code in {ID, CAP}:
            return self._plain(frame, *self.answers[frame.code])
        if frame.code == POLL and not self.is_secure:
            return self._plain(frame, ACK, b"")
        return self._plain(frame, NAK, bytes([SECURE_CHANNEL_REQUIRED]))

    def _handshake(self, frame: Frame, kind: bytes) -> Frame:
        if kind == b"\x11":
            self.is_secure = False
            self._channel = channel = SecureChannel(self.key, frame.content, self.reader_random)
            proof = self.identity[:8] + self.reader_random + channel.reader_cryptogram()
            return self._plain(frame, CCRYPT, proof, b"\x12" + frame.block[1:])
        channel_now = self._channel
        if channel_now is None or frame.content != channel_now.panel_cryptogram():
            return self._plain(frame, NAK, bytes([SECURE_CHANNEL_REQUIRED]))
        channel_now.sent_mac = channel_now.first_mac()
        self.is_secure = True
        return self._plain(frame, RMAC_I, channel_now.sent_mac, b"\x14\x01")

    def _plain(self, frame: Frame, code: int, content: bytes, block: bytes = b"") -> Frame:
        return Frame(self.address, code, content, frame.sequence, True, block, frame.uses_crc)

    def _obeyed(self, code: int, content: bytes) -> tuple[int, bytes]:
        if code != POLL:
            self.commands.append((code, content))
        elif self.tells:
            return self.tells.pop(0)
        return self.answers.get(code, (ACK, b""))
