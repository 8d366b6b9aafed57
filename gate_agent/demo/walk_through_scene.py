"""Synthetic video of people who walk towards the exit: cut-outs of the demo's portraits before a drawn hall, rendered frame by frame.

Nothing of it is kept: portraits are read from the cache, frames exist in memory only. The near hide the far, as people do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gate_agent.errors import SettingsFault

Frame = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 1280, 720
_EYE_LINE_PX = 290
_SWAY_RATIO = 0.04  # of the face's width, up and down with each step
_STEPS_PER_S = 1.8
_HEAD_ACROSS, _HEAD_ABOVE, _HEAD_BELOW = 1.0, 1.05, 1.1  # the cut-out around the face's centre, in face widths
_COATS_BGR = ((92, 62, 40), (46, 78, 52), (60, 48, 96), (70, 70, 74))

# Where the face lies in each portrait (pinned by its hash when it is fetched): centre and width in pixels.
FACES_PX = {
    "obama": (472, 265, 243),
    "obama2": (303, 393, 287),
    "obama3": (780, 430, 275),
    "biden": (582, 388, 258),
}


@dataclass(frozen=True, slots=True)
class Head:
    """A cut-out: BGR pixels, their opacity 0-1, and how many pixels wide the face in it is."""

    picture: Frame
    opacity: NDArray[np.float32]
    face_px: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One person in one frame: whose head, where its centre is, and how wide the face."""

    head: Head
    coat: int
    x_px: float
    face_px: float


def load_portrait(folder: Path, name: str) -> bytes:
    """Return a portrait's file. Raises `SettingsFault` when it was not fetched."""
    try:
        return (folder / f"{name}.jpg").read_bytes()
    except OSError as error:
        raise SettingsFault(
            f"{folder / name}.jpg: {error.strerror}; `make portraits` fetches it", code="EG-DEM-002"
        ) from error


def cut_out(content: bytes, name: str) -> Head:
    """Return the head of a portrait, softly cut out along an oval."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise SettingsFault("a portrait cannot be decoded; `make portraits` fetches it anew", code="EG-DEM-002")
    x, y, face = FACES_PX[name]
    left, right = max(round(x - _HEAD_ACROSS * face), 0), round(x + _HEAD_ACROSS * face)
    top, bottom = max(round(y - _HEAD_ABOVE * face), 0), round(y + _HEAD_BELOW * face)
    head = picture[top:bottom, left:right].astype(np.uint8, copy=False)
    rows, columns = head.shape[:2]
    mask = np.zeros((rows, columns), np.uint8)
    axes = (round(0.84 * face), round(1.04 * face))
    cv2.ellipse(mask, (x - left, y - top), axes, 0, 0, 360, 255, cv2.FILLED)
    soft = cv2.GaussianBlur(mask, (0, 0), face * 0.03)
    opacity = (soft / 255).astype(np.float32)
    return Head(head, opacity, float(face))


def hall() -> Frame:
    """Return the empty hall: a wall, a floor, and lines that lead to the camera."""
    frame = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    shade = np.linspace(206, 178, HEIGHT_PX, dtype=np.float32)[:, None, None]
    frame[:] = np.asarray(shade * np.array((0.97, 0.99, 1.0), np.float32), np.uint8)
    frame[520:] = (128, 134, 138)
    for x in range(-400, WIDTH_PX + 401, 160):
        cv2.line(frame, (WIDTH_PX // 2 + (x - WIDTH_PX // 2) // 3, 520), (x, HEIGHT_PX), (112, 118, 122), 2)
    return frame


def render(background: Frame, figures: Sequence[Figure], t_s: float) -> Frame:
    """Return the frame at a moment of the scene; nearer figures stand before farther ones."""
    frame = background.copy()
    for figure in sorted(figures, key=lambda one: one.face_px):
        sway = _SWAY_RATIO * figure.face_px * float(np.sin(2 * np.pi * _STEPS_PER_S * t_s + figure.coat))
        _draw(frame, figure, _EYE_LINE_PX + sway)
    return frame


def _draw(frame: Frame, figure: Figure, y_px: float) -> None:
    face, x_px = figure.face_px, figure.x_px
    shoulders = np.array(
        [
            (x_px - 0.45 * face, y_px + 0.85 * face),
            (x_px + 0.45 * face, y_px + 0.85 * face),
            (x_px + 1.25 * face, y_px + 1.35 * face),
            (x_px + 1.35 * face, y_px + 4.5 * face),
            (x_px - 1.35 * face, y_px + 4.5 * face),
            (x_px - 1.25 * face, y_px + 1.35 * face),
        ]
    )
    cv2.fillPoly(frame, [shoulders.round().astype(np.int32)], _COATS_BGR[figure.coat % len(_COATS_BGR)], cv2.LINE_AA)
    head = figure.head
    scale = face / head.face_px
    # One warp places the head with sub-pixel steps, so that slow walkers do not jump from pixel to pixel.
    left, top = x_px - _HEAD_ACROSS * face, y_px - _HEAD_ABOVE * face
    corner_x, corner_y = int(np.floor(left)), int(np.floor(top))
    size = (round(head.picture.shape[1] * scale) + 2, round(head.picture.shape[0] * scale) + 2)
    shrunk, opacity = head.picture, head.opacity
    while scale < 0.5:  # halve first: one bilinear step over many pixels would alias
        shrunk = np.asarray(cv2.resize(shrunk, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        opacity = np.asarray(cv2.resize(opacity, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        scale *= 2
    matrix = np.array([[scale, 0, left - corner_x], [0, scale, top - corner_y]], np.float64)
    placed = cv2.warpAffine(shrunk, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(opacity, matrix, size, flags=cv2.INTER_LINEAR)
    x0, y0 = max(corner_x, 0), max(corner_y, 0)
    x1, y1 = min(corner_x + size[0], WIDTH_PX), min(corner_y + size[1], HEIGHT_PX)
    if x0 >= x1 or y0 >= y1:
        return
    part = (slice(y0 - corner_y, y1 - corner_y), slice(x0 - corner_x, x1 - corner_x))
    under = frame[y0:y1, x0:x1].astype(np.float32)
    share = alpha[part][:, :, None]
    frame[y0:y1, x0:x1] = np.asarray(under + (placed[part].astype(np.float32) - under) * share, np.uint8)
