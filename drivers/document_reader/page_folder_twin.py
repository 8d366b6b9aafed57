"""A virtual full-page reader whose program leaves pictures in a folder, with a heartbeat, a presence file and orders to read again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from drivers.twin import SlowSwitches

ALIVE, PRESENT, AGAIN = "alive", "present", "again"
SUFFIXES = {"white": "-white.jpg", "infrared": "-ir.jpg", "ultraviolet": "-uv.jpg", "portrait": "-portrait.jpg"}
BEAT_S = 0.05


class PageFolderTwin(SlowSwitches):
    """Unplugged, its folder is not there, as when the share is not mounted."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(seed)
        self.path = path
        self.read_again_count = 0
        self._count = 0
        self._document: tuple[Mapping[str, bytes], Sequence[str]] | None = None
        self._beating: asyncio.Task[None] | None = None

    @property
    def is_plugged(self) -> bool:
        """True while the folder is there."""
        return self.path.is_dir()

    async def plug(self) -> None:
        """Make the folder, and start the program."""
        if self._beating is None:
            self.path.mkdir(mode=0o700, exist_ok=True)
            self._beating = asyncio.create_task(self._beat(), name=f"twin {self.path.name} beating")

    async def unplug(self) -> None:
        """Take the folder away with all that is in it."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if self.is_plugged:
            gone = self.path.with_name(self.path.name + ".gone")
            self.path.rename(gone)
            shutil.rmtree(gone)

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
            self.leave(stem + SUFFIXES[role], content)
        if lines:
            self.leave(f"{stem}-mrz.txt", "\n".join(lines).encode())

    def leave(self, name: str, content: bytes) -> None:
        """Write one file."""
        if self._is_muted:
            return
        content = self.altered(content)
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._put, name, content)
        else:
            self._put(name, content)

    def _put(self, name: str, content: bytes) -> None:
        if self.is_plugged:
            (self.path / name).write_bytes(content)

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
