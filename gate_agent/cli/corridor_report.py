"""`egate rules corridor-report`: share, hit rate and time of each corridor, from the records of a gate or of the centre."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from central_sync.messages import CrossingV1, InspectionV1
from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import Direction
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.policy.corridor_statistics import CorridorRow, CorridorStatistics

if TYPE_CHECKING:
    from central_sync.messages import Record


def report(records: Iterable[Record], *, day: date | None = None, gate: str | None = None) -> list[dict[str, object]]:
    """Return one line for each direction and corridor, then one for both directions together.

    A green passage is over when it is confirmed; one that the desk was asked about is over when its last task is closed.
    """
    statistics = CorridorStatistics()
    passed: dict[str, CrossingV1] = {}
    waiting: list[InspectionV1] = []
    for record in records:
        if gate is not None and record.source != gate:
            continue
        content = record.content()
        if isinstance(content, CrossingV1) and content.passage == "passed" and day in {None, content.local_date}:
            passed[str(content.transaction_id)] = content
            corridor = Corridor(content.corridor)
            seconds = _seconds(content.transaction_id, content.occurred_at) if corridor is Corridor.GREEN else None
            statistics.crossed(Direction(content.direction), corridor, seconds)
        elif isinstance(content, InspectionV1):
            waiting.append(content)
    for inspection in waiting:  # the records of two gates have no order between them
        crossing = passed.get(str(inspection.transaction_id))
        if crossing is None:
            continue
        corridor = Corridor(crossing.corridor)
        finding = InspectionFinding(inspection.finding) if inspection.finding else None
        ends = corridor is not Corridor.GREEN and inspection.is_last
        seconds = _seconds(inspection.transaction_id, inspection.closed_at) if ends else None
        is_of_customs = inspection.agency == "customs"
        statistics.inspected(Direction(crossing.direction), corridor, finding if is_of_customs else None, seconds)
    lines = [_line(row) for direction in Direction for row in statistics.rows(direction) if row.tally.crossings]
    return lines + [_line(row) for row in statistics.rows()]


def _seconds(transaction_id: uuid.UUID, end: datetime) -> int | None:
    """Return the time since a transaction began: its id is a UUIDv7 (RFC 9562), whose first 48 bits are that moment in ms."""
    if transaction_id.version != 7:
        return None
    seconds = end.timestamp() - (transaction_id.int >> 80) / 1000
    return round(seconds) if seconds >= 0 else None


def _line(row: CorridorRow) -> dict[str, object]:
    return {
        "direction": row.direction.value if row.direction else "both",
        "corridor": row.corridor.value,
        "crossings": row.tally.crossings,
        "share_percent": _percent(row.share_permille),
        "inspections": row.tally.inspections,
        "found": row.tally.found,
        "amended": row.tally.amended,
        "hit_rate_percent": _percent(row.hit_permille),
        "mean_s": row.mean_s,
        "time": None
        if row.mean_s is None
        else f"{row.mean_s // 3600}:{row.mean_s // 60 % 60:02d}:{row.mean_s % 60:02d}",
    }


def _percent(permille: int | None) -> str | None:
    return None if permille is None else f"{permille // 10}.{permille % 10}"
