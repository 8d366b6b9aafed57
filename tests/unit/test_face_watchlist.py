"""A face on a watchlist is a lead for the guard: never a failure, never visible to the traveller, off until proven."""

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, overall
from gate_agent.domain.demands import DOCUMENT_AND_FACE
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.face_watchlist import FaceWatchlistFault, face_watchlist_check
from gate_agent.inspection.watchlist_entries import WatchlistHit

WANTED, MISSING = WatchlistHit("wanted", "w-17"), WatchlistHit("missing", "m-2")
ENTRIES = {b"a": [WANTED], b"b": [MISSING, WANTED], b"c": [MISSING]}


def test_off_without_a_proven_threshold() -> None:
    result = face_watchlist_check([(b"a", 0.99)], ENTRIES, None)
    assert result == CheckResult(CheckName.FACE_WATCHLIST, CheckOutcome.NOT_SUPPORTED)
    assert DOCUMENT_AND_FACE.is_clear(result)


def test_nobody_resembled() -> None:
    for candidates in ([], [(b"a", 0.79), (b"unlisted", 0.5)]):
        assert face_watchlist_check(candidates, ENTRIES, 0.8).outcome is CheckOutcome.SUCCESSFUL


def test_a_lead_names_lists_and_entries_and_leaves_the_decision_open() -> None:
    result = face_watchlist_check([(b"b", 0.85), (b"a", 0.91), (b"c", 0.7)], ENTRIES, 0.8)
    assert result.outcome is CheckOutcome.UNDETERMINED
    assert result.reasons == (
        Reason(ReasonCode.FACE_WATCHLIST_LEAD, {"list": "wanted", "entry": "w-17"}),
        Reason(ReasonCode.FACE_WATCHLIST_LEAD, {"list": "missing", "entry": "m-2"}),
    )
    assert [(one.found, one.expected) for one in result.compared] == [("0.9100", ">= 0.8000"), ("0.8500", ">= 0.8000")]


@given(st.lists(st.tuples(st.sampled_from(sorted(ENTRIES)), st.floats(-1, 1))), st.one_of(st.none(), st.floats(-1, 1)))
def test_it_never_fails_anybody(candidates: list[tuple[bytes, float]], threshold: float | None) -> None:
    result = face_watchlist_check(candidates, ENTRIES, threshold)
    assert result.outcome in {CheckOutcome.SUCCESSFUL, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED}
    assert overall([result.outcome, CheckOutcome.SUCCESSFUL]) is not CheckOutcome.FAILED


@pytest.mark.parametrize("candidates", [[(b"unlisted", 0.9)], [(b"a", math.nan)], [(b"a", math.inf)]])
def test_what_makes_no_sense_is_a_fault(candidates: list[tuple[bytes, float]]) -> None:
    with pytest.raises(FaceWatchlistFault) as fault:
        face_watchlist_check(candidates, ENTRIES, 0.8)
    assert fault.value.code == "EG-WLI-002"


def test_the_traveller_reads_the_neutral_text() -> None:
    texts = tomllib.loads(
        (Path(__file__).resolve().parents[2] / "gate_agent" / "web" / "locale" / "safe_texts.toml").read_text()
    )

    def groups(table: dict[str, object]) -> list[list[str]]:
        lists = [value for value in table.values() if isinstance(value, list)]
        return lists + [found for value in table.values() if isinstance(value, dict) for found in groups(value)]

    assert any({"face_watchlist_lead", "face_undetermined", "stay_no_rule"} <= set(group) for group in groups(texts))
