"""Files of 32 random bytes, mode 0600: site keys that never leave the machines they were made for."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gate_agent.errors import StoreFault

SECRET_BYTES = 32


def read_secret(path: Path, code: str) -> bytes:
    """Return the bytes. Raises `StoreFault` with `code` when the file is absent, malformed or readable by others."""
    try:
        mode, secret = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise StoreFault(f"{path}: {error.strerror}; `egate provision` makes it", code=code) from error
    if mode & 0o077:
        raise StoreFault(f"{path} can be read by others than its owner", code=code)
    if len(secret) != SECRET_BYTES or len(set(secret)) == 1:
        raise StoreFault(f"{path}: a site key is {SECRET_BYTES} random bytes", code=code)
    return secret


def make_secret(path: Path, code: str) -> bool:
    """Make the file unless there is one; True when it was made. Raises `StoreFault` with `code`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise StoreFault(f"{path}: {error.strerror}", code=code) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(SECRET_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
    return True
