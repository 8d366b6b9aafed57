"""Bar codes in pictures: zxing-cpp reads, pyzbar is a second opinion where its library is installed.

Payloads are bytes. 1-D codes can be misread with a correct check digit: accept them only against an expected list or from two frames.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from drivers.barcode.image_header import ImageRefused, gate

SYMBOLS_LIMIT = 8
PAYLOAD_LIMIT_BYTES = 4096

# Formats a gate meets: declarations and receipts, boarding passes, visa seals, bag tags and forms.
GATE_FORMATS: tuple[Any, ...] = (
    zxingcpp.BarcodeFormat.QRCode,
    zxingcpp.BarcodeFormat.PDF417,
    zxingcpp.BarcodeFormat.Aztec,
    zxingcpp.BarcodeFormat.DataMatrix,
    zxingcpp.BarcodeFormat.Code128,
)
_ZBAR_NAMES = {
    "QRCODE": "QRCode",
    "CODE128": "Code128",
    "CODE39": "Code39",
    "CODE93": "Code93",
    "I25": "ITF",
    "CODABAR": "Codabar",
    "EAN13": "EAN13",
    "EAN8": "EAN8",
    "UPCA": "UPCA",
    "UPCE": "UPCE",
}

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol: `symbology` as zxing-cpp names it, the payload as bytes and as text, and the engine that read it."""

    symbology: str
    text: str
    content: bytes
    engine: str


@lru_cache(maxsize=1)
def zbar() -> ModuleType | None:
    """Return pyzbar when libzbar is installed, else None (the wheel does not bring the library)."""
    try:
        return importlib.import_module("pyzbar.pyzbar")
    except (ImportError, OSError):
        return None


def read_symbols(
    picture: Picture, *, is_thorough: bool = True, gate_formats_only: bool = False, second_opinion: bool = True
) -> tuple[Symbol, ...]:
    """Return at most eight symbols of a grey or BGR picture, each payload at most 4096 bytes.

    A thorough pass also turns, shrinks and inverts; the other costs a third and misses turned PDF417 and light-on-dark codes.
    The second opinion is asked only when the first engine found nothing.
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise ImageRefused("picture is not a grey or BGR array of bytes")
    grey = np.ascontiguousarray(picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    symbols = _read_zxing(grey, is_thorough=is_thorough, gate_formats_only=gate_formats_only)
    if not symbols and second_opinion:
        symbols = _read_zbar(grey)
    kept = [symbol for symbol in symbols if len(symbol.content) <= PAYLOAD_LIMIT_BYTES]
    return tuple(kept[:SYMBOLS_LIMIT])


def _read_zxing(grey: Picture, *, is_thorough: bool, gate_formats_only: bool) -> list[Symbol]:
    options: dict[str, Any] = {"formats": list(GATE_FORMATS)} if gate_formats_only else {}
    found = zxingcpp.read_barcodes(
        grey,
        try_rotate=is_thorough,
        try_downscale=is_thorough,
        try_invert=is_thorough,
        text_mode=zxingcpp.TextMode.Plain,
        **options,
    )
    return [Symbol(code.format.name, code.text, bytes(code.bytes), "zxing-cpp") for code in found if code.valid]


def _read_zbar(grey: Picture) -> list[Symbol]:
    engine = zbar()
    if engine is None:
        return []
    kinds = [kind for kind in engine.ZBarSymbol if kind.name in _ZBAR_NAMES]
    return [
        Symbol(_ZBAR_NAMES.get(code.type, code.type), code.data.decode("utf-8", "replace"), bytes(code.data), "zbar")
        for code in engine.decode(grey, symbols=kinds)
    ]


def read_image(content: bytes) -> tuple[Symbol, ...]:
    """Return the symbols of an image file's bytes. Raises `ImageRefused` when the header gate or the decoder refuses it."""
    gate(content)
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageRefused("image cannot be decoded") from error
    if picture is None:
        raise ImageRefused("image cannot be decoded")
    return read_symbols(_flattened(picture))


def _flattened(picture: NDArray[Any]) -> Picture:
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
