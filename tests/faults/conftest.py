"""What the faults came to, in one table at the end of the run: accepted, lost, doubled, per fault and per store."""

from collections.abc import Callable
from typing import Any

import pytest

_PROPERTY = "fault"
_HEAD = ("fault", "store", "runs", "accepted", "lost", "doubled", "broken")

Told = Callable[..., None]


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Told:
    """Put a line into the table: `told(fault, store, runs=…, accepted=…, lost=…, doubled=…, broken=…)`."""

    def put(fault: str, store: str, **numbers: int) -> None:
        record_property(_PROPERTY, [fault, store, *(str(numbers.get(name, 0)) for name in _HEAD[2:])])

    return put


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [
        value
        for status in ("passed", "failed")
        for report in terminalreporter.stats.get(status, [])
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("faults")
    rows = [list(_HEAD), *sorted(rows, key=lambda row: row[0])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        texts = [
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        terminalreporter.write_line("  ".join(texts))
