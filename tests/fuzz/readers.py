"""What readers in the lane send: bar code readers on lines, in packets and as keyboards, and readers of machine readable zones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drivers.barcode.honeywell_packets import HoneywellCodec, MenuOutcome, MenuReply
from drivers.barcode.input_events import InputEvent, InputEventCodec
from drivers.barcode.keyboard_text import KeyboardText, keystrokes
from drivers.barcode.line_codec import PAYLOAD_LIMIT_BYTES, LineCodec, LineProfile, Reply, Scan
from drivers.barcode.ssi_attributes import attribute_reply, attribute_request, parse_attributes
from drivers.barcode.ssi_packets import CONTENT_LIMIT_BYTES, Packet, SsiCodec
from drivers.barcode.ssi_segments import Decoded, SegmentAssembly, segments_of
from drivers.codec import BadFrame
from drivers.document_reader.codec import DocumentReaderCodec, MrzLines, Presence, Profile, Status, image_of
from drivers.document_reader.elyctis_codec import ElyctisCodec, Tlv, lines_of
from tests.fuzz.target import Check, Target, cut, layers

_LINES = ("P<UTOSPECIMEN<<FUZZ".ljust(44, "<"), "UT00000007UTO8001014F3001012<<<<<<<<<<<<<<02")
_SYMBOL_LIMIT_BYTES = 200


def _found(new: Callable[[], Any], content: bytes) -> list[Any]:
    """Return what a stream holds, silence behind it included; in pieces it has to be the same."""
    whole, parts = new(), new()
    found: list[Any] = whole.feed(content) + whole.silence()
    assert found == [one for piece in cut(content) for one in parts.feed(piece)] + parts.silence()
    return found


def _good(found: Iterable[Any]) -> list[Any]:
    return [one for one in found if not isinstance(one, BadFrame)]


def barcode_line() -> Target:
    """Symbols between a prefix and a suffix, with and without AIM identifiers; a line that silence ends."""
    profiles = (
        LineProfile(),
        LineProfile(b"\x02", b"\r\n", has_aim_id=False),
        LineProfile(suffix=b"", has_aim_id=False, reply_start=b"", reply_end=b""),
    )

    def stream_of(profile: LineProfile) -> Check:
        def stream(content: bytes) -> bool:
            taken = _good(_found(lambda: LineCodec(profile), content))
            for one in taken:
                assert (one.content if isinstance(one, Reply) else one.payload) in content
                if isinstance(one, Scan):
                    assert 0 < len(one.payload) <= PAYLOAD_LIMIT_BYTES
                    assert bool(one.aim_id) == profile.has_aim_id
            return bool(taken)

        return stream

    messages = (Scan(b"HC1:6BF\x1d]Q1", "QR", "]Q1"), Scan(b"M1SPECIMEN/UTO", "PDF417", "]L2"), Reply(b": twin"))
    return layers(
        *((stream_of(profile), [LineCodec(profile).encode(one) for one in messages]) for profile in profiles),
        limit_bytes=320,
    )


def honeywell() -> Target:
    """Packets and replies of an imager; a symbol comes only out of a packet whose lengths agree."""

    def stream(content: bytes) -> bool:
        taken = _good(_found(lambda: HoneywellCodec(_SYMBOL_LIMIT_BYTES), content))
        for one in taken:
            if isinstance(one, Scan):
                assert 0 < len(one.payload) <= _SYMBOL_LIMIT_BYTES
                assert one.payload + b"\r" in content
            else:
                assert HoneywellCodec().encode(one) in content
        return bool(taken)

    messages = (
        Scan(b"\r\n\x16\xfe\x06.", "QR", "]Q3"),
        Scan(b"HC1:" + bytes(60), "Data Matrix", "]d2"),
        MenuReply(b"REVINF: x", MenuOutcome.DONE, True),
        MenuReply(b"ocrena9", MenuOutcome.OUT_OF_RANGE),
    )
    return layers((stream, [HoneywellCodec().encode(one) for one in messages]), limit_bytes=320)


def zebra_ssi() -> Target:
    """Packets by their checksum, symbols put together from segments, and attributes of a decoder."""

    def stream(content: bytes) -> bool:
        taken = _good(_found(SsiCodec, content))
        for one in taken:
            assert SsiCodec().encode(one) in content, "a packet that nobody sent"
        return bool(taken)

    def segments(content: bytes) -> bool:
        """Each byte that is not there for the content says what the next segment's header is like."""
        assembly = SegmentAssembly(_SYMBOL_LIMIT_BYTES)
        taken = []
        at = 0
        while at + 2 <= len(content):
            flags, length = content[at], min(content[at + 1], CONTENT_LIMIT_BYTES)
            piece = content[at + 2 : at + 2 + length]
            taken += assembly.add(Packet(0x73, piece, 2 if flags & 1 else 0, flags >> 1 & 1))
            if flags & 4:
                assembly.doubt()
            at += 2 + length
        taken += assembly.abandon()
        assert not assembly.is_open
        symbols = [one for one in taken if isinstance(one, Decoded)]
        assert all(len(one.content) <= _SYMBOL_LIMIT_BYTES for one in symbols)
        return bool(symbols)

    def attributes(content: bytes) -> bool:
        try:
            found = parse_attributes(content)
        except ValueError:
            return False
        return bool(found)

    packets = (Packet(0xF3, b"\x1cHC1:\x00\xff\x04"), Packet(0xD0), Packet(0x80, attribute_request((533, 534))))
    pieces = b"".join(
        bytes((packet.source == 2, len(packet.content))) + packet.content
        for packet in segments_of(Decoded(0x1C, bytes(range(180))))
    )
    told = attribute_reply({533: ("S", "DS457-SR"), 140: ("W", 3), 20004: ("AB", (1, 2, 3)), 535: ("L", -1)})
    return layers(
        (stream, [SsiCodec().encode(one) for one in packets]), (segments, [pieces]), (attributes, [told]),
        limit_bytes=320,
    )  # fmt: skip


