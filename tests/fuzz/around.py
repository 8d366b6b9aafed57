"""What devices around the gate send: telemetry of aircraft."""

from __future__ import annotations

from drivers.codec import BadFrame
from drivers.contracts import UavReported, UavText
from drivers.uav.mavlink import CRC_EXTRA, MavlinkCodec, MessageId, checksum
from drivers.uav.telemetry import SIZES_BYTES, Aircraft
from drivers.uav.twin import encode
from tests.fuzz.target import Target, layers


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
        assert found == [one for byte in content for one in parts.feed(bytes((byte,)))] + parts.silence()
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
    return layers((stream, seeds), (payload, payloads), limit_bytes=1024)
