"""What an inspection at the customs desk came to."""

from __future__ import annotations

from enum import StrEnum


class InspectionFinding(StrEnum):
    """The inspector's answer when a task is closed.

    `FOUND` is something that should have been declared and was not; `AMENDED` is an honest declaration that was put right.
    """

    NOTHING_FOUND = "nothing_found"
    FOUND = "found"
    AMENDED = "amended"
