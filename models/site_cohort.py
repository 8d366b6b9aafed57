"""A site's own cohort from sums alone: what a worker gathers of matched references, and when it may leave.

Sums over few people give them away: the sum over one person is his features, and a sum of outer products over fewer people than
features have values tells for any face whether it is in there. So sums leave a worker only when they cover at least 50 people and twice as
many as features have values, and no component covers between 1 and 14; what leaves starts from nothing again, so that two states of
a site's file differ by as many. Until then they are features of people, in this process's memory, and end with it.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cohort import SMALLEST_COMPONENT, CohortSums, Vectors
from models.errors import CalibrationRefused

SMALLEST_RELEASE = 50
"""People that sums cover at least when they leave a worker."""
LARGEST_SUMS_BYTES = 64_000_000
_PATIENCE = 2  # times the smallest number: then small components are joined instead of waiting for them to grow
_FORMAT = "egate-cohort-sums-1"
_LARGEST_COUNT = 10**9


class SiteCohort:
    """The sums of one worker around the components of its record's cohort."""

    def __init__(self, components: Vectors) -> None:
        self._sums = CohortSums.around(components)
        self._holders: set[str] = set()
        self._smallest = max(SMALLEST_RELEASE, 2 * components.shape[1])

    @property
    def people(self) -> int:
        """How many people have been added since sums left last."""
        return int(self._sums.counts.sum())

    @property
    def is_due(self) -> bool:
        """Whether the sums may leave."""
        waits = _has_small_component(self._sums) and self.people < _PATIENCE * self._smallest
        return self.people >= self._smallest and not waits

    def add(self, features: NDArray[Any], holder: str) -> bool:
        """Add one person's unit-length features (d,); they can not be taken out again. False for a holder who is in already.

        `holder` is an opaque name of the document's holder: whoever crosses often must not weigh more, or the sums would be his.
        """
        if not holder or holder in self._holders:
            return False
        self._holders.add(holder)
        self._sums.add(features[None])
        return True

    def taken(self) -> bytes:
        """Return the sums as a file, and begin with nothing; empty while they may not leave."""
        if not self.is_due:
            return b""
        content = dump_sums(joined(self._sums))
        self.wipe()
        return content

    def wipe(self) -> None:
        """Overwrite the sums."""
        for values in (self._sums.counts, self._sums.sums, self._sums.products):
            values.fill(0)
        self._holders = set()


def _has_small_component(sums: CohortSums) -> bool:
    return bool(((sums.counts > 0) & (sums.counts < SMALLEST_COMPONENT)).any())


def joined(sums: CohortSums) -> CohortSums:
    """Return a copy in which components of 1 to 14 people are counted with the nearest other component that covers anybody."""
    counts, rows = sums.counts.copy(), sums.sums.copy()
    while np.count_nonzero(counts) > 1 and counts[counts > 0].min() < SMALLEST_COMPONENT:
        smallest = int(np.where(counts > 0, counts, _LARGEST_COUNT).argmin())
        alike = np.where(counts > 0, sums.anchors @ sums.anchors[smallest], -np.inf)
        alike[smallest] = -np.inf
        nearest = int(alike.argmax())
        counts[nearest] += counts[smallest]
        rows[nearest] += rows[smallest]
        counts[smallest], rows[smallest] = 0, 0
    return CohortSums(sums.anchors, counts, rows, sums.products.copy())


def added(one: CohortSums, other: CohortSums) -> CohortSums:
    """Return the sums over the people of both. Raises `CalibrationRefused` (MD-COH-004) when their components differ."""
    if one.anchors.shape != other.anchors.shape or not np.array_equal(one.anchors, other.anchors):
        raise CalibrationRefused("cohort sums around different components", code="MD-COH-004")
    return CohortSums(one.anchors, one.counts + other.counts, one.sums + other.sums, one.products + other.products)


def dump_sums(sums: CohortSums) -> bytes:
    """Return the bytes of a file of sums."""
    stream = io.BytesIO()
    np.savez(
        stream,
        allow_pickle=False,
        format=np.array(_FORMAT),
        anchors=sums.anchors.astype("<f8"),
        counts=sums.counts.astype("<i8"),
        sums=sums.sums.astype("<f8"),
        products=sums.products.astype("<f8"),
    )
    return stream.getvalue()


def parse_sums(content: bytes, name: str) -> CohortSums:
    """Return the sums in a file's bytes.

    Raises `CalibrationRefused` (MD-COH-004) when it is none, its parts contradict each other, or it covers so few people that
    somebody could be recognised in it.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            written_as = str(archive["format"])
            sums = CohortSums(
                archive["anchors"].astype(np.float64),
                archive["counts"].astype(np.int64),
                archive["sums"].astype(np.float64),
                archive["products"].astype(np.float64),
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError, OverflowError, zipfile.BadZipFile) as error:
        raise CalibrationRefused(f"cohort sums {name}: {error}", code="MD-COH-004") from error
    components, dimension = sums.anchors.shape if sums.anchors.ndim == 2 else (0, 0)
    is_sound = (
        written_as == _FORMAT
        and components > 0
        and sums.counts.shape == (components,)
        and sums.sums.shape == (components, dimension)
        and sums.products.shape == (dimension, dimension)
        and all(np.isfinite(values).all() for values in (sums.anchors, sums.sums, sums.products))
        and sums.counts.min() >= 0
        and sums.counts.max() <= _LARGEST_COUNT
        # every person adds a unit vector, whose outer product has a trace of one
        and abs(float(np.trace(sums.products)) - float(sums.counts.sum())) <= 0.01 * float(sums.counts.sum())
        and bool((np.linalg.norm(sums.sums, axis=1) <= sums.counts * 1.01).all())
    )
    if not is_sound:
        raise CalibrationRefused(f"cohort sums {name}: their parts contradict each other", code="MD-COH-004")
    if sums.counts.sum() < max(SMALLEST_RELEASE, 2 * dimension) or _has_small_component(sums):
        raise CalibrationRefused(
            f"cohort sums {name} cover so few people that somebody could be recognised", code="MD-COH-004"
        )
    return sums
