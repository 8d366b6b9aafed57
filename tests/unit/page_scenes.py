"""Pictures of a drawn Utopian page under white, infrared and ultraviolet light: genuine, and made in ways that a gate should notice.

Drawings, not documents: they show what a check does with ink that fades or paper that glows, not how often it errs on real pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from tests.bench.mrz_pages import PX_PER_MM, drawn_page, lines_of

PICTURES = ("white", "infrared", "ultraviolet")


@dataclass(frozen=True, slots=True)
class Making:
    """How a page is made and taken. `infrared_ink`: share of the printed zone's darkness that stays in infrared light."""

    infrared_ink: float = 1.0
    faded_part: tuple[float, float] | None = None  # share of the zone's width whose ink fades
    is_paper_bright: bool = False
    infrared_lines: tuple[str, ...] | None = None
    shift_px: tuple[float, float] = (3.0, -2.0)
    scale: float = 1.002
    glare: str = ""  # the picture that has a hot spot over the zone
    blurred: str = ""
    blur_px: float = 7.0
    dark: str = ""  # the picture whose lamp is off
    cut_off: bool = False


def scene(lines: tuple[str, ...], mrz_format: str = "TD3", seed: int = 1, **making: object) -> dict[str, np.ndarray]:
    """Return the pictures (BGR) of a page by role."""
    how = replace(Making(), **making)
    white = _page(lines, mrz_format, seed)
    blank = _page(tuple(" " * len(line) for line in lines), mrz_format, seed)
    rng = np.random.default_rng(seed + 1)
    zone_top = round(white.shape[0] - (6.35 * len(lines) + 5) * PX_PER_MM)
    infrared_source = white if how.infrared_lines is None else _page(how.infrared_lines, mrz_format, seed)
    infrared = _infrared(infrared_source, blank, zone_top, how)
    ultraviolet = _ultraviolet(white, rng, is_bright=how.is_paper_bright)
    taken = {"white": white, "infrared": _moved(infrared, how), "ultraviolet": _moved(ultraviolet, how)}
    return {role: _captured(picture, role, zone_top, how, rng) for role, picture in taken.items()}


def encoded(pictures: dict[str, np.ndarray], quality: int = 90) -> dict[str, bytes]:
    """Return the pictures as JPEG files."""
    return {
        role: cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for role, picture in pictures.items()
    }


def traveller(seed: int = 1, mrz_format: str = "TD3") -> tuple[str, ...]:
    """Return the lines of a fictitious traveller, digits right."""
    return lines_of(np.random.default_rng(seed), mrz_format)


def with_symbol(lines: tuple[str, ...], line: int, position: int, symbol: str) -> tuple[str, ...]:
    """Return lines with one symbol (counted from 1) replaced."""
    changed = list(lines)
    text = changed[line - 1]
    changed[line - 1] = text[: position - 1] + symbol + text[position:]
    return tuple(changed)


@cache
def _page(lines: tuple[str, ...], mrz_format: str, seed: int) -> np.ndarray:
    return drawn_page(np.random.default_rng(seed), mrz_format, lines).picture


def _infrared(white: np.ndarray, blank: np.ndarray, zone_top: int, how: Making) -> np.ndarray:
    """Return the page at 900 nm: most inks vanish, that of the zone stays."""
    grey = cv2.cvtColor(blank, cv2.COLOR_BGR2GRAY).astype(np.float32)
    page = 205 - 0.2 * (235 - grey)
    ink = np.clip(
        cv2.cvtColor(blank, cv2.COLOR_BGR2GRAY).astype(np.float32) - cv2.cvtColor(white, cv2.COLOR_BGR2GRAY), 0, None
    )
    ink[:zone_top] = 0
    left = np.full(grey.shape[1], how.infrared_ink, np.float32)
    if how.faded_part is not None:
        first, last = (round(share * grey.shape[1]) for share in how.faded_part)
        left[first:last] = 0.05
    page -= ink * left[None] * 0.85
    return np.repeat(np.clip(page, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _ultraviolet(white: np.ndarray, rng: np.random.Generator, *, is_bright: bool) -> np.ndarray:
    """Return the page at 365 nm: dull with a few fibres, or ordinary paper that glows blue."""
    reflected = cv2.cvtColor(white, cv2.COLOR_BGR2GRAY).astype(np.float32)[..., None] / 255
    paper = np.array([215, 150, 120] if is_bright else [38, 24, 26], np.float32)
    page = np.clip(reflected * paper, 0, 255).astype(np.uint8)
    height, width = page.shape[:2]
    for _ in range(40):
        x, y = rng.integers(0, width), rng.integers(0, height)
        end = (int(x + rng.integers(-25, 25)), int(y + rng.integers(-25, 25)))
        colour = [(230, 90, 60), (60, 220, 90), (70, 70, 235)][int(rng.integers(3))]
        cv2.line(page, (int(x), int(y)), end, colour, 2, cv2.LINE_AA)
    return page


def _moved(picture: np.ndarray, how: Making) -> np.ndarray:
    matrix = np.array([[how.scale, 0, how.shift_px[0]], [0, how.scale, how.shift_px[1]]])
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def _captured(picture: np.ndarray, role: str, zone_top: int, how: Making, rng: np.random.Generator) -> np.ndarray:
    height, width = picture.shape[:2]
    taken = cv2.GaussianBlur(picture, (0, 0), how.blur_px if how.blurred == role else 0.8).astype(np.float32)
    if how.glare == role:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        middle = (width * 0.45, (zone_top + height) / 2)
        taken += (520 * np.exp(-(((x - middle[0]) / (width * 0.16)) ** 2 + ((y - middle[1]) / 90) ** 2)))[..., None]
    if how.dark == role:
        taken *= 0.01
    taken += rng.normal(0, 2.0, taken.shape)
    taken = np.clip(taken, 0, 255).astype(np.uint8)
    if how.cut_off:
        taken = np.ascontiguousarray(taken[:, round(width * 0.06) :])
    return taken
