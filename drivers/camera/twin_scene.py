"""What a camera twin shows: a scene with a little sensor noise, encoded once in a few variants that are shown in turn.

A still scene never looks frozen, as with a real sensor, and showing costs no encoding.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

BACKGROUND_BGR = (200, 196, 190)
FACE_SHARE_OF_PORTRAIT = 0.55
"""Width of the face in a portrait of the kind travel documents carry (ICAO 9303-9: head width 50 to 75 % of the image's)."""
NOISE_STEPS = 3


class TwinScene:
    """The picture before a virtual lens, as JPEG files of baseline coding and 4:2:0 sampling."""

    def __init__(self, width_px: int, height_px: int, *, variants: int = 7, seed: int = 1) -> None:
        self.size_px = (width_px, height_px)
        self._quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
        self._seed, self._variants = seed, variants
        self._noise = self._made_noise()
        self._turn = 0
        self._is_frozen = False
        self.pictures: tuple[bytes, ...] = ()
        """The encoded variants of what is shown now."""
        self.blank()

    def show(self, picture: bytes | Frame, *, face_px: int = 200) -> None:
        """Show a portrait (an image file's bytes or BGR) before a neutral wall, its face about `face_px` wide.

        A picture of exactly the camera's size is shown as it is. Raises `ValueError` for bytes that are no image.
        """
        portrait = _decoded(picture) if isinstance(picture, bytes) else picture
        width_px, height_px = self.size_px
        if portrait.shape[:2] == (height_px, width_px):
            self._show_frame(portrait)
            return
        scale = face_px / (portrait.shape[1] * FACE_SHARE_OF_PORTRAIT)
        scale = min(scale, width_px / portrait.shape[1], height_px / portrait.shape[0])
        size = (max(1, round(portrait.shape[1] * scale)), max(1, round(portrait.shape[0] * scale)))
        scaled = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        frame = self._filled(BACKGROUND_BGR)
        left_px, top_px = (width_px - size[0]) // 2, (height_px - size[1]) // 2
        frame[top_px : top_px + size[1], left_px : left_px + size[0]] = scaled
        self._show_frame(frame)

    def show_empty(self) -> None:
        """Show the neutral wall with nobody before it."""
        self._show_frame(self._filled(BACKGROUND_BGR))

    def blank(self) -> None:
        """Show black, as with a covered lens."""
        self._show_frame(self._filled((0, 0, 0)))

    def overexpose(self) -> None:
        """Show white, as with a lamp into the lens or an exposure that is far too long."""
        self._show_frame(self._filled((255, 255, 255)))

    def freeze(self, *, on: bool = True) -> None:
        """Show the very same picture for ever, as a hung encoder does; `show` does not end it."""
        self._is_frozen = on

    def resize(self, width_px: int, height_px: int) -> None:
        """Show the empty wall at another size from now on, as a camera that somebody set up anew does."""
        self.size_px = (width_px, height_px)
        self._noise = self._made_noise()
        self.show_empty()

    def next_picture(self) -> bytes:
        """Return the JPEG file that is due now."""
        if not self._is_frozen:
            self._turn += 1
        return self.pictures[self._turn % len(self.pictures)]

    def _made_noise(self) -> Frame:
        width_px, height_px = self.size_px
        shape = (self._variants, height_px, width_px, 1)
        levels = np.random.default_rng(self._seed).integers(0, NOISE_STEPS, shape, np.uint8)
        return np.repeat(levels, 3, axis=3)

    def _filled(self, colour_bgr: tuple[int, int, int]) -> Frame:
        return np.full((self.size_px[1], self.size_px[0], 3), colour_bgr, np.uint8)

    def _show_frame(self, frame: Frame) -> None:
        pictures = []
        for noise in self._noise:
            is_encoded, jpeg = cv2.imencode(".jpg", cv2.add(frame, noise), self._quality)
            if not is_encoded:
                raise ValueError("scene cannot be encoded")
            pictures.append(jpeg.tobytes())
        self.pictures = tuple(pictures)


def _decoded(content: bytes) -> Frame:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("the portrait is no image")
    return picture.astype(np.uint8, copy=False)
