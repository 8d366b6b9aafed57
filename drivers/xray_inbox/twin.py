"""A virtual X-ray machine that leaves its results in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from drivers.folder_twin import FolderTwin
from drivers.surroundings import XrayDecision
from drivers.xray_inbox.folder import SUFFIX


class XrayFolderTwin(FolderTwin):
    """The machine and its folder."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(path, seed=seed)
        self._count = 0

    def screen(self, decision: XrayDecision = XrayDecision.CLEAR, scan_id: str = "") -> str:
        """Leave the result of one scan; return its id, a new one when none is given."""
        self._count += 1
        scan_id = scan_id or numbered(self._count)
        self.leave(result_of(scan_id, decision))
        return scan_id

    def leave(self, content: bytes) -> None:
        """Leave a file with this content; it gets its name when it is whole."""
        self._count += 1
        self.write(f"{self._count:08d}.part", content)

    def put(self, name: str, content: bytes) -> None:
        """Write under the unfinished name, then rename."""
        super().put(name, content)
        if self.is_plugged:
            (self.path / name).rename((self.path / name).with_suffix(SUFFIX))


def numbered(count: int) -> str:
    """Return the id of a machine's scan."""
    return f"UTO-{count:06d}"


def result_of(scan_id: str, decision: XrayDecision) -> bytes:
    """Return a scan's result as the machine writes it."""
    result = {"scan_id": scan_id, "decision": decision.value, "image_reference": f"images/{scan_id}.dcs"}
    return json.dumps(result).encode()
