"""A watched folder as a link: each file `*.json` in it is one chunk, oldest first.

Whoever writes gives a file its name when it is whole (write `x.part`, rename to `x.json`); names that end otherwise are not looked at. A
file goes only after it was understood, so that a crash in between shows it again. The disk is asked in a thread: it may be another machine's.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import LinkAbsent, LinkLost, LinkRefused, LinkStalled
from drivers.link import Link, Tap
from drivers.plain_file import NotPlain, read_plain

SUFFIX, REFUSED_SUFFIX = ".json", ".refused"


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """A folder that is looked at every `poll_s`; of a file at most `limit_bytes` + 1 are read."""

    path: Path
    poll_s: float
    limit_bytes: int

    async def open(self, tap: Tap | None = None) -> Link:
        """Return the link. Raises `LinkAbsent` or `LinkRefused`."""
        if not await asyncio.to_thread(self.path.is_dir):
            raise LinkAbsent(f"{self.path} is no folder")
        if not await asyncio.to_thread(os.access, self.path, os.R_OK | os.W_OK | os.X_OK):
            raise LinkRefused(f"{self.path} cannot be read and emptied")
        return FolderLink(self, tap)

    def is_there(self) -> bool:
        """Tell whether the folder exists now."""
        return self.path.is_dir()


class FolderLink(Link):
    """An open folder. `settle` says what becomes of the file that was read last, before the next is read."""

    def __init__(self, folder: WatchedFolder, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._folder = folder
        self._read: Path | None = None
        self._is_taken: bool | None = None

    def settle(self, *, is_taken: bool) -> None:
        """Let the file go (taken), or keep it under a name that is not looked at."""
        self._is_taken = is_taken

    async def read(self) -> bytes:
        """Return the next file's content, empty for one that is no plain file. Raises `LinkLost` or `LinkRefused`."""
        while True:
            if self._read is not None and self._is_taken is not None:
                await asyncio.to_thread(_put_away, self._read, is_taken=self._is_taken)
                self._read = self._is_taken = None
            found = await asyncio.to_thread(self._oldest)
            if found is not None:
                self._read, content = found
                self.tapped("rx", content)
                return content
            await asyncio.sleep(self._folder.poll_s)

    async def write(self, chunk: bytes) -> None:
        """Refuse: nothing is written to whoever fills the folder."""
        raise LinkStalled(f"{self._folder.path} takes no {len(chunk)} bytes: it is an inbox")

    async def close(self) -> None:
        """Let go; nothing is held open."""

    def _oldest(self) -> tuple[Path, bytes] | None:
        waiting: list[tuple[int, str]] = []
        try:
            with os.scandir(self._folder.path) as entries:
                for entry in entries:
                    if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                        with suppress(FileNotFoundError):  # taken back by whoever put it there
                            waiting.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
        except OSError as error:
            raise LinkLost(f"{self._folder.path}: {error.strerror}") from error
        for _, name in sorted(waiting):
            path = self._folder.path / name
            with suppress(FileNotFoundError):
                return path, _content(path, self._folder.limit_bytes + 1)
        return None


def _content(path: Path, limit_bytes: int) -> bytes:
    """Return the beginning of a plain file, nothing of anything else. Raises FileNotFoundError."""
    try:
        return read_plain(path, limit_bytes)[0]
    except FileNotFoundError:
        raise
    except (NotPlain, PermissionError):
        return b""
    except OSError as error:
        raise LinkLost(f"{path.name}: {error.strerror}") from error


def _put_away(path: Path, *, is_taken: bool) -> None:
    try:
        if is_taken:
            path.unlink(missing_ok=True)
        else:
            with suppress(FileNotFoundError):
                path.replace(path.with_name(path.name + REFUSED_SUFFIX))
    except OSError as error:
        raise LinkRefused(f"{path.name} cannot be put away: {error.strerror}") from error
