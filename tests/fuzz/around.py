"""What devices around the gate send: aircraft, power supplies, X-ray machines; and what a receipt printer is sent."""

from __future__ import annotations

import json

from drivers.codec import BadFrame
from drivers.enclosure.temperature_file import COLDEST_C, HOTTEST_C, celsius
from drivers.errors import FrameDamaged
from drivers.power.driver import reading
from drivers.power.nut_lines import LINE_LIMIT_BYTES, Line, NutCodec
from drivers.printer import escpos
from drivers.printer.command_stream import Command, CommandStream, PrintedLine
from drivers.surroundings import UavReported, UavText
from drivers.uav.mavlink import CRC_EXTRA, MavlinkCodec, MessageId, checksum
from drivers.uav.telemetry import SIZES_BYTES, Aircraft
from drivers.uav.twin import encode
from drivers.xray_inbox.errors import XrayResultRefused
from drivers.xray_inbox.result import parse_result
from tests.fuzz.target import Target, cut, layers


def mavlink() -> Target:
    """A stream of both versions, and any payload behind a right checksum."""
    seeds = [
        encode(message, bytes(range(1, size + 1)), version=version)
        for message, size in SIZES_BYTES.items()
        for version in (1, 2)
    ]

    def stream(content: bytes) -> bool:
        whole, parts = MavlinkCodec(), MavlinkCodec()
        found = whole.feed(content) + whole.silence()
        assert found == [one for piece in cut(content) for one in parts.feed(piece)] + parts.silence()
        frames = [one for one in found if not isinstance(one, BadFrame)]
        assert sum(one.length_bytes for one in found if isinstance(one, BadFrame)) == whole.dropped_bytes
        for one in frames:
            if one.message_id in CRC_EXTRA and one.version == 1:
                covered = bytes((len(one.payload), one.sequence, one.system_id, one.component_id, one.message_id))
                right = checksum(covered + one.payload, CRC_EXTRA[MessageId(one.message_id)])
                assert covered + one.payload + right.to_bytes(2, "little") in content, "a frame that nobody sent"
        return bool(frames)

    def payload(content: bytes) -> bool:
        messages = list(MessageId)
        if not content:
            return False
        framed = encode(messages[content[0] % len(messages)], content[1:256] or b"\0")
        (frame,) = MavlinkCodec().feed(framed)
        assert not isinstance(frame, BadFrame), "a right checksum is a frame"
        report = Aircraft(1, 0).absorb(frame)
        if isinstance(report, UavReported):
            assert report.latitude is None or -90 <= report.latitude <= 90
            assert report.longitude is None or -180 <= report.longitude <= 180
            assert report.heading_deg is None or 0 <= report.heading_deg < 360
        if isinstance(report, UavText):
            assert not report.text or report.text.isprintable()
        return report is not None

    payloads = [bytes((index, *range(size))) for index, size in enumerate(SIZES_BYTES[one] for one in MessageId)]
    return layers((stream, seeds), (payload, payloads), limit_bytes=300)


def power_supply() -> Target:
    """Lines of the server, and the values of the variables that are read."""

    def lines(content: bytes) -> bool:
        codec, parts = NutCodec(), NutCodec()
        found = codec.feed(content)
        assert found == [one for piece in cut(content) for one in parts.feed(piece)]
        taken = [one for one in found if isinstance(one, Line)]
        for line in taken:
            written = NutCodec.encode(line)
            assert len(written) > LINE_LIMIT_BYTES or NutCodec().feed(written) == [line]
        return bool(taken)

    def variables(content: bytes) -> bool:
        status, charge, runtime = (*content.decode("latin-1").split(";"), "", "", "")[:3]
        report = reading({"ups.status": status, "battery.charge": charge, "battery.runtime": runtime})
        if report is None:
            return False
        assert report.charge_ratio is None or 0 <= report.charge_ratio <= 1
        assert report.runtime_s is None or report.runtime_s >= 0
        assert report.is_on_battery is not None or not {"OB", "OL"} & set(report.flags)
        return True

    answers = [
        b'BEGIN LIST VAR ups\nVAR ups ups.status "OL CHRG"\nEND LIST VAR ups\n',
        b'VAR u m "a \\"b\\\\"\r\n',
        b"ERR X\n",
    ]
    return layers((lines, answers), (variables, [b"OL;100;1800", b"OB LB;7.5;60"]), limit_bytes=128)


def xray_result() -> Target:
    """A file of the inbox: what is taken says just what the JSON says."""

    def check(content: bytes) -> bool:
        try:
            result = parse_result(content)
        except XrayResultRefused:
            return False
        members = json.loads(content)
        assert (members["scan_id"], members["decision"]) == (result.scan_id, result.decision.value)
        assert members.get("image_reference", "") == result.image_reference
        assert result.scan_id.isprintable()
        return True

    whole = b'{"scan_id": "UTO-1", "decision": "%s", "image_reference": "images/1.dcs"}'
    seeds = [whole % decision for decision in (b"clear", b"alarm", b"undetermined")]
    return Target((*seeds, b'{"decision":"clear","scan_id":"a"}', b"[[[[]]]]"), check, 1024)


def receipt() -> Target:
    """The twin's reading of any bytes, and of a receipt with any text: the text stays text."""

    def stream(content: bytes) -> bool:
        codec, parts = CommandStream(), CommandStream()
        found = codec.feed(content) + codec.silence()
        assert found == [one for piece in cut(content) for one in parts.feed(piece)] + parts.silence()
        return any(isinstance(one, Command) for one in found)

    def text(content: bytes) -> bool:
        line = content.decode("utf-8", "replace")
        written = escpos.receipt([line[:400]], b"UTO", encoding="cp866", code_page=17, module_dots=6)
        found = CommandStream().feed(written)
        names = [one.name for one in found if isinstance(one, Command)]
        assert names == [b"\x1b@", b"\x1da", b"\x1bt", *[b"\x1d(k"] * 5, b"\x1dV", b"\x1dr"]
        assert sum(isinstance(one, PrintedLine) for one in found) == 1
        return line.isascii() and line.isprintable() and bool(line)

    whole = escpos.receipt(["Utopia", "1"], b"UTO", encoding="cp866", code_page=17, module_dots=6)
    return layers(
        (stream, [whole, escpos.ask(escpos.Status.PAPER)]), (text, [b"Utopia", b"a\x1b@\n\x1dV"]), limit_bytes=160
    )


def temperature() -> Target:
    """A sensor's file: what is taken is what the digits say, and one that an enclosure can have."""

    def check(content: bytes) -> bool:
        try:
            value = celsius(content)
        except FrameDamaged:
            return False
        assert COLDEST_C <= value <= HOTTEST_C
        assert round(value * 1000) == int(content)
        return True

    return Target((b"21500\n", b"-5000", b"0\n", b"999999\n"), check, 64)
