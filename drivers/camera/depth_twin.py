"""Depth camera twin: PNG of 16 bits in millimetres, as parts of a multipart stream over HTTP.

The wire is our own: no depth camera speaks it by itself. A process of its own beside a vendor's library can, in a page of code.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera.twin import CameraTwin

WALL_MM, FACE_MM = 1_500, 700
_NOISE_MM = 2


class DepthCameraTwin(CameraTwin):
    """Shows a head or a sheet of paper before a wall; `at` is the place of its middle in shares of the picture's width and height."""

    media_type = "image/png"

    def __init__(self, *, port: int = 0, fps: float = 10.0, width_px: int = 640, height_px: int = 360) -> None:
        super().__init__(port=port, fps=fps, width_px=width_px, height_px=height_px, variants=3)
        self.show_wall()

    def show_wall(self) -> None:
        """Show the wall with nobody before it."""
        self.show_depth(self._wall())

    def show_head(self, face_px: int, at: tuple[float, float] = (0.5, 0.5)) -> None:
        """Show a head: an ellipsoid with a nose, its face `face_px` wide."""
        depth = self._wall()
        across, down = self._from_middle(face_px, at)
        inside = across**2 + down**2 < 1
        relief = 90 * np.sqrt(np.clip(1 - across**2 - down**2, 0, 1)) + 22 * np.exp(-(across**2 + down**2) / 0.02)
        depth[inside] = (FACE_MM + 90 - relief)[inside]
        self.show_depth(depth)

    def show_sheet(self, face_px: int, at: tuple[float, float] = (0.5, 0.5)) -> None:
        """Show a flat sheet held up at a slant, large enough for a face `face_px` wide."""
        depth = self._wall()
        across, down = self._from_middle(face_px, at)
        inside = (np.abs(across) < 1.6) & (np.abs(down) < 1.6)
        depth[inside] = (1 / (1 / FACE_MM + 2e-5 * across + 1e-5 * down))[inside]
        self.show_depth(depth)

    def blank(self) -> None:
        """Give no reading anywhere, as behind a cover."""
        self._encode([np.zeros((self.scene.size_px[1], self.scene.size_px[0]), np.uint16)])

    def show_depth(self, depth_mm: NDArray[np.float64]) -> None:
        """Show readings in millimetres, a row of the picture after the other, with a little noise."""
        chance = np.random.default_rng(1)
        noisy = (depth_mm + chance.normal(0, _NOISE_MM / 2, depth_mm.shape) for _ in range(3))
        self._encode([np.clip(one, 0, 65_535).astype(np.uint16) for one in noisy])

    def _wall(self) -> NDArray[np.float64]:
        return np.full((self.scene.size_px[1], self.scene.size_px[0]), float(WALL_MM))

    def _from_middle(self, face_px: int, at: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return every pixel's distance from a place in half widths, and in half heights, of a head."""
        width_px, height_px = self.scene.size_px
        rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float64)
        return (columns - at[0] * width_px) / (0.6 * face_px), (rows - at[1] * height_px) / (0.8 * face_px)

    def _encode(self, frames: list[NDArray[np.uint16]]) -> None:
        pictures = []
        for frame in frames:
            is_encoded, png = cv2.imencode(".png", frame)
            if not is_encoded:
                raise ValueError("depth cannot be encoded")
            pictures.append(png.tobytes())
        self.scene.pictures = tuple(pictures)
