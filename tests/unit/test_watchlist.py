"""The watchlist: exact numbers however they are written, every list named, and no bad body taken for an empty list."""

import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.watchlist import Subject, Watchlist
from gate_agent.inspection.watchlist_entries import WatchlistRefused, normalised

FRESH, LIMIT = timedelta(hours=1), timedelta(hours=24)


def body(*entries, name="wanted"):
    return {"lists": [{"name": name, "entries": list(entries)}]}


def entry(number="AB123", state="UTO", entry_id="e1"):
    return {"document_number": number, "issuing_state": state, "entry_id": entry_id}


def check(watchlist, number="AB123", state="UTO", age=FRESH):
    subject = Subject(normalised(number), state.strip("<"), "ERIKSSON", "ANNA", 19740812, "F", "UTO")
    return watchlist.screen(subject, date(2026, 6, 1), age=age, age_limit=LIMIT).result


def hits(result):
    return [(r.parameters["list"], r.parameters["entry"]) for r in result.reasons if r.code is ReasonCode.WATCHLIST_HIT]


@pytest.mark.parametrize("listed", ["AB123", "ab 123", "AB-123", "AB123<<<<", "A/B.12\u00a03", "AB\u2013123"])
@pytest.mark.parametrize("presented", ["AB123", "AB123<<<<", "ab-123"])
def test_a_number_hits_however_it_is_written(listed, presented):
    result = check(Watchlist.from_bundle(body(entry(listed))), presented)
    assert (result.check, result.outcome, hits(result)) == (
        CheckName.WATCHLIST,
        CheckOutcome.FAILED,
        [("wanted", "e1")],
    )


@pytest.mark.parametrize(("listed", "presented", "hit"), [
    ("UTO", "UTO", True), ("uto", "UTO", True), ("D<<", "D", True), ("D", "D<<", True), ("", "UTO", True),
    (None, "UTO", True), ("XXX", "UTO", False),
])  # fmt: skip
def test_issuing_state(listed, presented, hit):
    assert bool(hits(check(Watchlist.from_bundle(body(entry(state=listed))), state=presented))) is hit


def test_an_entry_without_state_is_for_every_state():
    plain = {"document_number": "AB123", "entry_id": "e1"}
    assert hits(check(Watchlist.from_bundle(body(plain)), state="XXX")) == [("wanted", "e1")]


def test_every_list_that_names_the_document_is_reported():
    """Regression: the last list hid the others."""
    lists = [
        {"name": "wanted", "entries": [entry(entry_id="e1")]},
        {"name": "lost", "entries": [entry(entry_id="e2"), entry(state=None, entry_id="e3")]},
    ]
    watchlist = Watchlist.from_bundle({"lists": lists})
    assert len(watchlist) == 3
    assert sorted(hits(check(watchlist))) == [("lost", "e2"), ("lost", "e3"), ("wanted", "e1")]


@pytest.mark.parametrize(
    ("age_h", "outcome"),
    [
        (24, CheckOutcome.SUCCESSFUL), (24.001, CheckOutcome.UNDETERMINED), (-0.1, CheckOutcome.SUCCESSFUL),
        (-0.2, CheckOutcome.UNDETERMINED), (-24 * 365 * 56, CheckOutcome.UNDETERMINED),
    ],
)  # fmt: skip
def test_a_list_older_than_allowed_or_from_the_future_proves_nothing(age_h, outcome):
    result = check(Watchlist.from_bundle(body()), age=timedelta(hours=age_h))
    assert result.outcome is outcome
    assert [reason.code for reason in result.reasons] == (
        [] if outcome is CheckOutcome.SUCCESSFUL else [ReasonCode.WATCHLIST_STALE]
    )


def test_a_hit_in_a_stale_list_is_still_a_hit():
    assert check(Watchlist.from_bundle(body(entry())), age=timedelta(days=9)).outcome is CheckOutcome.FAILED


@pytest.mark.parametrize("number", ["", "<<<<<<<<<", " - "])
def test_a_document_without_number_is_never_cleared(number):
    assert check(Watchlist.from_bundle(body()), number).outcome is CheckOutcome.UNDETERMINED


@pytest.mark.parametrize(
    ("refused", "place"),
    [
        ({}, "watchlist.lists"),
        ({"list": []}, "watchlist.lists"),
        ({"lists": {}}, "watchlist.lists"),
        ({"lists": [7]}, "watchlist.lists[0]"),
        ({"lists": [{"name": "n"}]}, "watchlist.lists[0]"),
        ({"lists": [{"entries": []}]}, "watchlist.lists[0].name"),
        (body(name=""), "watchlist.lists[0].name"),
        (body(7), "watchlist.lists[0].entries[0]"),
        (body(entry(), {}), "watchlist.lists[0].entries[1].document_number"),
        (body(entry(number=123)), "entries[0].document_number"),
        (body(entry(number="<<<")), "entries[0].document_number"),
        (body(entry(state=7)), "entries[0].issuing_state"),
        (body(entry(entry_id=None)), "entries[0].entry_id"),
    ],
)
def test_a_body_that_is_no_watchlist_is_refused_and_named(refused, place):
    with pytest.raises(WatchlistRefused) as caught:
        Watchlist.from_bundle(refused)
    assert place in str(caught.value)
    assert caught.value.code == "EG-WLI-001"


@given(st.sets(st.text("ABC123", min_size=1, max_size=5), max_size=30), st.text("ABC123", min_size=1, max_size=5))
def test_exactly_the_listed_numbers_hit(listed, presented):
    watchlist = Watchlist.from_bundle(body(*(entry(number) for number in listed)))
    assert bool(hits(check(watchlist, presented))) is (presented in listed)


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalised(normalised(text)) == normalised(text)


def test_a_look_up_in_a_long_list_takes_less_than_five_milliseconds():
    watchlist = Watchlist.from_bundle(body(*(entry(f"N{number}", entry_id=f"e{number}") for number in range(100_000))))
    start = time.process_time()
    for number in range(100):
        check(watchlist, f"N{number}")
    assert (time.process_time() - start) / 100 < 0.005
