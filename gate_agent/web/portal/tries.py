"""Wrong document numbers for one code: counted, and after many the code rests. A code that leaked is not guessed open."""

from __future__ import annotations

from datetime import datetime, timedelta

MOST_FAILURES = 10
"""Wrong document numbers for one code before it rests for `LOCK`."""
LOCK = timedelta(hours=1)


def counted(failures: int, now: datetime, *, is_right: bool) -> tuple[int, str]:
    """Return what is noted beside a code after one more try: failures so far, and until when it rests (empty: it does not)."""
    if is_right:
        return 0, ""
    if failures + 1 < MOST_FAILURES:
        return failures + 1, ""
    return 0, (now + LOCK).isoformat()
