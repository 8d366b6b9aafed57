"""`xray_folder`: results of X-ray screening from a watched folder that the X-ray's machine fills.

A result that comes again unchanged is not reported again; one whose decision changed is, because people may revise a scan. A file that
holds no result is kept, recorded as a fault, and is never taken for a decision.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.options import ReconnectOptions
from drivers.supervisor import LinkSource, SupervisedDriver, Timing
from drivers.surroundings import XrayReported
from drivers.xray_inbox.errors import XrayResultRefused
from drivers.xray_inbox.folder import FolderLink, WatchedFolder
from drivers.xray_inbox.result import RESULT_LIMIT_BYTES, parse_result

REMEMBERED_SCANS = 10_000


class XrayFolderOptions(ReconnectOptions):
    """Options of `xray_folder`."""

    path: str = Field(min_length=1, description="Folder that the X-ray's machine fills and this service empties.")
    poll_s: float = Field(0.25, gt=0, le=60, description="Pause between two looks into it.")


class XrayFolder(SupervisedDriver):
    """A supervised inbox."""

    device_class = DeviceClass.XRAY_INBOX
    events = frozenset({XrayReported})

    def __init__(self, name: str, options: XrayFolderOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, Timing(None, None, backoff_cap_s=options.reconnect_limit_s), sink, clock)
        self._folder = WatchedFolder(Path(options.path), options.poll_s, RESULT_LIMIT_BYTES)
        self._remembered: OrderedDict[str, XrayReported] = OrderedDict()

    @property
    def source(self) -> LinkSource:
        """The folder."""
        return self._folder

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Report one file's result."""
        try:
            result = parse_result(chunk)
        except XrayResultRefused as refusal:
            self.reporter.record(refusal)
            self._settle(is_taken=False)
            return False
        self.declare_ready()
        self.reporter.clear()
        if self._remembered.get(result.scan_id) != result:
            self.reporter.emit(result, t_mono_s, chunk)
            self._remembered[result.scan_id] = result
            if len(self._remembered) > REMEMBERED_SCANS:
                self._remembered.popitem(last=False)
        self._settle(is_taken=True)
        return True

    def _settle(self, *, is_taken: bool) -> None:
        """Say what becomes of the file; there is none when a tape is replayed."""
        if isinstance(self._link, FolderLink):
            self._link.settle(is_taken=is_taken)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> XrayFolder:
    """Return the driver. Raises `OptionsRefused`."""
    return XrayFolder(name, XrayFolderOptions.read(name, options), sink, clock)
