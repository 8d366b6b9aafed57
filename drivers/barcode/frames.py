"""Bar codes in pictures: zxing-cpp reads, pyzbar is a second opinion where its library is installed.

Payloads are bytes. Symbols of one dimension have weak checks or none and are misread with a correct check digit: accept `is_linear` ones
only against what the application expects (a format, a list of seals) or from two frames (`drivers.barcode.frame_stream`), never as identity.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from types import ModuleType
from typing import Any, NamedTuple

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from drivers.barcode.image_header import ImageRefused, gate
from drivers.contracts import is_linear

SYMBOLS_LIMIT = 8
PAYLOAD_LIMIT_BYTES = 4096

# Formats a gate meets: declarations and receipts, boarding passes, visa seals, bag tags, seals and forms, goods.
MATRIX_FORMATS: tuple[Any, ...] = (
    zxingcpp.BarcodeFormat.QRCode,
    zxingcpp.BarcodeFormat.MicroQRCode,
    zxingcpp.BarcodeFormat.Aztec,
    zxingcpp.BarcodeFormat.DataMatrix,
)
LINEAR_FORMATS: tuple[Any, ...] = (
    zxingcpp.BarcodeFormat.Code128,
    zxingcpp.BarcodeFormat.Code39,
    zxingcpp.BarcodeFormat.ITF,
    zxingcpp.BarcodeFormat.EAN13,
)
ROW_FORMATS: tuple[Any, ...] = (zxingcpp.BarcodeFormat.PDF417, *LINEAR_FORMATS)
"""Formats that are read along rows of pixels, so that a quarter turn hides them."""
GATE_FORMATS: tuple[Any, ...] = (*MATRIX_FORMATS, *ROW_FORMATS)
_ZBAR_NAMES = {"QRCODE": "QRCode", "CODE128": "Code128", "CODE39": "Code39", "I25": "ITF", "EAN13": "EAN13"}

Picture = NDArray[np.uint8]


class PictureBox(NamedTuple):
    """An upright rectangle in a picture, in pixels."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol: `symbology` as zxing-cpp names it, the payload as bytes and as text, the engine that read it, and where it stands."""

    symbology: str
    text: str
    content: bytes
    engine: str
    box: PictureBox | None = field(default=None, compare=False)

    @property
    def is_linear(self) -> bool:
        """Whether it has one dimension: the text needs a check at the application, or the same text from a second frame."""
        return is_linear(self.symbology)


@dataclass(frozen=True, slots=True)
class ReadingPass:
    """What one search tries: formats, and whether it also turns, shrinks and inverts the picture."""

    formats: tuple[Any, ...] = GATE_FORMATS
    is_thorough: bool = True


@lru_cache(maxsize=1)
def zbar() -> ModuleType | None:
    """Return pyzbar when libzbar is installed, else None (the wheel does not bring the library)."""
    try:
        return importlib.import_module("pyzbar.pyzbar")
    except (ImportError, OSError):
        return None


def read_symbols(
    picture: Picture, *, is_thorough: bool = True, formats: tuple[Any, ...] = GATE_FORMATS, second_opinion: bool = True
) -> tuple[Symbol, ...]:
    """Return at most eight symbols of a grey or BGR picture, each payload at most 4096 bytes.

    A thorough pass also turns, shrinks and inverts; the other costs a third and misses turned PDF417 and light-on-dark codes.
    The second opinion is asked only when the first engine found nothing.
    """
    grey = grey_of(picture)
    symbols = search(grey, ReadingPass(formats, is_thorough))
    return symbols or (search_zbar(grey) if second_opinion else ())


def grey_of(picture: Picture) -> Picture:
    """Return a picture's brightness as one plane. Raises `ImageRefused` for anything but a grey or BGR array of bytes."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise ImageRefused("picture is not a grey or BGR array of bytes")
    return np.ascontiguousarray(picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def search(grey: Picture, reading_pass: ReadingPass) -> tuple[Symbol, ...]:
    """Return what zxing-cpp reads in one pass over a grey picture, bounded as `read_symbols`."""
    formats: Any = list(reading_pass.formats)
    found = zxingcpp.read_barcodes(
        grey,
        formats=formats,
        try_rotate=reading_pass.is_thorough,
        try_downscale=reading_pass.is_thorough,
        try_invert=reading_pass.is_thorough,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return _kept(
        Symbol(code.format.name, code.text, bytes(code.bytes), "zxing-cpp", _box(code.position))
        for code in found
        if code.valid
    )


def unread_boxes(grey: Picture, formats: tuple[Any, ...] = GATE_FORMATS) -> tuple[PictureBox, ...]:
    """Return where zxing-cpp sees a symbol that it cannot read (a wrong checksum, say), in a fast pass."""
    wanted: Any = list(formats)
    found = zxingcpp.read_barcodes(
        grey, formats=wanted, try_rotate=False, try_downscale=False, try_invert=False, return_errors=True
    )
    return tuple(_box(code.position) for code in found if not code.valid)[:SYMBOLS_LIMIT]


def search_zbar(grey: Picture) -> tuple[Symbol, ...]:
    """Return what zbar reads of the gate's formats; nothing where its library is not installed."""
    engine = zbar()
    if engine is None:
        return ()
    kinds = [kind for kind in engine.ZBarSymbol if kind.name in _ZBAR_NAMES]
    return _kept(
        Symbol(
            _ZBAR_NAMES.get(code.type, code.type),
            code.data.decode("utf-8", "replace"),
            bytes(code.data),
            "zbar",
            PictureBox(*code.rect),
        )
        for code in engine.decode(grey, symbols=kinds)
    )


def _kept(symbols: Iterable[Symbol]) -> tuple[Symbol, ...]:
    return tuple(islice((symbol for symbol in symbols if len(symbol.content) <= PAYLOAD_LIMIT_BYTES), SYMBOLS_LIMIT))


def _box(position: Any) -> PictureBox:
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    left_px, top_px = min(corner.x for corner in corners), min(corner.y for corner in corners)
    right_px, bottom_px = max(corner.x for corner in corners), max(corner.y for corner in corners)
    return PictureBox(left_px, top_px, right_px - left_px, bottom_px - top_px)


def read_image(content: bytes) -> tuple[Symbol, ...]:
    """Return the symbols of an image file's bytes. Raises `ImageRefused` when the header gate or the decoder refuses it."""
    gate(content)
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageRefused("image cannot be decoded") from error
    if picture is None:
        raise ImageRefused("image cannot be decoded")
    return read_symbols(flattened(picture))


def flattened(picture: NDArray[Any]) -> Picture:
    """Return 8 bits, without alpha: transparent becomes white, as on paper."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    if picture.ndim == 3 and picture.shape[2] == 2:
        picture = np.dstack([picture[:, :, :1]] * 3 + [picture[:, :, 1:]])
    if picture.ndim == 3 and picture.shape[2] == 4:
        alpha = picture[:, :, 3:].astype(np.uint16)
        blended = (picture[:, :, :3].astype(np.uint16) * alpha + 255 * (255 - alpha)) // 255
        picture = blended.astype(np.uint8)
    return picture.astype(np.uint8, copy=False)
