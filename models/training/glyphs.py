"""Glyphs of a font as coverage masks on a common cell, so that a line is composed by copying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.mrz_reader.symbols import SYMBOLS

CAP_HEIGHT_PX = 30
"""Height of the letter H on a sheet."""
_ABOVE_PX = CAP_HEIGHT_PX // 2


@dataclass(frozen=True, slots=True)
class GlyphSheet:
    """One font: `masks[symbol]` is coverage in 0-1, `CAP_HEIGHT_PX` * 2 high, the cap line at a quarter; `advance_px` the pitch."""

    name: str
    masks: dict[str, NDArray[np.float32]]
    advance_px: float


def glyph_sheet(path: Path) -> GlyphSheet:
    """Return the sheet of a monospaced font. Raises `OSError` when the file is no font."""
    size = 100
    top, bottom = _extent(ImageFont.truetype(str(path), size))
    font = ImageFont.truetype(str(path), size * CAP_HEIGHT_PX / (bottom - top))
    top, _ = _extent(font)
    advance_px = float(font.getlength("H"))
    cell = (round(advance_px * 1.4), 2 * CAP_HEIGHT_PX)
    masks = {}
    for symbol in SYMBOLS:
        picture = Image.new("L", cell, 0)
        left = (cell[0] - advance_px) / 2
        ImageDraw.Draw(picture).text((left, _ABOVE_PX - top), symbol, font=font, fill=255)
        masks[symbol] = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return GlyphSheet(path.stem, masks, advance_px)


def _extent(font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Return first and last row with ink of the letter H, drawn at the origin."""
    picture = Image.new("L", (400, 400), 0)
    ImageDraw.Draw(picture).text((0, 0), "H", font=font, fill=255)
    rows = np.flatnonzero(np.asarray(picture).max(axis=1) > 127)
    return int(rows[0]), int(rows[-1]) + 1


def glyph_sheets(paths: Sequence[Path]) -> tuple[GlyphSheet, ...]:
    """Return the sheets of several fonts."""
    return tuple(glyph_sheet(path) for path in paths)
