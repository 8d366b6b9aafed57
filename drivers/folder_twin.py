"""Virtual devices whose wire is a folder that they leave files in."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from drivers.twin import SlowSwitches


class FolderTwin(SlowSwitches):
    """Unplugged, its folder is not there, as when the share is not mounted."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(seed)
        self.path = path

    @property
    def is_plugged(self) -> bool:
        """True while the folder is there."""
        return self.path.is_dir()

    async def plug(self) -> None:
        """Make the folder."""
        self.path.mkdir(mode=0o700, exist_ok=True)

    async def unplug(self) -> None:
        """Take the folder away with all that is in it."""
        if self.is_plugged:
            gone = self.path.with_name(self.path.name + ".gone")
            self.path.rename(gone)
            shutil.rmtree(gone)

    def write(self, name: str, content: bytes) -> None:
        """Leave one file, late where the twin is slow; nothing while muted."""
        if self._is_muted:
            return
        content = self.altered(content)
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self.put, name, content)
        else:
            self.put(name, content)

    def put(self, name: str, content: bytes) -> None:
        """Put a file there at once, if the folder is."""
        if self.is_plugged:
            (self.path / name).write_bytes(content)
