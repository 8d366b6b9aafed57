"""A virtual full-page reader whose program leaves pictures in a folder, with a heartbeat, a presence file and orders to read again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from drivers.folder_twin import FolderTwin

ALIVE, PRESENT, AGAIN = "alive", "present", "again"
SUFFIXES = {"white": "-white.jpg", "infrared": "-ir.jpg", "ultraviolet": "-uv.jpg", "portrait": "-portrait.jpg"}
BEAT_S = 0.05


class PageFolderTwin(FolderTwin):
    """The program and its folder."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(path, seed=seed)
        self.read_again_count = 0
        self._count = 0
        self._document: tuple[Mapping[str, bytes], Sequence[str]] | None = None
        self._beating: asyncio.Task[None] | None = None

    async def plug(self) -> None:
        """Make the folder, and start the program."""
        if self._beating is None:
            await super().plug()
            self._beating = asyncio.create_task(self._beat(), name=f"twin {self.path.name} beating")

    async def unplug(self) -> None:
        """End the program, and take the folder away."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        await super().unplug()

    def present(self, pictures: Mapping[str, bytes], lines: Sequence[str] = ()) -> None:
        """Lay a document on the glass: its pictures by role, and its printed lines where the program reads them."""
        self._document = (dict(pictures), tuple(lines))
        if not self._is_muted:
            (self.path / PRESENT).touch()
            self._take()

    def take_pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Change what the next pictures show, as when a lamp lights again."""
        if self._document is not None:
            self._document = (dict(pictures), self._document[1])

    def remove(self) -> None:
        """Take the document away."""
        self._document = None
        (self.path / PRESENT).unlink(missing_ok=True)

    def _take(self) -> None:
        if self._document is None:
            return
        pictures, lines = self._document
        self._count += 1
        stem = f"{self._count:06d}"
        for role, content in pictures.items():
            self.write(stem + SUFFIXES[role], content)
        if lines:
            self.write(f"{stem}-mrz.txt", "\n".join(lines).encode())

    async def _beat(self) -> None:
        count = 0
        while True:
            if not self._is_muted:
                count += 1
                with suppress(FileNotFoundError):
                    (self.path / ALIVE).write_text(str(count), encoding="ascii")
                    if (self.path / AGAIN).exists():
                        (self.path / AGAIN).unlink()
                        self.read_again_count += 1
                        self._take()
            await asyncio.sleep(BEAT_S)
