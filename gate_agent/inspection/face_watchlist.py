"""The face watchlist: whoever resembles an entry is a lead for the guard to look at, never a decision about the traveller.

The search itself runs where the features are; here its candidates become a check result. One-to-many stays off unless the
calibration proves its false positives rare enough (`models.identification_policy`); then there is no threshold, and the check says
that it is not supported. No outcome of this check is a failure, and nothing about it reaches the traveller.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import EgateError
from gate_agent.inspection.watchlist_entries import WatchlistHit


class FaceWatchlistFault(EgateError):
    """A candidate has no score, or stands on no list: gallery and lists are out of step."""

    code = "EG-WLI-002"


def face_watchlist_check(
    candidates: Iterable[tuple[bytes, float]], entries: Mapping[bytes, Sequence[WatchlistHit]], threshold: float | None
) -> CheckResult:
    """Return undetermined with one reason per list entry that a candidate stands for, best score first; else successful.

    `candidates` are keys of the gallery with their comparison scores, `entries` the lists on which a key stands. Candidates below
    `threshold` count for nothing; None means that one-to-many is off, and the check is not supported whatever was found. Scores go
    to the guard beside the threshold. Raises `FaceWatchlistFault` for a counting candidate that is on no list, or no number.
    """
    if threshold is None:
        return CheckResult(CheckName.FACE_WATCHLIST, CheckOutcome.NOT_SUPPORTED)
    leads: dict[WatchlistHit, float] = {}
    for key, score in sorted(candidates, key=lambda candidate: -candidate[1]):
        if not math.isfinite(score):
            raise FaceWatchlistFault("a candidate's comparison score is no number")
        if score < threshold:
            continue
        if not entries.get(key):
            raise FaceWatchlistFault("a candidate of the face search stands on no list")
        for hit in entries[key]:
            leads.setdefault(hit, score)
    if not leads:
        return CheckResult(CheckName.FACE_WATCHLIST, CheckOutcome.SUCCESSFUL)
    return CheckResult(
        CheckName.FACE_WATCHLIST,
        CheckOutcome.UNDETERMINED,
        tuple(Reason(ReasonCode.FACE_WATCHLIST_LEAD, {"list": hit.list_name, "entry": hit.entry_id}) for hit in leads),
        tuple(Compared("comparison_score", f"{score:.4f}", f">= {threshold:.4f}") for score in leads.values()),
    )
