"""Reading files that somebody else put there: plain ones only, no link followed, no FIFO waited for, never more than a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotPlain(Exception):
    """There is something of that name and it is no plain file; the text says what."""


def read_plain(path: str | Path, limit_bytes: int, *, dir_fd: int | None = None) -> tuple[bytes, os.stat_result]:
    """Return at most `limit_bytes` of a file, and what the system says of it after the last byte was read.

    Raises `NotPlain`, FileNotFoundError, or another OSError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPlain("a symbolic link") from error
        if error.errno == errno.ENXIO:
            raise NotPlain("a socket") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotPlain("no plain file")
        content = b""
        while len(content) < limit_bytes and (piece := os.read(fd, limit_bytes - len(content))):
            content += piece
        return content, os.fstat(fd)
    finally:
        os.close(fd)
