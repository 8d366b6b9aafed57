"""What inboxes of X-ray results share, whichever way results come in: strict results, each told once, a changed decision told anew."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from enum import StrEnum

from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.supervisor import SupervisedDriver, Timing
from drivers.surroundings import XrayReported
from drivers.xray_inbox.errors import XrayResultRefused
from drivers.xray_inbox.result import parse_result

REMEMBERED_SCANS = 10_000


class Receipt(StrEnum):
    """What became of a result. KNOWN: it came before, unchanged. REVISED: its scan came before with another result."""

    TAKEN = "taken"
    KNOWN = "known"
    REVISED = "revised"
    REFUSED = "refused"


class XrayInbox(SupervisedDriver):
    """Base of such drivers: `settle` tells whoever brought a result what became of it."""

    device_class = DeviceClass.XRAY_INBOX
    events = frozenset({XrayReported})

    def __init__(self, name: str, timing: Timing, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, timing, sink, clock)
        self._remembered: OrderedDict[str, XrayReported] = OrderedDict()

    @abstractmethod
    def settle(self, receipt: Receipt, why: str = "") -> None:
        """Tell what became of the result that was received last; there is nobody to tell when a tape is replayed."""

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Report one result."""
        try:
            result = parse_result(chunk)
        except XrayResultRefused as refusal:
            self.reporter.record(refusal)
            self.settle(Receipt.REFUSED, str(refusal))
            return False
        self.declare_ready()
        self.reporter.clear()
        before = self._remembered.get(result.scan_id)
        if before != result:
            self.reporter.emit(result, t_mono_s, chunk)
            self._remembered[result.scan_id] = result
            if len(self._remembered) > REMEMBERED_SCANS:
                self._remembered.popitem(last=False)
        self.settle(Receipt.KNOWN if before == result else Receipt.TAKEN if before is None else Receipt.REVISED)
        return True
