"""Results of X-ray screening as they came, and which of them belong to a customs task.

A scan whose id is the declaration's reference is that declaration's. Every other one is told as near in time, which is no proof of whose it
is: an inspector looks at it. What a declaration's own result makes of its corridor is the rulebook's word.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.surroundings import XrayDecision, XrayReported
from gate_agent.domain.screening import Screening, ScreeningVerdict
from gate_agent.web.device_messages import XrayView

REMEMBERED_SCANS = 500
SHOWN_UNLINKED = 10


@dataclass(frozen=True, slots=True)
class Scan:
    """One result and when it came."""

    reported: XrayReported
    at: datetime


class XrayResults:
    """The last results by scan id; a later one of the same scan takes the place of the one before."""

    def __init__(self, window: timedelta) -> None:
        """`window`: how far from a crossing a scan may be to be told as near in time."""
        self._window = window
        self._scans: OrderedDict[str, Scan] = OrderedDict()

    def take(self, reported: XrayReported, at: datetime) -> None:
        """Keep a result."""
        self._scans[reported.scan_id] = Scan(reported, at)
        self._scans.move_to_end(reported.scan_id)
        while len(self._scans) > REMEMBERED_SCANS:
            self._scans.popitem(last=False)

    def of_declaration(self, reference: str) -> Screening | None:
        """Return the result of a declaration's own scan, None when nothing was heard of it."""
        scan = self._scans.get(reference) if reference else None
        return None if scan is None else Screening(reference, ScreeningVerdict(scan.reported.decision.value))

    def of_task(self, reference: str, crossed_at: datetime, references: Collection[str]) -> list[XrayView]:
        """Return the result of a task's declaration, else those near in time that are of none of the declarations in `references`."""
        own = self._scans.get(reference) if reference else None
        if own is not None:
            return [_view(own, "scan")]
        if not self._window:
            return []
        near = [
            scan
            for scan_id, scan in self._scans.items()
            if scan_id not in references and abs(scan.at - crossed_at) <= self._window
        ]
        near.sort(key=lambda scan: abs(scan.at - crossed_at))
        return [_view(scan, "near") for scan in near[:SHOWN_UNLINKED]]

    def to_look_at(self, now: datetime, shown: Collection[str]) -> list[XrayView]:
        """Return the results of the last hour that are not clear and whose scans are not `shown` elsewhere, newest first."""
        found = [
            _view(scan, "")
            for scan in reversed(self._scans.values())
            if scan.reported.decision is not XrayDecision.CLEAR
            and scan.reported.scan_id not in shown
            and now - scan.at <= timedelta(hours=1)
        ]
        return found[:SHOWN_UNLINKED]


def _view(scan: Scan, link: str) -> XrayView:
    return XrayView.model_validate(
        {
            "scan_id": scan.reported.scan_id,
            "decision": scan.reported.decision.value,
            "file_reference": scan.reported.image_reference,
            "reported_at": scan.at,
            "link": link,
        }
    )
