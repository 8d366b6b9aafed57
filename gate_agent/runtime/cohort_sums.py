"""The sums of a site's own cohort on disk: one file per set of components, added to as workers hand their sums over.

Nobody's features are in it (`models.site_cohort`). `egate face cohort --sums` makes a cohort of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import structlog

from models.cohort import CohortSums
from models.errors import CalibrationRefused
from models.site_cohort import added, dump_sums, parse_sums

log = structlog.get_logger()


class CohortSumsFolder:
    """Where the files lie: the state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()  # workers hand over when they please

    def add(self, content: bytes) -> int:
        """Add what a worker handed over; return how many people the file covers now.

        A file that cannot be read as sums is put aside. Raises `CalibrationRefused` for content that is no sums or covers too few
        people, `OSError` when the disk refuses; the file is then as before.
        """
        sums = parse_sums(content, "of a worker")
        path = self.path_of(sums)
        with self._turn:
            sums = self._with_earlier(path, sums)
            _write(path, dump_sums(sums))
        return int(sums.counts.sum())

    def path_of(self, sums: CohortSums) -> Path:
        """Return the file that sums around these components are kept in."""
        name = hashlib.sha256(sums.anchors.astype("<f8").tobytes()).hexdigest()[:16]
        return self._folder / f"cohort-{name}.sums"

    def _with_earlier(self, path: Path, sums: CohortSums) -> CohortSums:
        try:
            return added(parse_sums(path.read_bytes(), path.name), sums)
        except FileNotFoundError:
            return sums
        except CalibrationRefused as refusal:
            log.warning("cohort_sums_not_readable", code=refusal.code, why=str(refusal))
            path.replace(path.with_suffix(".unreadable"))
            return sums


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by the owner alone."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
