"""`xray_folder`: results of X-ray screening from a watched folder that the X-ray's machine fills.

A result that comes again unchanged is not reported again; one whose decision changed is, because people may revise a scan. A file that
holds no result is kept, recorded as a fault, and is never taken for a decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from drivers.contracts import Clock, EventSink
from drivers.options import ReconnectOptions
from drivers.supervisor import LinkSource, Timing
from drivers.xray_inbox.folder import FolderLink, WatchedFolder
from drivers.xray_inbox.inbox import Receipt, XrayInbox
from drivers.xray_inbox.result import RESULT_LIMIT_BYTES


class XrayFolderOptions(ReconnectOptions):
    """Options of `xray_folder`."""

    path: str = Field(min_length=1, description="Folder that the X-ray's machine fills and this service empties.")
    poll_s: float = Field(0.25, gt=0, le=60, description="Pause between two looks into it.")


class XrayFolder(XrayInbox):
    """A supervised folder."""

    def __init__(self, name: str, options: XrayFolderOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, Timing(None, None, backoff_cap_s=options.reconnect_limit_s), sink, clock)
        self._folder = WatchedFolder(Path(options.path), options.poll_s, RESULT_LIMIT_BYTES)

    @property
    def source(self) -> LinkSource:
        """The folder."""
        return self._folder

    def settle(self, receipt: Receipt, why: str = "") -> None:  # noqa: ARG002 - nobody reads why a file was kept
        """Say what becomes of the file."""
        if isinstance(self._link, FolderLink):
            self._link.settle(is_taken=receipt is not Receipt.REFUSED)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> XrayFolder:
    """Return the driver. Raises `OptionsRefused`."""
    return XrayFolder(name, XrayFolderOptions.read(name, options), sink, clock)
