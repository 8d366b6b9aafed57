"""How a picture was taken, and what paper gives back under ultraviolet light."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.page_results import PaperLook, PictureLook
from models.page_zone import CELL_PX, Glyphs, ZoneShape, darkness
from models.results import Image

SATURATED_LEVEL: Final = 253
_LOOKED_AT_PX: Final = 512
_MOST_PIXELS: Final = 20_000
_EDGE_PEAK: Final = 2.5066  # height of a unit edge's gradient, blurred by one pixel: 1 / sqrt(2 pi)
_GREY_SPREAD: Final = 2.0
_LIGHT_SHARE: Final = 0.75


def look_at_picture(picture: Image, around_zone: Image | None = None) -> PictureLook:
    """Measure a BGR picture; `around_zone`: the straightened zone of it, where one was found."""
    small = _small(picture)
    level = float(np.percentile(_brightest(small), 95))
    area = small if around_zone is None else around_zone
    saturated = float((_least(area) >= SATURATED_LEVEL).mean())
    return PictureLook(level, saturated, None if around_zone is None else _edge_blur(around_zone))


def _edge_blur(straight: Image) -> float:
    """Return the spread of the strongest edges in widths of a character."""
    grey = cv2.cvtColor(straight, cv2.COLOR_BGR2GRAY)
    step = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3) / 8
    dark, _ = darkness(np.asarray(grey, np.uint8))
    contrast, steepest = float(np.percentile(dark, 98)), float(np.percentile(np.abs(step), 99))
    return contrast / (_EDGE_PEAK * max(steepest, 1e-3)) / CELL_PX


def look_at_paper(ultraviolet: Image, zone: tuple[Image, Glyphs, ZoneShape] | None) -> PaperLook:
    """Measure paper in a BGR picture under ultraviolet: between the glyphs of its straightened zone, or on the page's lighter part."""
    if zone is not None:
        straight, glyphs, _ = zone
        pixels = straight[glyphs.paper]
        area = "zone"
    else:
        small = _small(ultraviolet)
        brightness = _brightest(small)
        pixels = small[brightness >= _LIGHT_SHARE * float(np.percentile(brightness, 75))]
        area = "page"
    values = pixels.reshape(-1, 3)[:: max(pixels.size // (3 * _MOST_PIXELS), 1)].astype(np.float32)
    blue, green, red = values[:, 0], values[:, 1], values[:, 2]
    spread = np.abs(values - values.mean(axis=1, keepdims=True)).max(axis=1)
    return PaperLook(
        area,
        float(blue.mean()),
        float(np.median(blue)),
        float(np.percentile(blue, 90)),
        float(np.median(blue - np.maximum(red, 0.5 * (red + green)))),
        float(np.median(spread)) < _GREY_SPREAD,
    )


def _small(picture: Image) -> Image:
    """Return every so-manyth pixel: levels and shares of a whole picture need no more."""
    step = max(max(picture.shape[:2]) // _LOOKED_AT_PX, 1)
    return picture[::step, ::step]


def _brightest(picture: Image) -> Image:
    blue, green, red = cv2.split(picture)
    return cv2.max(cv2.max(blue, green), red).astype(np.uint8)


def _least(picture: Image) -> Image:
    blue, green, red = cv2.split(picture)
    return cv2.min(cv2.min(blue, green), red).astype(np.uint8)
