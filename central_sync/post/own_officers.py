"""The officers' bundle that a gate holds, for a post that holds an older one: so the post hears of who came and who left without a copy by hand."""

from __future__ import annotations

from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import file_name, version_in_use
from central_sync.errors import BundleRefused

KIND = "officers"
LONGEST_BYTES = 900_000

_log = structlog.get_logger(__name__)


class OwnOfficers:
    """The bundle in a gate's folder, read when it changed. What the post makes of it is the post's to judge, by the same key."""

    def __init__(self, bundles: Path, centre: Ed25519PublicKey) -> None:
        self._path = bundles / file_name(KIND)
        self._centre = centre
        self._stamp = -1
        self._version = 0
        self._wire = b""

    def newer_than(self, version: int) -> bytes | None:
        """Return the bundle when its version is higher; None also when there is none, or one that the centre did not sign."""
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                wire = self._path.read_bytes()
                self._stamp, self._version = stamp, 0  # not before it was read: a file that could not be is tried again
                if len(wire) > LONGEST_BYTES:
                    _log.error("officers_too_long_for_post", size_bytes=len(wire))
                    return None
                self._version, self._wire = version_in_use(wire, [self._centre], KIND), wire
        except OSError:
            return None
        except BundleRefused as refusal:
            _log.error("bundle_refused", kind=KIND, code=refusal.code)
            return None
        return self._wire if self._version > version else None
