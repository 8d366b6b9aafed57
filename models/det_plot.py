"""Detection error trade-off as a picture: SVG written as text, or PNG; both from the same few shapes.

Both axes are logarithmic and in per cent: along, the false match rate; up, the false non-match rate; the band holds its 95 % bounds.
The SVG carries its own style, loads nothing, and follows the reader's light or dark preference; the PNG is light.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import cv2
import numpy as np

from models.error_rates import EvaluationFault
from models.results import Image

WIDTH_PX, HEIGHT_PX = 760, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 28, 92, 70
_PNG_SCALE = 2
_ASKED = (1e-3, 0.02)  # TR-03121, FM CMP-FI-VER: FNMR below 2 % at FMR 0.1 %
_LIGHT = {
    "paper": "#ffffff", "ink": "#1c2530", "quiet": "#5b6876", "grid": "#dde3e9", "faint": "#eef1f4", "frame": "#9aa6b2",
    "line0": "#0b5fa5", "line1": "#b4530a", "line2": "#2b7a3f", "line3": "#7a3fa0", "line4": "#8a6a00", "line5": "#4a5560",
}  # fmt: skip
_DARK = {
    "paper": "#12171d", "ink": "#e8edf2", "quiet": "#a3b0bd", "grid": "#2c3641", "faint": "#1d252d", "frame": "#5a6774",
    "line0": "#6db3f2", "line1": "#f2a25c", "line2": "#7fcf94", "line3": "#c99bea", "line4": "#dcc060", "line5": "#b5bfca",
}  # fmt: skip
_LINES = 6
_FONTS = "system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"
_BANDS, _BAND_OPACITY = 2, 0.18

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the picture: [FMR, FNMR, lower, upper bound] rows (`evaluation.curve_points`), stated points to mark, a name."""

    label: str
    rows: Sequence[Sequence[float]]
    marks: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class _Shape:
    """A polyline, polygon, dot or text in pixels of the picture; colours by name."""

    kind: str
    points: tuple[Point, ...]
    colour: str
    width: float = 1.0
    text: str = ""
    size: float = 13.0
    anchor: str = "start"
    is_upright: bool = False
    is_bold: bool = False
    is_dashed: bool = False


