"""A disk whose power may be cut after any call: what was flushed is there, of the rest each sector of 512 bytes may be there or not.

Files are independent of each other, writes of one file may arrive in any order, and names (made, renamed, taken away) arrive in their order, up to
any of them. A flush that the disk refused makes nothing durable, and no later flush makes up for it: Linux calls such pages clean.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk_trace import Call

SECTOR_BYTES = 512


@dataclass(slots=True)
class _Change:
    offset: int
    data: bytes | None  # None: the file ends at `offset` now
    is_durable: bool = False
    is_doubtful: bool = False


@dataclass(slots=True)
class _File:
    base: bytearray = field(default_factory=bytearray)
    changes: list[_Change] = field(default_factory=list)

    def flush(self, *, is_failed: bool) -> None:
        for change in self.changes:
            if is_failed:
                change.is_doubtful = change.is_doubtful or not change.is_durable
            elif not change.is_doubtful:
                change.is_durable = True
        while self.changes and self.changes[0].is_durable:
            _apply(self.base, self.changes.pop(0), lambda: True)

    def after_cut(self, keeps: Callable[[], bool]) -> bytearray:
        content = bytearray(self.base)
        for change in self.changes:
            _apply(content, change, (lambda: True) if change.is_durable else keeps)
        return content


def _apply(content: bytearray, change: _Change, keeps: Callable[[], bool]) -> None:
    if change.data is None:
        if keeps():
            del content[change.offset :]
            content.extend(bytes(change.offset - len(content)))
        return
    first, end = change.offset, change.offset + len(change.data)
    while first < end:
        next_sector = min(end, (first // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if keeps():
            content.extend(bytes(max(0, next_sector - len(content))))
            content[first:next_sector] = change.data[first - change.offset : next_sector - change.offset]
        first = next_sector


class CutDisk:
    """Follows the calls of a process; `cut` says what is left when the power goes now."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._files: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}
        self._names: list[dict[str, _File]] = []  # after each change of names that is not durable yet
        self._at: dict[str, int] = {}
        self.accepted: list[str] = []

    def follow(self, call: Call) -> None:
        """Take one call into account."""
        if call.name == "said":
            text = call.data.decode().strip()
            if text.startswith("accepted "):
                self.accepted.append(text.removeprefix("accepted "))
        elif call.name == "flush":
            self._flush(call)
        elif call.name == "openat":
            self._at[call.path] = 0
            if call.is_new and call.path not in self._files:
                self._name({**self._files, call.path: _File()})
        elif call.name == "unlink":
            self._name({path: file for path, file in self._files.items() if path != call.path})
        elif call.name == "rename":
            moved = {path: file for path, file in self._files.items() if path != call.path}
            self._name({**moved, call.other: self._files[call.path]})
        elif call.name == "ftruncate":
            self._files[call.path].changes.append(_Change(call.offset or 0, None))
        else:
            offset = self._at.get(call.path, 0) if call.offset is None else call.offset
            self._at[call.path] = offset + len(call.data)
            self._files[call.path].changes.append(_Change(offset, call.data))

    def cut(self, image: Path, dice: random.Random) -> None:
        """Write what is left into an empty folder."""
        share = dice.choice((0.0, 0.0, 0.5, 1.0, dice.random()))
        names = dice.choice([self._durable_names, *self._names])
        for path, file in names.items():
            (image / Path(path).name).write_bytes(file.after_cut(lambda: dice.random() < share))

    def _flush(self, call: Call) -> None:
        if call.path == self._folder:
            if not call.is_failed:
                self._durable_names, self._names = dict(self._files), []
            return
        file = self._files[call.path]
        file.flush(is_failed=call.is_failed)
        if not call.is_failed and self._durable_names.get(call.path) is not file:
            # its own entry is on the disk with it, and so is every earlier one: the journal of names is in order
            reached = [number for number, names in enumerate(self._names) if names.get(call.path) is file]
            if reached:
                self._durable_names = self._names[reached[0]]
                del self._names[: reached[0] + 1]

    def _name(self, names: dict[str, _File]) -> None:
        self._files = names
        self._names.append(names)
