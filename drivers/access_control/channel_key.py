"""The base key of the secure channel (SCBK, 16 bytes), from a file of its own that only its owner may read."""

from __future__ import annotations

import stat
from pathlib import Path

from drivers.access_control.errors import ChannelKeyUnusable

KEY_BYTES = 16
_FILE_LIMIT_BYTES = 256
# The default key of the specification (SCBK-D): everybody knows it, and it is for installing a reader only.
_DEFAULT_KEY = bytes(range(0x30, 0x40))


def read_channel_key(path: Path) -> bytes:
    """Return the key: 32 hexadecimal digits in the file, spaces and line ends aside. Raises `ChannelKeyUnusable`; never tells a key."""
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = stream.read(_FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ChannelKeyUnusable(f"{path} cannot be read: {error.strerror or error}") from error
    if mode & 0o077:
        raise ChannelKeyUnusable(f"{path} may be read by others (mode {mode:o})")
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise ChannelKeyUnusable(f"{path} does not hold hexadecimal digits") from None
    if len(key) != KEY_BYTES:
        raise ChannelKeyUnusable(f"{path} holds {len(key)} bytes, and the key has {KEY_BYTES}")
    if key == _DEFAULT_KEY or len(set(key)) == 1:
        raise ChannelKeyUnusable(f"{path} holds a key that everybody knows")
    return key