class _Axes:
    """Where a pair of rates lies in the picture; rates beyond an axis end at it."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        positive = [[value for row in curve.rows for value in row[:1] if value > 0] for curve in curves]
        missed = [[value for row in curve.rows for value in row[1:2] if value > 0] for curve in curves]
        self.low_x = self._decade([value for values in positive for value in values])
        self.low_y = self._decade([value for values in missed for value in values] + [_ASKED[1]])

    @staticmethod
    def _decade(values: Sequence[float]) -> int:
        smallest = min(values, default=0.1)
        return min(max(math.floor(math.log10(smallest) + 1e-9), -8), -1)

    def place(self, false_match_rate: float, false_non_match_rate: float) -> Point:
        """Return x and y in pixels."""
        across = self._share(false_match_rate, self.low_x) * (WIDTH_PX - _LEFT - _RIGHT)
        up = self._share(false_non_match_rate, self.low_y) * (HEIGHT_PX - _TOP - _BOTTOM)
        return _LEFT + across, HEIGHT_PX - _BOTTOM - up

    @staticmethod
    def _share(rate: float, low: int) -> float:
        if rate <= 0:
            return 0.0
        return min(max((math.log10(rate) - low) / -low, 0.0), 1.0)


def per_cent(rate: float) -> str:
    """Return a rate in per cent with no more digits than it needs."""
    return f"{float(f'{rate * 100:.2g}'):.10f}".rstrip("0").rstrip(".") + " %"


def _grid(axes: _Axes) -> Iterator[_Shape]:
    for low, is_along in ((axes.low_x, True), (axes.low_y, False)):
        for decade in range(low, 1):
            for digit in range(1, 10):
                rate = digit * 10.0**decade
                if rate > 1:
                    break
                ends = (
                    (axes.place(rate, 0), axes.place(rate, 1))
                    if is_along
                    else (axes.place(0, rate), axes.place(1, rate))
                )
                yield _Shape("line", ends, "grid" if digit == 1 else "faint")
    corners = (axes.place(0, 0), axes.place(1, 0), axes.place(1, 1), axes.place(0, 1), axes.place(0, 0))
    yield _Shape("line", corners, "frame", 1.2)
    for decade in range(axes.low_x, 1):
        x, y = axes.place(10.0**decade, 0)
        yield _Shape("text", ((x, y + 20),), "ink", text=per_cent(10.0**decade), anchor="middle")
    for decade in range(axes.low_y, 1):
        for digit in (1, 2, 5):
            if digit * 10.0**decade <= 1:
                x, y = axes.place(0, digit * 10.0**decade)
                colour = "ink" if digit == 1 else "quiet"
                yield _Shape(
                    "text", ((x - 8, y + 4),), colour, text=per_cent(digit * 10.0**decade), anchor="end", size=12
                )


def _asked(axes: _Axes) -> Iterator[_Shape]:
    """Draw what TR-03121 asks of a gate: to stay below this corner."""
    if math.log10(_ASKED[0]) < axes.low_x:
        return
    corner = axes.place(*_ASKED)
    yield _Shape("line", (axes.place(_ASKED[0], 0), corner, axes.place(0, _ASKED[1])), "quiet", 1.2, is_dashed=True)
    x, y = axes.place(0, _ASKED[1])
    yield _Shape("text", ((x + 8, y + 17),), "quiet", text="asked of a gate: below 2 % at 0.1 %", size=12)


def _band(curve: Curve, colour: str, axes: _Axes) -> Iterator[_Shape]:
    rows = [row for row in curve.rows if row[0] > 0]
    upper = [axes.place(row[0], row[3]) for row in rows]
    lower = [axes.place(row[0], row[2]) for row in rows]
    yield _Shape("area", (*upper, *reversed(lower)), colour)


def _line(curve: Curve, colour: str, axes: _Axes) -> _Shape:
    return _Shape("line", tuple(axes.place(row[0], row[1]) for row in curve.rows if row[0] > 0), colour, 2.2)


def _marked(curve: Curve, colour: str, axes: _Axes) -> Iterator[_Shape]:
    for rate, missed in curve.marks:
        if rate > 0:
            x, y = axes.place(rate, missed)
            yield _Shape("dot", ((x, y),), colour, 4.5)
            yield _Shape("text", ((x - 8, y + 18),), "ink", text=per_cent(missed), anchor="end", is_bold=True)


def _shapes(curves: Sequence[Curve], title: str, subtitle: str) -> list[_Shape]:
    if not curves or any(len(curve.rows) < 2 for curve in curves):
        raise EvaluationFault("there is no curve to draw")
    if len(curves) > _LINES:
        raise EvaluationFault(f"{len(curves)} curves in one picture are not told apart; {_LINES} at most")
    axes = _Axes(curves)
    shapes = [*_grid(axes), *_asked(axes)]
    banded = curves if len(curves) <= _BANDS else curves[:1]  # more bands than two cannot be told apart
    for place, curve in enumerate(banded):
        shapes += _band(curve, f"line{place}", axes)
    shapes += [_line(curve, f"line{place}", axes) for place, curve in enumerate(curves)]
    shapes += _marked(curves[0], "line0", axes)
    right, top = axes.place(1, 1)
    for place, curve in enumerate(curves):
        y = top + 22 + 20 * place
        shapes.append(_Shape("line", ((right - 34, y - 4), (right - 12, y - 4)), f"line{place}", 3))
        shapes.append(_Shape("text", ((right - 42, y),), "ink", text=curve.label, anchor="end"))
    shaded = "Shaded: 95 % bounds by person" + ("" if banded is curves else ", of the first curve")
    middle = (_LEFT + WIDTH_PX - _RIGHT) / 2
    return [
        *shapes,
        _Shape("text", ((_LEFT, 34),), "ink", text=title, size=19, is_bold=True),
        _Shape("text", ((_LEFT, 58),), "quiet", text=subtitle),
        _Shape("text", ((_LEFT, 77),), "quiet", text=shaded, size=12),
        _Shape("text", ((middle, HEIGHT_PX - 20),), "ink", text="False match rate (FMR)", anchor="middle", size=14),
        _Shape(
            "text",
            ((24, (_TOP + HEIGHT_PX - _BOTTOM) / 2),),
            "ink",
            text="False non-match rate (FNMR)",
            anchor="middle",
            size=14,
            is_upright=True,
        ),
    ]


def det_svg(curves: Sequence[Curve], title: str, subtitle: str) -> str:
    """Return the picture as an SVG document. The first curve's marks are drawn. Raises `EvaluationFault` without curves."""
    shapes = _shapes(curves, title, subtitle)
    lines = [
        _opening(),
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(subtitle)}</desc>",
        "<style>",
        *_style(_LIGHT),
        "@media (prefers-color-scheme: dark) {",
        *_style(_DARK),
        "}",
        "</style>",
        f'<rect class="f-paper" width="{WIDTH_PX}" height="{HEIGHT_PX}"/>',
        *(_element(shape) for shape in shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _opening() -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" width="{WIDTH_PX}" '
        f'height="{HEIGHT_PX}" role="img" font-family="{_FONTS}">'
    )


