"""`look_at_page`: the pictures of one page under white, infrared and ultraviolet light, in numbers.

All three come from one reader and one presentation: they differ by a small shift and scale, never by a turn. The zone is read in the
white picture, found again in the others, and its strokes and its paper are looked at there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from models.mrz_reader import MrzZone, read_zone
from models.page_ink import look_at_ink
from models.page_light import look_at_paper, look_at_picture
from models.page_registration import Registered, likeness_of, registered
from models.page_results import DifferingSymbol, DoubtfulSymbol, InkLook, PageLook, PictureLook, ZoneLook
from models.page_zone import Corners, Floats, Glyphs, ZoneShape, darkness, straightened
from models.results import Image

WHITE, INFRARED, ULTRAVIOLET = "white", "infrared", "ultraviolet"
ROLES: Final = frozenset({WHITE, INFRARED, ULTRAVIOLET})
DARK_LEVEL: Final = 20.0
"""A picture without anything brighter was taken without its lamp: nothing is read in it."""
_AT_THE_EDGE: Final = 0.25


def look_at_page(pictures: Mapping[str, Image]) -> PageLook:
    """Measure decoded BGR pictures by role (`white`, `infrared`, `ultraviolet`; any may be absent). Raises `CatalogueFault`."""
    white, infrared, ultraviolet = (pictures.get(role) for role in (WHITE, INFRARED, ULTRAVIOLET))
    zone, infrared_zone = _read(white), _read(infrared)
    printed = None if white is None or zone is None else _Printed(white, zone)
    looks: dict[str, PictureLook] = {}
    if white is not None:
        looks[WHITE] = look_at_picture(white, None if printed is None else printed.colour)
    ink: InkLook | None = None
    differing: tuple[DifferingSymbol, ...] | None = None
    if infrared is not None:
        found = None if printed is None else printed.found_in(infrared, infrared_zone)
        around = None if found is None else cv2.cvtColor(found.straight, cv2.COLOR_GRAY2BGR).astype(np.uint8)
        looks[INFRARED] = look_at_picture(infrared, around)
        if printed is not None and found is not None:
            ink = look_at_ink(printed.straight, printed.glyphs, found, printed.shape, printed.px_per_cell(infrared))
            if infrared_zone is not None and zone is not None:
                differing = _differing(zone, infrared_zone, printed, found)
    paper = None
    if ultraviolet is not None:
        there = None
        if printed is not None:
            straight = straightened(ultraviolet, printed.corners_in(ultraviolet), printed.shape)
            there = (straight, printed.glyphs, printed.shape)
        looks[ULTRAVIOLET] = look_at_picture(ultraviolet)
        paper = look_at_paper(ultraviolet, there)
    return PageLook(looks, _zone_look(zone, white), _zone_look(infrared_zone, infrared), ink, differing, paper)


class _Printed:
    """The zone of the white picture, straightened, and where it lies in the others."""

    def __init__(self, white: Image, zone: MrzZone) -> None:
        self._size = white.shape[1::-1]
        self.corners: Corners = np.array(zone.corners, np.float64)
        self.shape = ZoneShape.of(self.corners, len(zone.lines), len(zone.lines[0]))
        self.colour = straightened(white, self.corners, self.shape)
        self.straight: Image = cv2.cvtColor(self.colour, cv2.COLOR_BGR2GRAY).astype(np.uint8)
        self.dark, _ = darkness(self.straight)
        self.glyphs = Glyphs.of(self.dark, self.shape)

    def corners_in(self, picture: Image) -> Corners:
        """Return where the zone would lie in another picture of the same field of view."""
        ratio = np.array(picture.shape[1::-1], np.float64) / np.array(self._size, np.float64)
        return self.corners * ratio

    def px_per_cell(self, picture: Image) -> float:
        """Return how wide a character is in another picture."""
        corners = self.corners_in(picture)
        return float(np.linalg.norm(corners[1] - corners[0])) / self.shape.length

    def found_in(self, infrared: Image, zone: MrzZone | None) -> Registered:
        """Return the zone out of the infrared picture: where it should be, or where one was read when it is not there."""
        grey = cv2.cvtColor(infrared, cv2.COLOR_BGR2GRAY).astype(np.uint8)
        expected = self.corners_in(infrared)
        found = registered(self.dark, grey, expected, self.shape)
        if zone is not None and len(zone.lines) == self.shape.line_count:
            there = np.array(zone.corners, np.float64)
            if np.abs(there - expected).max() > self.px_per_cell(infrared):
                elsewhere = registered(self.dark, grey, there, self.shape)
                found = max(found, elsewhere, key=lambda one: one.likeness)
        return found


def _read(picture: Image | None) -> MrzZone | None:
    if picture is None or look_at_picture(picture).level < DARK_LEVEL:
        return None
    return read_zone(picture)


def _zone_look(zone: MrzZone | None, picture: Image | None) -> ZoneLook | None:
    if zone is None or picture is None:
        return None
    height, width = picture.shape[:2]
    corners = np.array(zone.corners)
    edge = _AT_THE_EDGE * float(np.linalg.norm(corners[1] - corners[0])) / len(zone.lines[0])
    is_inside = bool((corners >= edge).all() and (corners <= np.array([width - edge, height - edge])).all())
    doubtful = tuple(DoubtfulSymbol(one.line, one.position, one.character, one.posterior) for one in zone.doubtful)
    return ZoneLook(zone.format, zone.lines, zone.posteriors, doubtful, zone.has_right_digits, not is_inside)


def _differing(
    white: MrzZone, infrared: MrzZone, printed: _Printed, found: Registered
) -> tuple[DifferingSymbol, ...] | None:
    """Return the characters that read differently; None when the zones are of different formats and cannot be laid side by side."""
    if white.format != infrared.format:
        return None
    found_dark, _ = darkness(found.straight)
    return tuple(
        DifferingSymbol(
            line + 1,
            position + 1,
            one,
            other,
            min(white.posteriors[line][position], infrared.posteriors[line][position]),
            _likeness(printed.dark, found_dark, printed.shape, line, position),
        )
        for line in range(len(white.lines))
        for position, (one, other) in enumerate(zip(white.lines[line], infrared.lines[line], strict=True))
        if one != other
    )


def _likeness(one: Floats, other: Floats, shape: ZoneShape, line: int, position: int) -> float:
    place = (shape.rows(line), shape.columns(position, position + 1))
    return likeness_of(np.ascontiguousarray(one[place]), np.ascontiguousarray(other[place]))
