"""A folder of pictures as a source of frames, in the order of their names, ten a second, for ever: recordings, also of depth."""

from __future__ import annotations

from pathlib import Path

from drivers.camera.frame_source import Frame, FrameSource, Pace, SourceFailed
from drivers.camera.picture_decoding import decoded
from drivers.channels import Channel

FPS = 10.0
PICTURE_LIMIT_BYTES = 32 << 20
_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


class FolderSource(FrameSource):
    """The pictures of a folder; depth is PNG of 16 bits, in millimetres."""

    def __init__(self, folder: Path, channel: Channel, limits_px: tuple[int, int]) -> None:
        self._channel = channel
        self._limits_px = limits_px
        try:
            self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
        except OSError as error:
            raise SourceFailed("refused", "folder cannot be read") from error
        if not self._paths:
            raise SourceFailed("refused", "folder holds no pictures")
        self._pace = Pace(FPS)

    def grab(self, wait_s: float) -> bool:
        """Wait for the next picture; False when none is due in time."""
        is_due = self._pace.wait(wait_s)
        self.arrived += is_due
        return is_due

    def decode(self) -> Frame | None:
        """Return the picture whose turn it is; None when it is none. Raises `SourceFailed` when it is gone."""
        path = self._paths[(self.arrived - 1) % len(self._paths)]
        try:
            with path.open("rb") as file:
                content = file.read(PICTURE_LIMIT_BYTES)
        except OSError as error:
            raise SourceFailed("ended", "a picture is gone") from error
        frame, size_px = decoded(content, self._channel, self._limits_px)
        self.size_px = size_px or self.size_px
        return frame

    def close(self) -> None:
        """Nothing is held."""
