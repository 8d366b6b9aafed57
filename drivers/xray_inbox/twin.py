"""A virtual X-ray machine that leaves its results in a folder."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from drivers.surroundings import XrayDecision
from drivers.twin import SlowSwitches
from drivers.xray_inbox.folder import SUFFIX


class XrayFolderTwin(SlowSwitches):
    """Unplugged, its folder is not there, as when the share is not mounted."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(seed)
        self.path = path
        self._count = 0

    @property
    def is_plugged(self) -> bool:
        """True while the folder is there."""
        return self.path.is_dir()

    async def plug(self) -> None:
        """Make the folder."""
        self.path.mkdir(exist_ok=True)

    async def unplug(self) -> None:
        """Take the folder away with all that is in it."""
        if self.is_plugged:
            gone = self.path.with_name(self.path.name + ".gone")
            self.path.rename(gone)
            shutil.rmtree(gone)

    def screen(self, decision: XrayDecision = XrayDecision.CLEAR, scan_id: str = "") -> str:
        """Leave the result of one scan; return its id, a new one when none is given."""
        self._count += 1
        scan_id = scan_id or f"UTO-{self._count:06d}"
        result = {"scan_id": scan_id, "decision": decision.value, "image_reference": f"images/{scan_id}.dcs"}
        self.leave(json.dumps(result).encode())
        return scan_id

    def leave(self, content: bytes) -> None:
        """Leave a file with this content; it gets its name when it is whole."""
        if self._is_muted:
            return
        self._count += 1
        name = f"{self._count:08d}.part"
        content = self.altered(content)
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._put, name, content)
        else:
            self._put(name, content)

    def _put(self, name: str, content: bytes) -> None:
        if self.is_plugged:
            unfinished = self.path / name
            unfinished.write_bytes(content)
            unfinished.rename(unfinished.with_suffix(SUFFIX))
