"""A drawn page photographed badly: perspective, glare, blur, shadow, fingers, low light, JPEG, turned, small and large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tests.bench.mrz_pages import FORMATS, Page, drawn_page, lines_of

WIDTH_PX = 1280
WEARS = (
    "plain",
    "perspective",
    "glare",
    "blur",
    "motion",
    "shadow",
    "fingers",
    "low_light",
    "jpeg",
    "turned",
    "small",
    "large",
)
EVALUATION_SEED = 904_000
"""Far from every seed of the training."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph (BGR), the format and lines on it, and what was done to it."""

    picture: np.ndarray
    format: str
    lines: tuple[str, ...]
    wear: str


def photographs(count: int, seed: int = EVALUATION_SEED) -> Iterator[Photograph]:
    """Yield `count` photographs, formats and wears in turn, each from a generator of its own."""
    for index in range(count):
        yield photograph_number(index, seed)


def photograph_number(index: int, seed: int = EVALUATION_SEED) -> Photograph:
    """Return one of `photographs`."""
    rng = np.random.default_rng([seed, index])
    mrz_format, wear = FORMATS[index % len(FORMATS)], WEARS[index // len(FORMATS) % len(WEARS)]
    return photograph(rng, drawn_page(rng, mrz_format, lines_of(rng, mrz_format)), wear)


def photograph(rng: np.random.Generator, page: Page, wear: str) -> Photograph:
    """Return the page as a camera would see it on some table."""
    width = {"small": int(rng.integers(620, 800)), "large": int(rng.integers(2600, 4000))}.get(wear, WIDTH_PX)
    height = round(width * rng.uniform(0.70, 0.78))
    shot = _on_table(rng, page.picture, (width, height), wear).astype(np.float32)
    shot = _WEAR.get(wear, lambda _rng, picture: picture)(rng, shot)
    if wear == "large":  # what a camera of many pixels gives is soft, not sharp
        shot = cv2.GaussianBlur(shot, (0, 0), width / 2500)
    shot += rng.normal(0, rng.uniform(1, 4), shot.shape[:2])[..., None]
    picture = np.clip(shot, 0, 255).astype(np.uint8)
    quality = int(rng.integers(12, 28)) if wear == "jpeg" else int(rng.integers(70, 95))
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    if wear == "turned":
        picture = np.ascontiguousarray(np.rot90(picture, int(rng.integers(1, 4))))
    return Photograph(picture, page.format, page.lines, wear)


def turned_photograph(rng: np.random.Generator, page: Page, width: int, angle_deg: float) -> Photograph:
    """Return the whole page lying at an angle on some table, in a picture of this width."""
    size = (width, round(width * 0.75))
    height, across = page.picture.shape[:2]
    angle = np.radians(angle_deg)
    sine, cosine = abs(np.sin(angle)), abs(np.cos(angle))
    scale = 0.92 * min(size[0] / (across * cosine + height * sine), size[1] / (across * sine + height * cosine))
    matrix = cv2.getRotationMatrix2D((across / 2, height / 2), angle_deg, scale)
    matrix[:, 2] += np.subtract(size, (across, height)) / 2
    soft = cv2.GaussianBlur(page.picture, (0, 0), 0.45 / scale) if scale < 0.8 else page.picture
    seen = cv2.warpAffine(soft, matrix, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(np.full((height, across), 255, np.uint8), matrix, size)[..., None] / np.float32(255)
    shot = seen * mask + _table(rng, size) * (1 - mask) + rng.normal(0, 2, (size[1], size[0], 1))
    _, content = cv2.imencode(".jpg", np.clip(shot, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return Photograph(cv2.imdecode(content, cv2.IMREAD_COLOR), page.format, page.lines, f"{width} px, {angle_deg:.0f}°")


def sweep(
    widths: Sequence[int], angles: Sequence[float], pages: int = 1, seed: int = EVALUATION_SEED
) -> Iterator[Photograph]:
    """Yield every format at every width and angle (turned by some degrees more), `pages` different pages of each format."""
    for number in range(pages):
        for index, mrz_format in enumerate(FORMATS):
            rng = np.random.default_rng([seed, number, index, 7])
            page = drawn_page(rng, mrz_format, lines_of(rng, mrz_format))
            for width in widths:
                for angle in angles:
                    yield turned_photograph(rng, page, width, angle + rng.uniform(-6, 6))


def _table(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return wood, cloth, plain or paper with print."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(1280 / width)
    colour = rng.uniform(25, 215, 3).astype(np.float32)
    kind = int(rng.integers(4))
    if kind == 0:
        grain = np.sin(y / rng.uniform(4, 15) + 2 * np.sin(x / rng.uniform(80, 300)) + rng.uniform(0, 6))
    elif kind == 1:
        grain = np.sign(np.sin(x / rng.uniform(2, 9)) * np.sin(y / rng.uniform(2, 9)))
    elif kind == 2:
        grain = (x - y) / 900
    else:
        grain = cv2.resize(rng.random((12, 16), dtype=np.float32), size) * 2 - 1
    table = np.clip(colour + grain[..., None] * np.float32(rng.uniform(4, 30)), 0, 255).astype(np.uint8)
    if kind == 3:
        for row in range(40, height, 46):
            text = "".join(chr(int(code)) for code in rng.integers(97, 123, 60))
            cv2.putText(table, text, (10, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (60, 60, 60), 1, cv2.LINE_AA)
    return table


def _on_table(rng: np.random.Generator, page: np.ndarray, size: tuple[int, int], wear: str) -> np.ndarray:
    width, height = size
    table = _table(rng, size)
    page_height, page_width = page.shape[:2]
    fill = rng.uniform(0.86, 0.95) if wear == "small" else rng.uniform(0.62, 0.92)
    across = min(fill * width, 0.92 * height * page_width / page_height)
    half = np.array([across, across * page_height / page_width]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    tilt = np.radians(rng.normal(0, 6) if wear == "turned" else rng.normal(0, 2))
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    bend = 0.055 if wear == "perspective" else 0.012
    corners = corners @ turn.T + rng.uniform(-bend, bend, (4, 2)) * across
    corners += np.array([width, height]) / 2 + rng.uniform(-0.02, 0.02, 2) * width
    source = np.array([[0, 0], [page_width, 0], [page_width, page_height], [0, page_height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    shrink = page_width / across
    soft = cv2.GaussianBlur(page, (0, 0), 0.45 * shrink) if shrink > 1.2 else page
    seen = cv2.warpPerspective(soft, matrix, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(np.full(page.shape[:2], 255, np.uint8), matrix, size)[..., None] / np.float32(255)
    cast = cv2.GaussianBlur(mask, (0, 0), width / 130)[..., None]
    return seen * mask + table * (1 - 0.5 * cast) * (1 - mask)


def _light(rng: np.random.Generator, shape: tuple[int, ...], spread: tuple[float, float], *, low: bool) -> np.ndarray:
    """Return a bright spot in 0-1; `low` puts it over the lower half, where the zone is."""
    height, width = shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    middle = (rng.uniform(0.2, 0.8) * width, rng.uniform(0.6 if low else 0.2, 0.9) * height)
    sizes = rng.uniform(*spread) * width, rng.uniform(*spread) * width
    return np.exp(-(((x - middle[0]) / sizes[0]) ** 2) - ((y - middle[1]) / sizes[1]) ** 2)[..., None]


def _glare(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    return shot + rng.uniform(70, 190) * _light(rng, shot.shape, (0.04, 0.16), low=True)


def _blur(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(shot, (0, 0), rng.uniform(1.2, 2.6))


def _motion(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    length = int(rng.integers(3, 8))
    kernel = np.zeros((15, 15), np.float32)
    angle = rng.uniform(0, np.pi)
    for step in np.linspace(-length / 2, length / 2, 40):
        kernel[round(7 + step * np.sin(angle)), round(7 + step * np.cos(angle))] += 1
    return cv2.filter2D(shot, -1, kernel / kernel.sum())


def _shadow(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    height, width = shot.shape[:2]
    outline = (rng.uniform(-0.2, 1.2, (6, 2)) * (width, height)).astype(np.int32)
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [cv2.convexHull(outline)], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(3, 30))[..., None]
    return shot * (1 - rng.uniform(0.35, 0.7) * mask)


def _fingers(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    """Hold the page at its sides and upper edge, never over the zone itself."""
    height, width = shot.shape[:2]
    for side in (0.0, 1.0):
        skin = rng.uniform((60, 90, 140), (170, 200, 240))
        axes = (int(width * rng.uniform(0.10, 0.17)), int(height * rng.uniform(0.04, 0.06)))
        for _ in range(int(rng.integers(1, 4))):
            place = (int(width * abs(side - rng.uniform(0.0, 0.05))), int(height * rng.uniform(0.15, 0.55)))
            cv2.ellipse(shot, place, axes, rng.uniform(-25, 25), 0, 360, skin.tolist(), -1, cv2.LINE_AA)
    thumb = (int(width * rng.uniform(0.3, 0.7)), int(height * rng.uniform(0.96, 1.02)))
    cv2.ellipse(shot, thumb, (int(width * 0.05), int(height * 0.05)), 90, 0, 360, (110, 140, 190), -1, cv2.LINE_AA)
    return shot


def _low_light(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    return shot * rng.uniform(0.12, 0.3) + rng.normal(0, rng.uniform(3, 7), shot.shape)


_WEAR: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "glare": _glare,
    "blur": _blur,
    "motion": _motion,
    "shadow": _shadow,
    "fingers": _fingers,
    "low_light": _low_light,
}
