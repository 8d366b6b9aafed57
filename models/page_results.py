"""What is measured on the pictures of a document page, as values; whether that speaks for or against a document is not said here."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PictureLook:
    """How a picture was taken, levels 0-255. `level`: 95th percentile of its brightest channel; near 0, the lamp was off.

    `saturated_share`: pixels without any detail left, of the surroundings of the zone where one was found, else of the whole picture.
    `edge_blur`: spread of the edges of the zone's glyphs, in widths of a character; None: no zone to measure it on.
    """

    level: float
    saturated_share: float
    edge_blur: float | None = None


@dataclass(frozen=True, slots=True)
class DoubtfulSymbol:
    """A character of a zone that is not sure: line and position from 1, what was read, and how probable it is."""

    line: int
    position: int
    character: str
    posterior: float


@dataclass(frozen=True, slots=True)
class ZoneLook:
    """The zone that was read in a picture: what it says, how sure, and whether it reaches the edge of the picture (`is_cut_off`)."""

    format: str
    lines: tuple[str, ...]
    posteriors: tuple[tuple[float, ...], ...]
    doubtful: tuple[DoubtfulSymbol, ...]
    has_right_digits: bool
    is_cut_off: bool


@dataclass(frozen=True, slots=True)
class InkSegment:
    """A few neighbouring characters of a line (from 1) under another lamp: contrast of their strokes to the paper beside them (0-1).

    `mass`: how much darkness stands there, in shares of what stands there in white light; it does not care whether the picture is sharp.
    `saturated_share`: pixels without detail.
    """

    line: int
    first: int
    last: int
    contrast: float
    mass: float
    saturated_share: float


@dataclass(frozen=True, slots=True)
class DifferingSymbol:
    """A character that reads differently in two pictures. `likeness`: correlation of the two shapes (-1 to 1)."""

    line: int
    position: int
    white: str
    infrared: str
    posterior: float
    likeness: float


@dataclass(frozen=True, slots=True)
class InkLook:
    """The ink of the white picture's zone, found again in the infrared picture.

    `likeness`: correlation with the white zone at the best place; `shift_px` and `scale`: how far that is from where it was looked
    for, in pixels of the infrared picture. `white_contrast`: weakest contrast in the white picture itself.
    """

    segments: tuple[InkSegment, ...]
    likeness: float
    shift_px: tuple[float, float]
    scale: float
    white_contrast: float


@dataclass(frozen=True, slots=True)
class PaperLook:
    """Light that paper gives back under ultraviolet, levels 0-255. `area`: `zone` (paper between the glyphs) or `page`.

    `blue_excess`: median of blue over red, which tells the glow of brightened paper from room light; 0 in a grey picture.
    """

    area: str
    blue_mean: float
    blue_median: float
    blue_upper: float
    blue_excess: float
    is_grey: bool


@dataclass(frozen=True, slots=True)
class PageLook:
    """Everything measured on the pictures of one page; None or absent: the picture, or what is needed of it, was not there."""

    pictures: dict[str, PictureLook] = field(default_factory=dict)
    zone: ZoneLook | None = None
    infrared_zone: ZoneLook | None = None
    ink: InkLook | None = None
    differing: tuple[DifferingSymbol, ...] | None = None
    paper: PaperLook | None = None
