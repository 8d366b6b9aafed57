"""Queclink @Track text messages (GL200 and its heirs), sans-IO: `+RESP:GT<type>,<version>,<id>,…,<send time>,<count>$`. No checksum.

Every model orders its fields in its own way, but all write a place alike: speed, course, altitude, longitude, latitude, time of the fix.
A message can hold several. FRI and the like are told by the time of the fix, all others by the time of sending, which is data too.
"""

from __future__ import annotations

import re
from datetime import datetime

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Reading, reading_events, utc

FRAME_LIMIT_BYTES = 4096
PLACES_LIMIT = 32
ENDS = b"$\x00"

_HEADS = (b"+RESP:GT", b"+BUFF:GT", b"+ACK:GT")
_FRAME = re.compile(r"\+(RESP|BUFF|ACK):GT([A-Z0-9]{3}),([0-9A-F]{6,10}),([0-9A-Za-z]{14,15}),(.*)", re.DOTALL)
_PLACE = re.compile(
    r"(?P<accuracy>[0-9]*),(?P<speed>[0-9]{0,3}(?:\.[0-9])?),(?P<course>[0-9]{0,3}),(?P<altitude>-?[0-9]{0,5}(?:\.[0-9])?),"
    r"(?P<longitude>-?[0-9]{1,3}\.[0-9]{6}),(?P<latitude>-?[0-9]{1,2}\.[0-9]{6}),(?P<moment>[0-9]{14})"
)
_TAIL = re.compile(r"(?:.*,)?([0-9]{14})?,([0-9A-F]{4})(?:,[0-9A-F]+)?", re.DOTALL)
_OLD_FRAME = re.compile(r"\+(?:RESP|BUFF|ACK):GT([A-Z0-9]{3}),[0-9]{15},.*", re.DOTALL)
_TOLD_BY_THE_FIX = frozenset({"FRI", "DAR", "BID", "BAA", "CTN", "STR"})
_VALID_BY_ACCURACY = frozenset({"CAN"})
_KINDS = {
    "SOS": "emergency_button",
    "BPL": "battery_low",
    "MPF": "power_cut",
    "GIN": "fence_enter",
    "GOT": "fence_exit",
    "IDA": "card_presented",
}
_HEARTBEAT = "HBD"


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the message at the start; a second head in it says that the first message was torn off."""
    if pending[0] in b"\r\n":
        return -1
    start = bytes(pending[:8])
    if not any(start.startswith(head) or head.startswith(start) for head in _HEADS):
        return 0
    ends = [at for end in ENDS if (at := pending.find(end)) > 0]
    inner = pending[1 : min(ends)] if ends else pending[1:]
    if any(inner.find(head) >= 0 for head in _HEADS):
        return 0
    return min(ends) + 1 if ends else None


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one message says. Raises `SealFrameRejected`."""
    text = frame.decode("latin-1").rstrip("$\x00\r\n")
    found = _FRAME.fullmatch(text)
    if found is None and (old := _OLD_FRAME.fullmatch(text)) is not None:
        return DecodedFrame("", old[1], ())  # without a version: what its fields mean is not known
    if found is None:
        raise SealFrameRejected("not a Queclink message: +RESP:GT, type, version, identity")
    source, kind, version, seal_id, rest = found.groups()
    tail = _TAIL.fullmatch(rest)
    if tail is None:
        raise SealFrameRejected("message without its count")
    sent, count = _moment(tail[1]) if tail[1] else None, tail[2]
    if source == "ACK" and kind == _HEARTBEAT:
        return DecodedFrame(seal_id, kind, (), f"+SACK:GT{kind},{version},{count}$".encode("ascii"))
    attributes = (("report", source), ("count", count))
    kinds = (_KINDS[kind],) if kind in _KINDS and source != "ACK" else ()
    events: list[SealEvent] = []
    for place in list(_PLACE.finditer(rest))[:PLACES_LIMIT]:
        reading = _reading(place, kind, sent)
        events += reading_events(reading, attributes, () if events else kinds)
    return DecodedFrame(seal_id, kind, tuple(events) or reading_events(Reading(sent), attributes, kinds))


def _reading(place: re.Match[str], kind: str, sent: datetime | None) -> Reading:
    fixed = _moment(place["moment"])
    return Reading(
        device_time=fixed if kind in _TOLD_BY_THE_FIX else sent,
        is_valid=kind not in _VALID_BY_ACCURACY or place["accuracy"] not in {"", "0"},
        latitude_deg=float(place["latitude"]),
        longitude_deg=float(place["longitude"]),
        altitude_m=float(place["altitude"] or 0),
        speed_knots=float(place["speed"] or 0) * KNOTS_PER_KMH,
        course_deg=float(place["course"] or 0),
        fix_time=fixed,
    )


def _moment(digits: str) -> datetime | None:
    year, *others = (int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2)))
    month, day, hour, minute, second = others
    return utc(year, month, day, hour, minute, second)
