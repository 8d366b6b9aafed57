"""A temperature that the kernel offers as a file (`/sys/class/hwmon/…/temp1_input`, `/sys/class/thermal/…/temp`), read now and then.

The kernel numbers its sensors anew at each start, so a path may hold `*`: `/sys/devices/platform/…/hwmon/hwmon*/temp1_input`. It has to lead to one
file; of two nobody knows which is meant.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import FrameDamaged, LinkAbsent, LinkLost, LinkRefused, LinkStalled
from drivers.link import Link, Tap

LIMIT_BYTES = 32
COLDEST_C, HOTTEST_C = -80.0, 200.0
_MILLI = re.compile(rb"-?[0-9]{1,6}\n?")


def celsius(content: bytes) -> float:
    """Return the temperature of a file's content, thousandths of a degree in ASCII. Raises `FrameDamaged` for what is none."""
    if not _MILLI.fullmatch(content):
        raise FrameDamaged("the sensor's file holds no temperature")
    value = int(content) / 1000
    if not COLDEST_C <= value <= HOTTEST_C:
        raise FrameDamaged(f"{value:.0f} °C is no temperature of an enclosure")
    return value


@dataclass(frozen=True, slots=True)
class PolledFile:
    """A file that is read every `poll_s`, each reading one chunk."""

    pattern: str
    poll_s: float

    async def open(self, tap: Tap | None = None) -> Link:
        """Return the link. Raises `LinkAbsent` or `LinkRefused`."""
        found = await asyncio.to_thread(self._found)
        if not found:
            raise LinkAbsent(f"{self.pattern} is not there")
        if len(found) > 1:
            raise LinkRefused(f"{self.pattern} leads to {len(found)} files")
        return PolledFileLink(found[0], self.poll_s, tap)

    def is_there(self) -> bool:
        """Tell whether the path leads somewhere now."""
        return bool(self._found())

    def _found(self) -> list[Path]:
        path = Path(self.pattern)
        return sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))


class PolledFileLink(Link):
    """An open sensor; nothing is held open between readings."""

    def __init__(self, path: Path, poll_s: float, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._path = path
        self._poll_s = poll_s
        self._is_first = True

    async def read(self) -> bytes:
        """Return the next reading; an empty file tells nothing and is read again. Raises `LinkLost`."""
        while True:
            if not self._is_first:
                await asyncio.sleep(self._poll_s)
            self._is_first = False
            content = await asyncio.to_thread(self._content)
            if content:
                self.tapped("rx", content)
                return content

    async def write(self, chunk: bytes) -> None:
        """Refuse: a sensor takes nothing."""
        raise LinkStalled(f"{self._path} takes no {len(chunk)} bytes: it is a sensor")

    async def close(self) -> None:
        """Let go; nothing is held open."""

    def _content(self) -> bytes:
        try:
            with self._path.open("rb", buffering=0) as stream:
                return stream.read(LIMIT_BYTES) or b""
        except OSError as error:
            raise LinkLost(f"{self._path}: {error.strerror}") from error
