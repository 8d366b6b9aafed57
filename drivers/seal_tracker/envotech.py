"""Envotech text reports, sans-IO: `$<mode><hardware>,<event>,<group>,<id>,…'<position>*<check>`, one a line.

How the check after the star is made is not published, so it is not looked at. Events 60 and 61 are a lock that was closed and opened.
"""

from __future__ import annotations

import re

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame
from drivers.seal_tracker.fields import structured
from drivers.seal_tracker.reading import Reading, reading_events, utc

FRAME_LIMIT_BYTES = 1024
_LOCK_EVENTS = {0x60: "shackle_closed", 0x61: "shackle_opened"}
_HEAD = re.compile(
    r"\$\d\d.{3},(?P<event>[0-9A-F]{1,4}),[0-9A-F]+,(?P<id>[0-9A-F]{1,15}),(?P<day>\d{6})(?P<clock>\d{6}),"
    r"[0-9A-F]{2}(?P<gsm>\d\d)\d{5},(?P<power>\d{3})(?P<battery>\d{3}),(?P<inputs>[0-9A-F]{2})[0-9A-F]{2},"
    r"[0-9A-F]*,(?P<status>[0-9A-F]{8}),[^']*'"
)
_PLACE = re.compile(
    r"(?P<day>\d{6})(?P<clock>\d{6})(?P<fix>\d)(?P<latitude>\d{6,7})(?P<north>[NS])"
    r"(?P<longitude>\d{6,8})(?P<east>[EW])(?P<speed>\d{3})(?P<course>\d{3})"
)


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the line at the start; a second start in it says that the first was torn off."""
    if pending[0] in b"\r\n":
        return -1
    if pending[0] != ord("$") or (len(pending) > 1 and not 0x30 <= pending[1] <= 0x39):
        return 0
    end = pending.find(b"\n")
    line = pending[1 : end if end > 0 else len(pending)]
    if not line.isascii() or b"$" in line:
        return 0
    return end + 1 if end > 0 else None


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one report says. Raises `SealFrameRejected`."""
    text = frame.decode("ascii").rstrip("\r\n")
    head = _HEAD.match(text)
    if head is None or "*" not in text:
        raise SealFrameRejected("not an Envotech report")
    event = int(head["event"], 16)
    attributes = (
        ("event", f"{event:02x}"),
        ("gsm", str(int(head["gsm"]))),
        ("power_v", f"{int(head['power']) / 100:g}"),
        ("battery_v", f"{int(head['battery']) / 100:g}"),
        ("inputs", head["inputs"].lower()),
        ("status_word", head["status"].lower()),
    )
    kinds = [_LOCK_EVENTS[event]] if event in _LOCK_EVENTS else []
    place = _PLACE.match(text, head.end())
    moment = utc(*_numbers(head["day"], head["clock"]))
    reading = (
        Reading(moment)
        if place is None
        else Reading(
            device_time=moment,
            is_valid=place["fix"] != "0",
            latitude_deg=int(place["latitude"]) / 1e5 * (1 if place["north"] == "N" else -1),
            longitude_deg=int(place["longitude"]) / 1e5 * (1 if place["east"] == "E" else -1),
            speed_knots=int(place["speed"]),
            course_deg=int(place["course"]),
            fix_time=utc(*_numbers(place["day"], place["clock"])),
        )
    )
    return DecodedFrame(head["id"], f"{event:02x}", reading_events(reading, attributes, kinds))


def _numbers(day: str, clock: str) -> tuple[int, int, int, int, int, int]:
    date, month, year = (int(day[at : at + 2]) for at in (0, 2, 4))
    hour, minute, second = (int(clock[at : at + 2]) for at in (0, 2, 4))
    return 2000 + year, month, date, hour, minute, second
