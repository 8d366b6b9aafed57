"""What stands behind the print, and what light, lens, sensor and compression do to it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import Image

Canvas = NDArray[np.float32]


def backdrop(rng: np.random.Generator, shape: tuple[int, ...], contrast: float) -> Canvas:
    """Return paper: a shade with a gradient, security waves, strokes and blots; weaker than ink of this contrast (0-1)."""
    height, width = shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    paper = np.full((height, width), rng.uniform(110, 250), np.float32)
    paper += rng.uniform(-50, 50) * (x / width - 0.5) + rng.uniform(-30, 30) * (y / height - 0.5)
    if rng.random() < 0.55:
        for _ in range(int(rng.integers(1, 4))):
            period, angle = rng.uniform(3, 40), rng.uniform(0, np.pi)
            bend = rng.uniform(0, 8) * np.sin(2 * np.pi * x / rng.uniform(40, 300) + rng.uniform(0, 6))
            phase = 2 * np.pi / period * (x * np.cos(angle) + (y + bend) * np.sin(angle))
            wave = np.sin(phase + rng.uniform(0, 6))
            strength = rng.uniform(3, 34) * contrast
            paper += strength * (np.clip(wave * rng.uniform(1, 6), -1, 1) if rng.random() < 0.4 else wave)
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 6))):
            ends = rng.uniform(0, 1, 4) * (width, height, width, height)
            first, last = (round(ends[0]), round(ends[1])), (round(ends[2]), round(ends[3]))
            shade = float(np.clip(paper.mean() + rng.uniform(-90, 40) * contrast, 0, 255))
            cv2.line(paper, first, last, shade, int(rng.integers(1, 4)), cv2.LINE_AA)
    if rng.random() < 0.25:
        grain = cv2.resize(rng.random((max(height // 4, 2), max(width // 4, 2)), dtype=np.float32), (width, height))
        paper += rng.uniform(5, 60) * contrast * (grain - 0.5)
    if rng.random() < 0.15:  # the edge of the card, a table or a sleeve beyond it
        edge = int(height * (rng.uniform(0, 0.25) if rng.random() < 0.5 else rng.uniform(0.75, 1)))
        shade = rng.uniform(0, 255)
        if edge < height / 2:
            paper[:edge] = shade
        else:
            paper[edge:] = shade
    return np.clip(paper, 0, 255)


def photographed(rng: np.random.Generator, page: Canvas, glyph_px: float) -> Image:
    """Return the page as a camera gives it: light, blur, motion, noise, JPEG, now and then two levels only."""
    shot = _lit(rng, page)
    shot = _blurred(rng, shot, glyph_px)
    noise = rng.uniform(0, 9) if rng.random() < 0.85 else rng.uniform(9, 18)
    shot = shot + rng.normal(0, 1, shot.shape).astype(np.float32) * np.float32(noise)
    picture = np.clip(shot, 0, 255).astype(np.uint8)
    if rng.random() < 0.60:
        _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 96))])
        picture = np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    if rng.random() < 0.06:
        block, offset = int(3 * glyph_px) | 1, float(rng.uniform(5, 20))
        levels = cv2.adaptiveThreshold(picture, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, offset)
        picture = levels.astype(np.uint8)
    return picture


def _lit(rng: np.random.Generator, page: Canvas) -> Canvas:
    height, width = page.shape
    x = np.linspace(0, 1, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    if rng.random() < 0.15:  # a shadow's edge across the line
        place, softness = rng.uniform(0, 1), rng.uniform(0.01, 0.3)
        slope = rng.uniform(-0.5, 0.5)
        shadow = 1 / (1 + np.exp(-np.clip((x + slope * y - place) / softness, -30, 30)))
        page = (page * (1 - rng.uniform(0.2, 0.7) * shadow)).astype(np.float32)
    if rng.random() < 0.12:
        middle_x, middle_y = rng.uniform(0, 1), rng.uniform(0, 1)
        size_x, size_y = rng.uniform(0.03, 0.35), rng.uniform(0.2, 1.0)
        glare = np.exp(-(((x - middle_x) / size_x) ** 2) - ((y - middle_y) / size_y) ** 2)
        page = (page + rng.uniform(40, 230) * glare).astype(np.float32)
    gain = rng.uniform(0.25, 1.0) if rng.random() < 0.15 else rng.uniform(0.7, 1.15)
    return np.asarray(page * np.float32(gain) + np.float32(rng.uniform(-15, 25)), dtype=np.float32)


def _blurred(rng: np.random.Generator, shot: Canvas, glyph_px: float) -> Canvas:
    if rng.random() < 0.7:
        spread = abs(rng.normal(0, 0.055)) * glyph_px
        if spread > 0.25:
            shot = cv2.GaussianBlur(shot, (0, 0), spread).astype(np.float32)
    if rng.random() < 0.15:
        length = max(2, round(rng.uniform(0.06, 0.28) * glyph_px))
        angle = rng.uniform(0, np.pi)
        kernel = np.zeros((length * 2 + 1, length * 2 + 1), np.float32)
        reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        first = (round(length - reach[0]), round(length - reach[1]))
        last = (round(length + reach[0]), round(length + reach[1]))
        cv2.line(kernel, first, last, 1.0, 1)
        shot = cv2.filter2D(shot, -1, kernel / kernel.sum()).astype(np.float32)
    return shot
