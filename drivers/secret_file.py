"""Secrets of devices: one line in a file that nobody but its owner may read; never a value in the site file."""

from __future__ import annotations

from drivers.errors import LinkRefused
from drivers.plain_file import NotPlain, read_plain

_LIMIT_BYTES = 4096


def secret_line(path: str) -> str:
    """Return the line. Raises `LinkRefused`: not there, readable by others, empty, or more than one line of ASCII."""
    try:
        content, status = read_plain(path, _LIMIT_BYTES)
    except (OSError, NotPlain) as error:
        raise LinkRefused(f"{path} cannot be read: {error}") from error
    if status.st_mode & 0o077:
        raise LinkRefused(f"{path} can be read by others")
    line = content.decode("latin-1").strip()
    if not line or not line.isprintable() or not line.isascii():
        raise LinkRefused(f"{path} is not one line of ASCII")
    return line