def _style(palette: dict[str, str]) -> Iterator[str]:
    for name, colour in palette.items():
        yield f".f-{name} {{ fill: {colour} }} .s-{name} {{ stroke: {colour}; fill: none }}"


def _element(shape: _Shape) -> str:
    x, y = shape.points[0]
    if shape.kind == "dot":
        return f'<circle class="f-{shape.colour}" cx="{x:.1f}" cy="{y:.1f}" r="{shape.width:g}"/>'
    if shape.kind == "text":
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if shape.is_upright else ""
        weight = ' font-weight="600"' if shape.is_bold else ""
        return (
            f'<text class="f-{shape.colour}" x="{x:.1f}" y="{y:.1f}" font-size="{shape.size:g}" '
            f'text-anchor="{shape.anchor}"{weight}{turn}>{escape(shape.text)}</text>'
        )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if shape.kind == "area":
        return f'<polygon class="f-{shape.colour}" fill-opacity="{_BAND_OPACITY:g}" points="{points}"/>'
    dashes = ' stroke-dasharray="5 4"' if shape.is_dashed else ""
    return f'<polyline class="s-{shape.colour}" stroke-width="{shape.width:g}" stroke-linejoin="round"{dashes} points="{points}"/>'


def det_png(curves: Sequence[Curve], title: str, subtitle: str) -> bytes:
    """Return the picture as a PNG of twice the SVG's size. Raises `EvaluationFault` without curves."""
    shapes = _shapes(curves, title, subtitle)
    canvas = np.full((HEIGHT_PX * _PNG_SCALE, WIDTH_PX * _PNG_SCALE, 3), 255, dtype=np.uint8)
    for shape in shapes:
        _draw(canvas, shape)
    is_written, encoded = cv2.imencode(".png", canvas)
    if not is_written:
        raise EvaluationFault("the picture could not be encoded")
    return encoded.tobytes()


def _bgr(name: str) -> tuple[int, int, int]:
    value = _LIGHT[name]
    return int(value[5:7], 16), int(value[3:5], 16), int(value[1:3], 16)


_SHIFT = 4  # coordinates in sixteenths of a pixel


def _fixed(points: Sequence[Point]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.round(np.array(points) * _PNG_SCALE * (1 << _SHIFT)).astype(np.int32)


def _draw(canvas: Image, shape: _Shape) -> None:
    colour = _bgr(shape.colour)
    if shape.kind == "text":
        _write(canvas, shape, colour)
    elif shape.kind == "dot":
        x, y = _fixed(shape.points)[0].tolist()
        radius = round(shape.width * _PNG_SCALE * (1 << _SHIFT))
        cv2.circle(canvas, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    elif shape.kind == "area":
        layer = canvas.copy()
        cv2.fillPoly(layer, [_fixed(shape.points)], colour, cv2.LINE_AA, _SHIFT)
        cv2.addWeighted(layer, _BAND_OPACITY, canvas, 1 - _BAND_OPACITY, 0, canvas)
    else:
        points = _dashed(shape.points) if shape.is_dashed else [shape.points]
        width = max(round(shape.width * _PNG_SCALE), 1)
        cv2.polylines(canvas, [_fixed(part) for part in points], False, colour, width, cv2.LINE_AA, _SHIFT)


def _dashed(points: Sequence[Point], on: float = 5.0, off: float = 4.0) -> list[tuple[Point, Point]]:
    parts = []
    for (x0, y0), (x1, y1) in pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        place = 0.0
        while place < length:
            start, stop = place / length, min(place + on, length) / length
            parts.append(
                ((x0 + (x1 - x0) * start, y0 + (y1 - y0) * start), (x0 + (x1 - x0) * stop, y0 + (y1 - y0) * stop))
            )
            place += on + off
    return parts


def _write(canvas: Image, shape: _Shape, colour: tuple[int, int, int]) -> None:
    scale = shape.size * _PNG_SCALE / 30
    weight = 3 if shape.is_bold else 1
    (width, height), below = cv2.getTextSize(shape.text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    x, y = (value * _PNG_SCALE for value in shape.points[0])
    back = {"start": 0.0, "middle": width / 2, "end": float(width)}[shape.anchor]
    if not shape.is_upright:
        cv2.putText(
            canvas,
            shape.text,
            (round(x - back), round(y)),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            colour,
            weight,
            cv2.LINE_AA,
        )
        return
    strip = np.full((height + 2 * below, width + 2, 3), 255, dtype=np.uint8)
    cv2.putText(strip, shape.text, (0, height + below), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, weight, cv2.LINE_AA)
    turned = cv2.rotate(strip, cv2.ROTATE_90_COUNTERCLOCKWISE)
    top, left = max(round(y - width / 2), 0), max(round(x) - height, 0)
    canvas[top : top + turned.shape[0], left : left + turned.shape[1]] = turned