def typed_barcode() -> Target:
    """Events of a keyboard: a symbol is never passed on with something left out, and holds what keys can say."""

    def stream(content: bytes) -> bool:
        return bool(_good(_found(InputEventCodec, content)))

    def keys(content: bytes) -> bool:
        text = KeyboardText(64, needs_enter=True)
        symbols: list[bytes | BadFrame] = []
        for at in range(0, len(content) - 1, 2):
            kind, value = divmod(content[at], 16)
            symbols += text.press(InputEvent((1, 0, 4)[kind % 3], content[at + 1] + 256 * (kind >> 3), value % 3))
        assert all(isinstance(one, BadFrame) for one in text.silence()), "silence ended a symbol that needs Enter"
        taken = [one for one in symbols if isinstance(one, bytes)]
        assert all(0 < len(one) <= 64 and one.isascii() for one in taken)
        return bool(taken)

    events = list(keystrokes("aB"))
    wire = b"".join(InputEventCodec().encode(event) for event in events)
    pressed = b"".join(bytes((event.value, event.code)) for event in events if event.kind == 1)
    return layers((stream, [wire]), (keys, [pressed]), limit_bytes=400)


def document_reader() -> Target:
    """Lines and pictures of a reader on a serial line, in three framings; the messages of an Elyctis reader."""
    profiles = (Profile(), Profile(b"\xe0\x02", b"\r", b"\x03\xe1"), Profile(b"", b"\r\n", b"", has_packets=False))

    def stream_of(profile: Profile) -> Check:
        def stream(content: bytes) -> bool:
            taken = _good(_found(lambda: DocumentReaderCodec(profile, 200), content))
            for one in taken:
                if isinstance(one, MrzLines):
                    assert all(line.encode("ascii") in content for line in one.lines), "a line that nobody sent"
                else:
                    assert DocumentReaderCodec(profile).encode(one) in content
            return bool(taken)

        return stream

    def elyctis(content: bytes) -> bool:
        taken = _good(_found(ElyctisCodec, content))
        for one in taken:
            assert ElyctisCodec().encode(one) in content
            zone = lines_of(one.value)
            assert isinstance(zone, BadFrame) or all(line.encode("ascii") in one.value for line in zone.lines)
        return bool(taken)

    messages = (MrzLines(_LINES), Presence(True), Status(False), image_of("portrait", b"\xff\xd8\xff" + bytes(90)))
    zone = "\r".join(_LINES).encode("ascii")
    return layers(
        *(
            (stream_of(profile), [DocumentReaderCodec(profile).encode(one) for one in messages[: 4 if at < 2 else 1]])
            for at, profile in enumerate(profiles)
        ),
        (elyctis, [ElyctisCodec().encode(one) for one in (Tlv(b"I", zone), Tlv(b"C", b"\1"), Tlv(b"V", b"1.0"))]),
        limit_bytes=320,
    )
