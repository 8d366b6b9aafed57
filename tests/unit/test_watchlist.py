"""The watchlist: exact numbers, normalised on both sides; a hit names list and entry, an old list says nothing."""

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.watchlist import Watchlist, WatchlistRefused

HOUR, LIMIT = timedelta(hours=1), timedelta(hours=72)


def listed(number: str = "U08SPECIM", state: str = "UTO", entry_id: str = "e-1") -> dict[str, object]:
    entry = {"document_number": number, "issuing_state": state, "entry_id": entry_id}
    return {"lists": [{"name": "lost", "entries": [entry]}]}


@pytest.mark.parametrize("number", ["U08SPECIM", "u08 specim", "U08<SPECIM<<", "U08-SPECIM"])
def test_a_hit_names_list_and_entry_whatever_the_spelling(number: str) -> None:
    result = Watchlist.from_bundle(listed(number)).check("U08SPECIM", "UTO", age=HOUR, age_limit=LIMIT)
    assert result.outcome is CheckOutcome.FAILED
    assert result.reasons == (Reason(ReasonCode.WATCHLIST_HIT, {"list": "lost", "entry": "e-1"}),)


def test_another_number_and_another_state_are_no_hit() -> None:
    watchlist = Watchlist.from_bundle(listed())
    for number, state in (("U09SPECIM", "UTO"), ("U08SPECIM", "D"), ("U08SPECI", "UTO"), ("U08SPECIMX", "UTO")):
        assert watchlist.check(number, state, age=HOUR, age_limit=LIMIT).outcome is CheckOutcome.SUCCESSFUL


def test_german_specimens_issue_as_d() -> None:
    watchlist = Watchlist.from_bundle(listed("C01X0006H", "D<<"))
    assert watchlist.check("C01X0006H", "D", age=HOUR, age_limit=LIMIT).outcome is CheckOutcome.FAILED


@pytest.mark.parametrize(
    ("age", "outcome"),
    [(LIMIT, CheckOutcome.SUCCESSFUL), (LIMIT + timedelta(seconds=1), CheckOutcome.UNDETERMINED)],
)
def test_an_old_list_says_nothing_about_the_others(age: timedelta, outcome: CheckOutcome) -> None:
    watchlist = Watchlist.from_bundle(listed())
    assert watchlist.check("OTHER", "UTO", age=age, age_limit=LIMIT).outcome is outcome
    assert watchlist.check("U08SPECIM", "UTO", age=age, age_limit=LIMIT).outcome is CheckOutcome.FAILED


@pytest.mark.parametrize(
    "body",
    [
        {"lists": {}},
        {"lists": [7]},
        {"lists": [{"name": "x"}]},
        {"lists": [{"name": "x", "entries": [{}]}]},
        {"lists": [{"name": "x", "entries": [{"document_number": 7, "entry_id": "1"}]}]},
        {"lists": [{"entries": [{"document_number": "A", "entry_id": "1"}]}]},
    ],
)
def test_a_body_that_is_no_watchlist_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(WatchlistRefused):
        Watchlist.from_bundle(body)


@given(st.text(max_size=40), st.text(max_size=5))
def test_any_text_can_be_looked_up(number: str, state: str) -> None:
    Watchlist.from_bundle(listed()).check(number, state, age=HOUR, age_limit=LIMIT)


def test_a_lookup_does_not_grow_with_the_list() -> None:
    entries = [{"document_number": f"X{n:08d}", "issuing_state": "UTO", "entry_id": str(n)} for n in range(100_000)]
    watchlist = Watchlist.from_bundle({"lists": [{"name": "large", "entries": entries}]})
    assert len(watchlist) == 100_000
    begun_s = time.perf_counter()
    for n in range(1000):
        watchlist.check(f"X{n:08d}", "UTO", age=HOUR, age_limit=LIMIT)
    assert (time.perf_counter() - begun_s) / 1000 < 0.005
