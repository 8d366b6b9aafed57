"""One look into a folder that a reader's program fills: which documents are whole, their contents taken out once, the rest refused.

A document that is whole is moved out of reach first, then read, then destroyed (or put aside): what its writer does afterwards
under the same names is another document, and nothing is read twice. Everything here blocks; it runs in a thread of its own.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from drivers.document_reader import page_part as pp
from drivers.document_reader.page_patterns import PagePatterns
from drivers.document_reader.picture_file import IMAGE_LIMIT_BYTES
from drivers.errors import LinkLost, LinkRefused
from drivers.plain_file import NotPlain, read_plain

FOLDER_GONE = "Make or mount the folder and start the reader's program; it is opened again by itself."
CLAIM = ".egate-taken"
ENTRIES_LIMIT = 1000
COMPLETE = "complete"
_LINES_LIMIT_BYTES = 1024

Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class FolderRules:
    """What a document is in this folder, and what becomes of it.

    `owners`: user numbers; None: this process's user and the folder's owner. `aside`: None destroys what was taken.
    """

    path: Path
    patterns: PagePatterns
    owners: frozenset[int] | None
    settle_s: float
    incomplete_s: float
    picture_limit_bytes: int = IMAGE_LIMIT_BYTES
    aside: Path | None = None


@dataclass(slots=True)
class Growing:
    """A document that is being written: its files by part, as they stood last, and since when they stand like that."""

    files: dict[str, str] = field(default_factory=dict)
    signature: Signature = ()
    since_s: float = 0.0

    @property
    def largest_bytes(self) -> int:
        """Size of its largest file."""
        return max(size for _, _, size, _ in self.signature)

    @property
    def written_ns(self) -> int:
        """When it was written last, by the clock of its disk."""
        return max(time_ns for *_, time_ns in self.signature)


class PageFiles:
    """The documents in a folder, as they come and go. `look` is called from one thread only."""

    def __init__(self, rules: FolderRules) -> None:
        self._rules = rules
        self._growing: dict[str, Growing] = {}
        self._count = 0

    def clear(self) -> int:
        """Put away what lies there already: nobody knows whose document it was. Return how many files. Raises `LinkFault`."""
        with self._folder() as fd:
            self._discard_claimed(fd)
            found = self._found(fd)
            for document, growing in found.items():
                self._claim(fd, document, growing)
                self._put_away(fd)
        return sum(len(growing.files) for growing in found.values())

    def look(self, now_s: float) -> list[pp.PagePart]:
        """Return the parts of the oldest document that is whole now, and of those that will never be. Raises `LinkFault`."""
        with self._folder() as fd:
            found = self._found(fd)
            parts = self._unlinked(fd)
            self._growing = {name: one for name, one in self._growing.items() if name in found}
            is_taken = False  # one at a time, so that many at once do not fill the memory
            for document, seen in sorted(found.items(), key=lambda one: one[1].written_ns):
                before = self._growing.setdefault(document, seen)
                if seen.largest_bytes > self._rules.picture_limit_bytes:  # it may grow for ever
                    parts += self._taken(fd, document, seen)
                elif before is seen or before.signature != seen.signature:
                    seen.since_s = now_s
                    self._growing[document] = seen
                elif (missing := self._missing(seen)) is None:
                    if not is_taken and now_s - before.since_s >= self._rules.settle_s:
                        parts += self._taken(fd, document, before)
                        is_taken = True
                elif now_s - before.since_s >= self._rules.incomplete_s:
                    self._claim(fd, document, before)
                    self._put_away(fd)
                    parts.append(pp.PagePart(pp.FAILED, f"incomplete: {missing} never came".encode()))
        return parts

    def _unlinked(self, fd: int) -> list[pp.PagePart]:
        """Remove links that stand where a document's folder would; what they lead to is not looked at."""
        parts = []
        if self._rules.patterns.has_folders:
            for name, status in _entries(fd):
                if stat.S_ISLNK(status.st_mode):
                    os.unlink(name, dir_fd=fd)
                    parts.append(pp.PagePart(pp.FAILED, b"the document's folder is a symbolic link"))
        return parts

    def _folder(self) -> _Opened:
        return _Opened(self._rules.path)

    def _missing(self, seen: Growing) -> str | None:
        """Return what a document waits for, None when it is whole but for its sizes."""
        if COMPLETE in self._rules.patterns.parts:
            return None if COMPLETE in seen.files else "its completion mark"
        waiting = sorted(self._rules.patterns.parts - seen.files.keys())
        return ", ".join(waiting) if waiting else None

    def _found(self, fd: int) -> dict[str, Growing]:
        found: dict[str, Growing] = {}
        entries: dict[str, list[tuple[str, int, int, int]]] = {}
        for name, status in self._names(fd):
            named = self._rules.patterns.of(name)
            if named is not None:
                found.setdefault(named.document, Growing()).files[named.part] = name
                entries.setdefault(named.document, []).append((name, status.st_ino, status.st_size, status.st_mtime_ns))
        for document, growing in found.items():
            growing.signature = tuple(sorted(entries[document]))
        return found

    def _names(self, fd: int) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the files, and where documents have folders of their own, the files in those; no link is followed."""
        for name, status in _entries(fd):
            if self._rules.patterns.has_folders and stat.S_ISDIR(status.st_mode):
                with suppress(FileNotFoundError), _Opened(name, fd) as inner:
                    yield from ((f"{name}/{file}", file_status) for file, file_status in _entries(inner))
            else:
                yield name, status

    def _taken(self, fd: int, document: str, growing: Growing) -> list[pp.PagePart]:
        """Take a document out of the folder; return its parts, or the one that says why it is refused."""
        claimed = self._claim(fd, document, growing)
        pictures: dict[str, bytes] = {}
        lines: bytes | None = None
        refusal = "" if len(claimed) == len(growing.files) else "a file went while it was taken"
        stood = {name: (inode, size, time_ns) for name, inode, size, time_ns in growing.signature}
        for part, place in claimed.items():
            if refusal:
                break
            limit = _LINES_LIMIT_BYTES if part in {pp.LINES, COMPLETE} else self._rules.picture_limit_bytes
            try:
                content, status = read_plain(place, limit + 1, dir_fd=fd)
            except NotPlain as refused:
                refusal = f"{part} is {refused}"
            except OSError as error:
                refusal = f"{part} cannot be read: {error.strerror}"
            else:
                now = (status.st_ino, status.st_size, status.st_mtime_ns)
                refusal = self._why_refused(part, status, limit, is_same=now == stood[growing.files[part]])
                if part == pp.LINES:
                    lines = content
                elif part != COMPLETE:
                    pictures[part] = content
        self._put_away(fd)
        if refusal:
            return [pp.PagePart(pp.FAILED, refusal.encode())]
        return pp.document_parts(pictures, lines)

    def _why_refused(self, part: str, status: os.stat_result, limit_bytes: int, *, is_same: bool) -> str:
        owners = self._rules.owners
        if owners is None:
            owners = frozenset({os.geteuid(), self._rules.path.stat().st_uid})
        if status.st_uid not in owners:
            return f"{part} belongs to another user"
        if status.st_nlink > 1:
            return f"{part} is a hard link"
        if status.st_size > limit_bytes:
            return f"{part} is larger than {limit_bytes} bytes"
        return "" if is_same else f"{part} changed while it was taken"

    def _claim(self, fd: int, document: str, growing: Growing) -> dict[str, str]:
        """Move a document's files out of their writer's reach; return where they are now, by part. Raises `LinkRefused`."""
        self._growing.pop(document, None)
        claimed: dict[str, str] = {}
        try:
            with suppress(FileExistsError):
                os.mkdir(CLAIM, 0o700, dir_fd=fd)
            if not stat.S_ISDIR(os.stat(CLAIM, dir_fd=fd, follow_symlinks=False).st_mode):
                raise LinkRefused(f"{self._rules.path / CLAIM} is in the way")
            for part, name in growing.files.items():
                place = f"{CLAIM}/{part}"
                with suppress(FileNotFoundError):
                    os.rename(name, place, src_dir_fd=fd, dst_dir_fd=fd)
                    claimed[part] = place
            if self._rules.patterns.has_folders:
                self._drop_folder(document, fd)
        except OSError as error:
            raise LinkRefused(f"{self._rules.path} cannot be emptied: {error.strerror}") from error
        return claimed

    @staticmethod
    def _drop_folder(document: str, fd: int) -> None:
        """Remove a document's own folder with whatever else its writer left there: it is a person's, too."""
        with suppress(FileNotFoundError, NotADirectoryError):
            shutil.rmtree(document, dir_fd=fd)

    def _put_away(self, fd: int) -> None:
        """Destroy what was claimed, or put it aside. Raises `LinkRefused`."""
        if self._rules.aside is None:
            self._discard_claimed(fd)
            return
        self._count += 1
        source = self._rules.path / CLAIM
        try:
            self._rules.aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self._rules.aside / f"{os.stat(CLAIM, dir_fd=fd).st_mtime_ns}-{self._count:06d}"
            shutil.move(source, target)
        except OSError as error:
            raise LinkRefused(f"{self._rules.aside} takes nothing: {error.strerror}") from error

    def _discard_claimed(self, fd: int) -> None:
        try:
            shutil.rmtree(CLAIM, dir_fd=fd)
        except FileNotFoundError:
            return
        except OSError as error:
            raise LinkRefused(f"{self._rules.path} cannot be emptied: {error.strerror}") from error


class _Opened:
    """An open folder. Raises `LinkLost` when the watched one is gone, FileNotFoundError for one in it."""

    def __init__(self, path: Path | str, dir_fd: int | None = None) -> None:
        self._path = path
        self._dir_fd = dir_fd
        self._fd = -1

    def __enter__(self) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if self._dir_fd is None else os.O_NOFOLLOW)
        try:
            self._fd = os.open(self._path, flags, dir_fd=self._dir_fd)
        except OSError as error:
            if self._dir_fd is not None:
                raise FileNotFoundError(self._path) from error
            raise LinkLost(f"{self._path}: {error.strerror}", remedy=FOLDER_GONE) from error
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _entries(fd: int) -> Sequence[tuple[str, os.stat_result]]:
    """Return the names in a folder that do not begin with a dot, with what the system says of each. Raises `LinkFault`."""
    found: list[tuple[str, os.stat_result]] = []
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if len(found) >= ENTRIES_LIMIT:
                    remedy = (
                        "Empty the folder; what the reader's program leaves there besides pictures belongs elsewhere."
                    )
                    raise LinkRefused(f"the folder holds more than {ENTRIES_LIMIT} files", remedy=remedy)
                if not entry.name.startswith("."):
                    with suppress(FileNotFoundError):
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
    except OSError as error:
        raise LinkLost(f"the folder cannot be read: {error.strerror}", remedy=FOLDER_GONE) from error
    return found
