"""`read_zone`: look for blocks of lines at four rotations, read what is found, stop at the first zone that reads well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from models.mrz_reader.blocks import blocks
from models.mrz_reader.decoding import LEAST_POSTERIOR, LineReading, ZoneReading, contested, zone_readings
from models.mrz_reader.recogniser import Recogniser
from models.mrz_reader.sampling import Patch, Scene
from models.mrz_reader.text_lines import GLYPH_HEIGHTS_PX, bars
from models.mrz_reader.tracing import PATCH_WIDTH_PX, TracedLine, traced_lines
from models.mrz_reader.zone import Corner, MrzZone
from models.packaged_weights import packaged_content
from models.results import Image

MODEL_ID: Final = "mrz-ctc-1"
_SMALLEST_PX = 24
_LEAST_WIDTH_RATIO = 0.55
_LINE_RATIOS = (14.0, 64.0)
_MOST_LINES = 4
_LEAST_SHARE = 0.97

Found = tuple[ZoneReading, MrzZone]


class MrzReader:
    """Reads zones with one loaded network; not for several threads at once."""

    def __init__(self, content: bytes, least_posterior: float = LEAST_POSTERIOR) -> None:
        """Load the network. Raises `CatalogueFault`. `least_posterior`: below it a character is doubtful and nothing is accepted."""
        self._recogniser = Recogniser(content)
        self._least_posterior = least_posterior

    def read(self, picture: Image) -> MrzZone | None:
        """Return the zone in a grey or BGR picture (uint8), or None where there is none; never raises on any picture."""
        grey = _grey(picture)
        if grey is None:
            return None
        best: Found | None = None
        for found in self._zones(grey):
            if best is None or found[0].rank > best[0].rank:
                best = found
            if best[0].is_sure:
                break
        return best[1] if best is not None else None

    def _zones(self, grey: Image) -> Iterator[Found]:
        """Yield what can be read, the likeliest places first, lying or standing."""
        scene = Scene(grey)
        scenes = (scene, scene.turned())
        for glyph_height_px in GLYPH_HEIGHTS_PX:
            places = [(block, one) for one in scenes for block in blocks(bars(one.small, glyph_height_px))]
            for block, one in sorted(places, key=lambda place: -place[0].weight):
                yield from self._in_block(one.patch(block))

    def _in_block(self, patch: Patch) -> Iterator[Found]:
        """Yield the zone between the ends that were traced; where that is none for sure, the one between the ends of the block."""
        lines = _likely(traced_lines(patch.picture), patch.picture.shape[0] / 2)
        if len(lines) < 2:
            return
        found = self._read(patch, lines)
        if found is not None:
            yield found
        start, end = patch.text_columns
        if (found is None or not found[0].is_sure) and _LEAST_SHARE * (end - start) > lines[0].end - lines[0].start:
            wider = [replace(line, start=min(line.start, start), end=max(line.end, end)) for line in lines]
            found = self._read(patch, wider)
            if found is not None:
                yield found

    def _read(self, patch: Patch, lines: list[TracedLine]) -> Found | None:
        """Read lines both ways up, for neither proves anything while the other passes, too; return the better zone."""
        strips = [patch.strip(line) for line in lines]
        turned_strips = [np.ascontiguousarray(strip[::-1, ::-1]) for strip in reversed(strips)]
        upright, turned = self._decoded(strips), self._decoded(turned_strips)
        if not upright and not turned:
            return None
        best = max((*upright, *turned), key=lambda reading: reading.rank)
        is_turned = best in turned
        ordered = lines[::-1] if is_turned else lines
        used = ordered[best.first : best.first + best.format.line_count]
        corners = _corners(patch, used[0], used[-1], is_turned=is_turned)
        best = contested(best, (*upright, *turned))
        zone = MrzZone(
            best.format.name, best.lines, best.posteriors, best.doubtful, best.has_right_digits, best.passes, corners
        )
        return best, zone

    def _decoded(self, strips: list[Image]) -> list[ZoneReading]:
        """Return what the lines can be; those in the middle are asked first, for a zone of two lines and more holds one of them."""
        middle = (1, 2) if len(strips) > 3 else (1,)
        readings = dict(zip(middle, self._line_readings([strips[index] for index in middle]), strict=True))
        if not any(reading.is_plausible for reading in readings.values()):
            return []
        others = [index for index in range(len(strips)) if index not in readings]
        readings |= zip(others, self._line_readings([strips[index] for index in others]), strict=True)
        return zone_readings([readings[index] for index in range(len(strips))], self._least_posterior)

    def _line_readings(self, strips: list[Image]) -> list[LineReading]:
        return [LineReading.of(answers) for answers in self._recogniser.answers(strips)]


def _grey(picture: Image) -> Image | None:
    if picture.dtype != np.uint8 or picture.ndim not in {2, 3} or min(picture.shape[:2]) < _SMALLEST_PX:
        return None
    if picture.ndim == 2:
        return picture
    channels = picture.shape[2]
    if channels == 1:
        return picture[:, :, 0]
    if channels not in {3, 4}:
        return None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY if channels == 3 else cv2.COLOR_BGRA2GRAY).astype(np.uint8)


def _likely(lines: list[TracedLine], middle_row: float) -> list[TracedLine]:
    """Return the lines of a line's proportions that are about as long as the longest, from top to bottom, the four next to the middle.

    Lines of a zone start and end together: what glare or a weak filler hides of one, another one shows.
    """
    low, high = _LINE_RATIOS
    shaped = [line for line in lines if low <= (line.end - line.start) / line.height <= high]
    longest = max((line.end - line.start for line in shaped), default=0.0)
    long = [line for line in shaped if line.end - line.start >= _LEAST_WIDTH_RATIO * longest]
    nearest = sorted(long, key=lambda line: abs(line.middle_at(PATCH_WIDTH_PX / 2) - middle_row))[:_MOST_LINES]
    kept = [line for line in long if line in nearest]
    start, end = min((line.start for line in kept), default=0.0), max((line.end for line in kept), default=0.0)
    return [replace(line, start=start, end=end) for line in kept]


def _corners(
    patch: Patch, first: TracedLine, last: TracedLine, *, is_turned: bool
) -> tuple[Corner, Corner, Corner, Corner]:
    return (
        patch.corner(first, at_end=is_turned, below=is_turned),
        patch.corner(first, at_end=not is_turned, below=is_turned),
        patch.corner(last, at_end=not is_turned, below=not is_turned),
        patch.corner(last, at_end=is_turned, below=not is_turned),
    )


@lru_cache(maxsize=1)
def _shipped() -> MrzReader:
    return MrzReader(packaged_content(MODEL_ID))


def read_zone(picture: Image) -> MrzZone | None:
    """Return the zone in a picture, read with the shipped network, or None where there is none. Raises `CatalogueFault`."""
    return _shipped().read(picture)
