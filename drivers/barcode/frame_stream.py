"""Bar codes in the frames of one camera: look where the last one was, search the frame quickly, and thoroughly only after failures.

A whole thorough pass costs three times a fast one, so what the fast one cannot see (turned, shrunk, inverted symbols) is searched for in
portions, on frames in between, once nothing was read for 300 ms or five frames. A symbol of one dimension is passed on when two frames, at
least 100 ms apart, gave the same text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import zxingcpp

from drivers.barcode.frames import (
    GATE_FORMATS,
    ROW_FORMATS,
    Picture,
    PictureBox,
    ReadingPass,
    Symbol,
    grey_of,
    search,
    search_zbar,
    unread_boxes,
)

PATIENCE_S = 0.3
PATIENCE_FRAMES = 5
WHOLE_EVERY_FRAMES = 3
THOROUGH_EVERY_FRAMES = 16
CONFIRMATION_S = 0.1
MEMORY_S = 3.0
_MARGIN_PX = 32
_SHRUNK_LEAST_PX = 500
_SMALL_PARTS = 3  # a third of the frame is searched thoroughly for one format within the time of a fast pass over all


@dataclass(frozen=True, slots=True)
class _Track:
    """Where a symbol stood last, and how it was read there."""

    box: PictureBox
    reading_pass: ReadingPass


@dataclass(slots=True)
class _Sighting:
    """A linear text: when it was first and last read."""

    first_s: float
    last_s: float


class FrameReader:
    """Reads the frames of one camera in their order; keeps the last positions, and the linear texts of the last three seconds."""

    def __init__(self, formats: tuple[Any, ...] = GATE_FORMATS) -> None:
        self._formats = formats
        self._row_formats = tuple(kind for kind in ROW_FORMATS if kind in formats)
        self.reset()

    def reset(self) -> None:
        """Forget everything: another traveller stands there."""
        self._tracks: tuple[_Track, ...] = ()
        self._sightings: dict[tuple[str, bytes], _Sighting] = {}
        self._tracked_frames = 0
        self._failures = 0
        self._last_read_s: float | None = None

    def read(self, picture: Picture, t_s: float) -> tuple[Symbol, ...]:
        """Return the symbols of a grey or BGR frame taken at `t_s` (monotonic); those of one dimension only once confirmed."""
        grey = grey_of(picture)
        if self._last_read_s is None:
            self._last_read_s = t_s
        symbols = self._where_they_were(grey)
        if symbols and self._tracked_frames < WHOLE_EVERY_FRAMES:
            self._tracked_frames += 1
        elif symbols:
            symbols = self._joined_by_others(symbols, grey)
            self._tracked_frames = 0
        else:
            symbols = self._anywhere(grey, t_s)
            self._tracked_frames = 0
        if symbols:
            self._failures, self._last_read_s = 0, t_s
        else:
            self._failures += 1
        return tuple(symbol for symbol in symbols if not symbol.is_linear or self._is_confirmed(symbol, t_s))

    def _where_they_were(self, grey: Picture) -> tuple[Symbol, ...]:
        """Read around the last positions; nothing when any of the symbols is no longer there."""
        symbols: list[Symbol] = []
        tracks: list[_Track] = []
        for track in self._tracks:
            around = _grown(track.box, grey)
            found = search(_part(grey, around), track.reading_pass)
            if not found:
                return ()
            moved = [_moved(symbol, around.left_px, around.top_px) for symbol in found]
            symbols += [symbol for symbol in moved if symbol not in symbols]
            tracks += _tracks_of(moved, grey, is_thorough=track.reading_pass.is_thorough)[:1]
        self._tracks = tuple(tracks)
        return tuple(symbols)

    def _joined_by_others(self, symbols: tuple[Symbol, ...], grey: Picture) -> tuple[Symbol, ...]:
        """Return the tracked symbols and those that came into the frame meanwhile, which are tracked from now on."""
        found = search(grey, ReadingPass(self._formats, is_thorough=False))
        others = tuple(symbol for symbol in found if symbol not in symbols)
        self._tracks += tuple(_tracks_of(others, grey, is_thorough=False))
        return symbols + others

    def _anywhere(self, grey: Picture, t_s: float) -> tuple[Symbol, ...]:
        waited_s = t_s - (self._last_read_s if self._last_read_s is not None else t_s)
        is_patient = waited_s < PATIENCE_S and self._failures < PATIENCE_FRAMES
        turn = 0 if is_patient else self._failures % THOROUGH_EVERY_FRAMES
        if is_patient or (turn % 2 == 0 and turn):
            symbols = search(grey, ReadingPass(self._formats, is_thorough=False))
            self._tracks = tuple(_tracks_of(symbols, grey, is_thorough=False))
            return symbols
        match turn % 4:
            case 0:
                symbols = self._thorough(grey)
            case 1:
                symbols = self._turned_and_shrunk(grey)
            case _:
                symbols = search(255 - grey, ReadingPass(self._formats, is_thorough=False))
        self._tracks = tuple(_tracks_of(symbols, grey, is_thorough=True))
        return symbols

    def _thorough(self, grey: Picture) -> tuple[Symbol, ...]:
        """Search with everything; where zxing-cpp saw a symbol and could not read it, ask zbar about that part."""
        symbols = search(grey, ReadingPass(self._formats))
        if symbols:
            return symbols
        for box in unread_boxes(grey, self._formats)[:1]:
            around = _grown(box, grey)
            symbols = tuple(
                _moved(symbol, around.left_px, around.top_px) for symbol in search_zbar(_part(grey, around))
            )
        return symbols

    def _turned_and_shrunk(self, grey: Picture) -> tuple[Symbol, ...]:
        turned = search(np.ascontiguousarray(np.rot90(grey)), ReadingPass(self._row_formats, is_thorough=False))
        symbols = tuple(_turned_back(symbol, grey.shape[1]) for symbol in turned)
        if symbols or min(grey.shape) < _SHRUNK_LEAST_PX:
            return symbols
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return tuple(_doubled(symbol) for symbol in search(half, ReadingPass(self._formats, is_thorough=False)))

    def _is_confirmed(self, symbol: Symbol, t_s: float) -> bool:
        recent = {key: seen for key, seen in self._sightings.items() if t_s - seen.last_s <= MEMORY_S}
        seen = recent.setdefault((symbol.symbology, symbol.content), _Sighting(t_s, t_s))
        seen.last_s = t_s
        self._sightings = recent
        return t_s - seen.first_s >= CONFIRMATION_S


def _tracks_of(symbols: Iterable[Symbol], grey: Picture, *, is_thorough: bool) -> list[_Track]:
    """Return where to look next: thoroughly where that is a small part of the frame. Only what zxing-cpp read can be tracked."""
    tracks = []
    for symbol in symbols:
        if symbol.box is not None and symbol.engine == "zxing-cpp":
            around = _grown(symbol.box, grey)
            is_small = around.width_px * around.height_px * _SMALL_PARTS < grey.size
            kind = getattr(zxingcpp.BarcodeFormat, symbol.symbology)
            tracks.append(_Track(symbol.box, ReadingPass((kind,), is_thorough or is_small)))
    return tracks


def _part(grey: Picture, box: PictureBox) -> Picture:
    rows, columns = slice(box.top_px, box.top_px + box.height_px), slice(box.left_px, box.left_px + box.width_px)
    return np.ascontiguousarray(grey[rows, columns])


def _grown(box: PictureBox, grey: Picture) -> PictureBox:
    """Return the box with room for a quiet zone and for movement, inside the picture."""
    height_px, width_px = grey.shape
    margin_px = _MARGIN_PX + max(box.width_px, box.height_px) // 4
    left_px, top_px = max(0, box.left_px - margin_px), max(0, box.top_px - margin_px)
    right_px = min(width_px, box.left_px + box.width_px + margin_px)
    bottom_px = min(height_px, box.top_px + box.height_px + margin_px)
    return PictureBox(left_px, top_px, max(1, right_px - left_px), max(1, bottom_px - top_px))


def _placed(symbol: Symbol, box: PictureBox) -> Symbol:
    return Symbol(symbol.symbology, symbol.text, symbol.content, symbol.engine, box)


def _moved(symbol: Symbol, left_px: int, top_px: int) -> Symbol:
    if symbol.box is None:
        return symbol
    box = symbol.box
    return _placed(symbol, PictureBox(box.left_px + left_px, box.top_px + top_px, box.width_px, box.height_px))


def _doubled(symbol: Symbol) -> Symbol:
    return symbol if symbol.box is None else _placed(symbol, PictureBox(*(2 * length_px for length_px in symbol.box)))


def _turned_back(symbol: Symbol, width_px: int) -> Symbol:
    """Undo the quarter turn of `numpy.rot90` for a picture that was `width_px` wide."""
    if symbol.box is None:
        return symbol
    box = symbol.box
    return _placed(symbol, PictureBox(width_px - box.top_px - box.height_px, box.left_px, box.height_px, box.width_px))
