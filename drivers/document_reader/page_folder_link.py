"""A folder that a reader's program fills, as a link whose chunks are parts of pages. The disk is asked in one thread: it may be another machine's."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from drivers.document_reader import page_part as pp
from drivers.document_reader.page_folder_files import FOLDER_GONE, PageFiles
from drivers.errors import LinkAbsent, LinkLost, LinkRefused, LinkStalled
from drivers.link import Link, Tap
from drivers.plain_file import NotPlain, read_plain

LOG = structlog.get_logger()
TRIAL, AGAIN = b"trial", b"again"
_TRIAL_NAME = ".egate-trial"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class FolderMarks:
    """Files that stand for something other than a document; an empty name: there is no such file."""

    alive: str = ""
    present: str = ""
    again: str = ""


class PageFolderSource:
    """Opens the folder. Its one thread outlives links: a disk that hangs keeps one thread, not one for each attempt."""

    def __init__(self, path: Path, files: PageFiles, marks: FolderMarks, poll_s: float) -> None:
        self.path = path
        self.files = files
        self.marks = marks
        self.poll_s = poll_s
        self._thread: ThreadPoolExecutor | None = None

    async def in_thread(self, call: Callable[[], _Answer]) -> _Answer:
        """Return what a blocking call returns."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="page folder")
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def open(self, tap: Tap | None = None) -> Link:
        """Return the link; what lies there already is put away. Raises `LinkAbsent` or `LinkRefused`."""
        await self.in_thread(self._look)
        stale = await self.in_thread(self.files.clear)
        if stale:
            LOG.warning("pages_of_nobody_destroyed", files=stale)
        return PageFolderLink(self, tap)

    def is_there(self) -> bool:
        """Tell whether the folder exists now."""
        return self.path.is_dir()

    def close(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _look(self) -> None:
        if not self.path.is_dir():
            raise LinkAbsent(f"{self.path} is no folder", remedy=FOLDER_GONE)
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise LinkRefused(f"{self.path} cannot be read and emptied")
        if self.path.stat().st_mode & stat.S_IWOTH:
            raise LinkRefused(f"{self.path} can be written by every user of this machine")
        if self.marks.again:
            (self.path / self.marks.again).unlink(missing_ok=True)  # an order that nobody waits for any more


class PageFolderLink(Link):
    """An open folder. `write` takes `TRIAL` (show that the disk answers) and `AGAIN` (ask the program for another read)."""

    def __init__(self, source: PageFolderSource, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._source = source
        self._waiting: deque[pp.PagePart] = deque()
        self._is_trial_due = False
        self._last_alive: tuple[int, int, int] | None = None
        self._was_present: bool | None = None

    @property
    def has_bytes(self) -> bool:
        """Tell whether parts wait to be read."""
        return bool(self._waiting)

    async def read(self) -> bytes:
        """Return the next part. Raises `LinkLost` or `LinkRefused`."""
        while not self._waiting:
            await self._source.in_thread(self._gather)
            if not self._waiting:
                await asyncio.sleep(self._source.poll_s)
        chunk = self._waiting.popleft().encode()
        self.tapped("rx", chunk)
        return chunk

    async def write(self, chunk: bytes) -> None:
        """Take an order. Raises `LinkStalled` when it cannot be written."""
        self.tapped("tx", chunk)
        if chunk == TRIAL:
            self._is_trial_due = True
        elif chunk == AGAIN:
            await self._source.in_thread(self._ask_again)

    async def close(self) -> None:
        """Let go; nothing is held open."""
        self._waiting.clear()

    def _gather(self) -> None:
        """Look, and keep what was found: its files are destroyed, and a `read` that was given up meanwhile would have lost it."""
        self._waiting.extend(self._look())

    def _look(self) -> list[pp.PagePart]:
        marks = self._source.marks
        told = self._tried() if self._is_trial_due else []
        if marks.alive:
            alive = self._mark(marks.alive)
            if alive is not None and self._last_alive is not None and alive != self._last_alive:
                told.append(pp.PagePart(pp.ALIVE))
            self._last_alive = alive or self._last_alive
        if marks.present:
            is_present = self._mark(marks.present) is not None
            if is_present is not self._was_present:
                self._was_present = is_present
                told.append(pp.PagePart(pp.PRESENTED if is_present else pp.REMOVED))
        return told + self._source.files.look(time.monotonic())

    def _mark(self, name: str) -> tuple[int, int, int] | None:
        try:
            status = (self._source.path / name).lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LinkLost(f"{self._source.path}: {error.strerror}", remedy=FOLDER_GONE) from error
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _tried(self) -> list[pp.PagePart]:
        """Write a few bytes and read them back: the folder is on a disk that answers."""
        self._is_trial_due = False
        path = self._source.path / _TRIAL_NAME
        word = os.urandom(16)
        try:
            path.unlink(missing_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, word)
            finally:
                os.close(fd)
            is_same = read_plain(path, len(word) + 1)[0] == word
            path.unlink()
        except (OSError, NotPlain) as error:
            raise LinkLost(f"{self._source.path}: {error}", remedy=FOLDER_GONE) from error
        return [pp.PagePart(pp.ALIVE)] if is_same else []

    def _ask_again(self) -> None:
        path = self._source.path / self._source.marks.again
        try:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660))
        except OSError as error:
            raise LinkStalled(f"{path} cannot be written: {error.strerror}") from error
