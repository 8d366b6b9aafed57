"""Data pages of fictitious Utopian travellers, drawn from a seed: what the MRZ reader is examined with, apart from its training.

Nothing here is shared with `models.training`: other paper, other wear, whole pages instead of strips, other seeds. The pages are
drawings, not documents: they say how readers compare, not how often a real page is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gate_agent.domain.mrz_digits import check_digit

FORMATS = ("TD1", "TD2", "TD3", "MRVA", "MRVB")
OCR_B = Path("/usr/share/fonts/opentype/ocr-b/OCRB.otf")
OCR_B_SHARP = OCR_B.with_name("OCRBS.otf")
PX_PER_MM = 12.0
_PITCH_MM, _LINE_MM = 2.54, 6.35
_SIZES_MM = {
    "TD1": (85.6, 54.0),
    "TD2": (105.0, 74.0),
    "TD3": (125.0, 88.0),
    "MRVA": (120.0, 80.0),
    "MRVB": (105.0, 74.0),
}
_LENGTHS = {"TD1": 30, "TD2": 36, "TD3": 44, "MRVA": 44, "MRVB": 36}
_SYLLABLES = ("AN", "BER", "CO", "DRI", "EK", "FA", "GUL", "HO", "IS", "JA", "KIM", "LO", "MAR", "NUR", "OY", "PET", "QO", "RUS", "SO",
              "TIM", "UL", "VIK", "WEN", "XO", "YU", "ZA")  # fmt: skip
_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Page:
    """A drawn page (BGR, `PX_PER_MM`), its format as the commands name it, and the lines that stand on it."""

    picture: np.ndarray
    format: str
    lines: tuple[str, ...]


def lines_of(rng: np.random.Generator, mrz_format: str) -> tuple[str, ...]:
    """Return the lines of one traveller, every check digit right."""
    length = _LENGTHS[mrz_format]
    birth, expiry = _day(rng, 40, 99), _day(rng, 27, 36)
    sex = "MFX<"[int(rng.choice(4, p=(0.45, 0.45, 0.05, 0.05)))]
    number = _number(rng)
    if mrz_format == "TD1":
        return _card(rng, number, birth + check_digit(birth) + sex + expiry + check_digit(expiry))
    code = {"TD3": "P" + _one_of(rng, "<<<NM"), "TD2": "I" + _one_of(rng, "<DR")}.get(
        mrz_format, "V" + _one_of(rng, "<<C")
    )
    first = (code + "UTO" + _names(rng, length - 5)).ljust(length, "<")
    second = number + check_digit(number) + "UTO" + birth + check_digit(birth) + sex + expiry + check_digit(expiry)
    optional = _optional(rng, {"TD3": 14, "TD2": 7}.get(mrz_format, length - 28))
    second += optional
    if mrz_format == "TD3":
        empty = not optional.strip("<")
        second += "<" if empty and rng.random() < 0.5 else check_digit(optional)
    if mrz_format in {"TD3", "TD2"}:
        second += check_digit(second[0:10] + second[13:20] + second[21:])
    return first, second


def _card(rng: np.random.Generator, number: str, dates: str) -> tuple[str, ...]:
    if rng.random() < 0.15:  # a long number runs on behind a filler (9303-5, note j)
        rest = _drawn(rng, "0123456789", int(rng.integers(1, 5)))
        number = number.replace("<", "0")
        tail = "<" + rest + check_digit(number + rest)
    else:
        tail = check_digit(number) + _optional(rng, 15)
    first = ("I" + _one_of(rng, "<DR") + "UTO" + number + tail).ljust(30, "<")
    second = dates + "UTO" + _optional(rng, 11)
    composite = first[5:] + second[0:7] + second[8:15] + second[18:29]
    return first, second + check_digit(composite), _names(rng, 30)


def _one_of(rng: np.random.Generator, symbols: str) -> str:
    return symbols[int(rng.integers(len(symbols)))]


def _drawn(rng: np.random.Generator, symbols: str, count: int) -> str:
    return "".join(_one_of(rng, symbols) for _ in range(count))


def _day(rng: np.random.Generator, first: int, last: int) -> str:
    return f"{int(rng.integers(first, last + 1)):02}{int(rng.integers(1, 13)):02}{int(rng.integers(1, 29)):02}"


def _number(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.4:
        return _drawn(rng, _ALNUM[10:], 2) + _drawn(rng, "0123456789", 7)
    if kind < 0.6:
        return _drawn(rng, "0123456789", int(rng.integers(7, 10))).ljust(9, "<")
    return _drawn(rng, _ALNUM, 9)


def _optional(rng: np.random.Generator, length: int) -> str:
    kind = rng.random()
    if kind < 0.5:
        return "<" * length
    symbols = "0123456789" if kind < 0.75 else _ALNUM
    return _drawn(rng, symbols, int(rng.integers(1, length + 1))).ljust(length, "<")


def _names(rng: np.random.Generator, length: int) -> str:
    def word(most: int) -> str:
        return "".join(_SYLLABLES[int(rng.integers(len(_SYLLABLES)))] for _ in range(int(rng.integers(1, most))))

    primary = "<".join(word(5) for _ in range(int(rng.integers(1, 3))))
    secondary = "<".join(word(4) for _ in range(int(rng.integers(0, 4))))
    return (f"{primary}<<{secondary}" if secondary else primary)[:length].ljust(length, "<")


def drawn_page(rng: np.random.Generator, mrz_format: str, lines: tuple[str, ...]) -> Page:
    """Return the page with these lines at its lower edge, above them a layout drawn from the generator."""
    width_mm, height_mm = _SIZES_MM[mrz_format]
    width, height = round(width_mm * PX_PER_MM), round(height_mm * PX_PER_MM)
    paper = _paper(rng, width, height)
    picture = Image.fromarray(paper)
    draw = ImageDraw.Draw(picture)
    zone_mm = 6.35 * len(lines) + 6
    _layout(rng, draw, (width, round((height_mm - zone_mm) * PX_PER_MM)), mrz_format, lines)
    path = OCR_B_SHARP if rng.random() < 0.3 else OCR_B
    font = ImageFont.truetype(str(path), 200)
    font = ImageFont.truetype(str(path), 200 * _PITCH_MM * PX_PER_MM / font.getlength("<"))
    left = (width - _PITCH_MM * PX_PER_MM * len(lines[0])) / 2 + rng.uniform(-0.6, 0.6) * PX_PER_MM
    shade = int(rng.integers(0, 70))
    for index, line in enumerate(lines):
        baseline_mm = height_mm - 5.0 - _LINE_MM * (len(lines) - 1 - index)
        draw.text((left, baseline_mm * PX_PER_MM), line, font=font, fill=(shade, shade, shade), anchor="ls")
    return Page(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR), mrz_format, lines)


def _paper(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return coloured paper with rosettes and a line screen, over the zone fainter than elsewhere."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    base = rng.uniform(190, 252, 3).astype(np.float32)
    ink = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        middle_x, middle_y = rng.uniform(0, width), rng.uniform(0, height)
        radius = np.hypot(x - middle_x, y - middle_y)
        bearing = np.arctan2(y - middle_y, x - middle_x)
        petals = int(rng.integers(5, 24))
        ink += np.abs(np.sin(radius / rng.uniform(5, 20) + rng.uniform(1, 5) * np.sin(petals * bearing))) ** 6
    ink += 0.6 * (np.sin(y / rng.uniform(2, 6) + 3 * np.sin(x / rng.uniform(60, 200))) > 0.7)
    strength = rng.uniform(8, 45)
    fade = np.where(y > height * 0.72, rng.uniform(0.3, 1.0), 1.0).astype(np.float32)
    tint = rng.uniform(0.3, 1, 3).astype(np.float32)
    paper = base - (strength * ink * fade)[..., None] * tint
    return np.clip(paper, 0, 255).astype(np.uint8)


def _layout(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, room: tuple[int, int], mrz_format: str, lines: tuple[str, ...]
) -> None:
    """Draw portrait, title, fields and a seal into the room above the zone; some cards have nothing but small print there."""
    width, height = room
    margin = round(4 * PX_PER_MM)
    left = margin
    if rng.random() < 0.8:
        box = (margin, margin + height // 6, margin + int(width * 0.27), height - margin // 2)
        _portrait(rng, draw, box)
        left = box[2] + margin
    title = {"TD3": "UTOPIA · PASSPORT · PASSEPORT", "MRVA": "UTOPIA · VISA", "MRVB": "UTOPIA · VISA"}.get(
        mrz_format, "UTOPIA · IDENTITY CARD"
    )
    draw.text((left, margin // 2), title, font=ImageFont.load_default(4.2 * PX_PER_MM), fill=(20, 30, 90))
    fields = (
        "Surname / Nom",
        "Given names / Prénoms",
        "Nationality / Nationalité",
        "Date of birth",
        "Place of birth",
        "Authority / Autorité",
        "Date of expiry",
    )
    step = max(round(6.5 * PX_PER_MM), 1)
    values = [lines[-1][:12].replace("<", " "), "UTOPIA", "12 OCT 1990", "ZENITH", "MINISTRY", "01.01.2030"]
    for index, top in enumerate(range(margin * 2, height - step, step)):
        draw.text(
            (left, top), fields[index % len(fields)], font=ImageFont.load_default(1.9 * PX_PER_MM), fill=(70, 70, 110)
        )
        text = values[int(rng.integers(len(values)))]
        draw.text((left, top + 2.1 * PX_PER_MM), text, font=ImageFont.load_default(3.1 * PX_PER_MM), fill=(15, 15, 15))
    if rng.random() < 0.4:
        place = (width * 0.7, height * 0.35, width * 0.9, height * 0.35 + width * 0.2)
        draw.ellipse(place, outline=(120, 40, 60), width=round(0.6 * PX_PER_MM))
        draw.text(
            (place[0] + 20, place[1] + width * 0.08),
            "UTO 0417",
            font=ImageFont.load_default(3.5 * PX_PER_MM),
            fill=(120, 40, 60),
        )
    if rng.random() < 0.35:  # a bar code, which looks like a line of text to a careless localiser
        x, top = int(width * 0.55), margin // 3
        for _ in range(60):
            bar = int(rng.integers(2, 9))
            draw.rectangle((x, top, x + bar, top + round(5 * PX_PER_MM)), fill=(10, 10, 10))
            x += bar + int(rng.integers(2, 9))


def _portrait(rng: np.random.Generator, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    if bottom <= top or right <= left:
        return
    wide, high = right - left, bottom - top
    draw.rectangle(box, fill=tuple(int(value) for value in rng.integers(150, 235, 3)))
    skin = tuple(int(value) for value in rng.integers((120, 80, 60), (240, 200, 180)))
    draw.pieslice(
        (left + wide * 0.1, top + high * 0.72, right - wide * 0.1, bottom + high * 0.28), 180, 360, fill=(40, 45, 60)
    )
    draw.ellipse((left + wide * 0.26, top + high * 0.18, right - wide * 0.26, top + high * 0.8), fill=skin)
    draw.pieslice(
        (left + wide * 0.22, top + high * 0.08, right - wide * 0.22, top + high * 0.75), 180, 360, fill=(35, 25, 20)
    )
