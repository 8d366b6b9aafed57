"""The knowledge of one seal: every state against every event, when something happened, and what may never be wiped."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.seal_tracker.events import ALARM_KINDS, EVENT_NUMBERS, TAMPER_KINDS
from gate_agent.domain.seal import ATTACKS, Happening, SealDoubt, SealReport, SealState, Told, happening_of
from gate_agent.domain.seal_history import (
    MARKS_LIMIT,
    SealHistory,
    SealJourney,
    SealMessage,
    arrived,
    closed,
    heard,
    judge,
    tied,
    unlock_authorised,
    unlock_ended,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SILENT = timedelta(hours=24)
JOURNEY = SealJourney("D1", NOON, NOON + timedelta(days=2))
INTACT, TAMPERED = (SealState.INTACT, ""), SealState.TAMPERED
OPEN, NEVER_CLOSED = SealDoubt.FOUND_OPEN, SealDoubt.NEVER_CLOSED


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def live(kind: str, minutes: float, closure: str = "", index: str = "") -> SealMessage:
    return SealMessage(kind, at(minutes), at(minutes), Told.LIVE, closure, index)


def told_of(*messages: SealMessage, journey: SealJourney | None = JOURNEY) -> SealHistory:
    history = SealHistory("S1")
    if journey is not None:
        history = tied(history, journey)
    for message in messages:
        history = heard(history, message)
    return history


def known(history: SealHistory, minutes: float = 600) -> SealReport:
    return judge(history, history.journey, at(minutes), SILENT)


def brief(report: SealReport) -> object:
    return report.doubt or (report.state, report.event)


# How a seal can stand, and the messages that brought it there; the journey is underway from minute 0.
STATES: dict[str, tuple[SealMessage, ...]] = {
    "unheard": (),
    "heard": (live("position", 1),),
    "shut": (live("shackle_closed", 1),),
    "sealed": (live("sealed_by_card", 1),),
    "reported closed": (live("position", 1, "sealed"),),
    "opened": (live("sealed", -9), live("unsealed", -5), live("position", 1)),
    "tampered": (live("sealed", 1), live("rope_cut", 2)),
    "breached": (live("sealed", 1), live("unsealed", 2)),
    "doubtful": (live("sealed", 1), live("position", 2, "open")),
}
EVENTS: dict[str, SealMessage] = {
    "position": live("position", 60),
    "battery_low": live("battery_low", 60),
    "denied": live("denied_unregistered_card_unseal", 60),
    "sealed": live("sealed_by_platform", 60),
    "auto_resealed": live("auto_resealed", 60),
    "shackle_closed": live("shackle_closed", 60),
    "unsealed": live("unsealed_by_card", 60),
    "shackle_opened": live("shackle_opened", 60),
    "says sealed": live("position", 60, "sealed"),
    "says shut": live("status", 60, "shut"),
    "says open": live("position", 60, "open"),
    "rope_cut": live("rope_cut", 60),
    "opened_while_sealed": live("opened_while_sealed", 60),
}
HARMLESS = ("position", "battery_low", "denied")
SEALINGS = ("sealed", "auto_resealed", "says sealed")
SHUTTINGS = ("shackle_closed", "says shut")
OPENINGS = ("unsealed", "shackle_opened")
BREACH = (TAMPERED, "opened_while_sealed")
CUT = (TAMPERED, "rope_cut")


def row(
    *, harmless: object, sealing: object, shutting: object, opening: object, says_open: object
) -> dict[str, object]:
    return {
        **dict.fromkeys(HARMLESS, harmless),
        **dict.fromkeys(SEALINGS, sealing),
        **dict.fromkeys(SHUTTINGS, shutting),
        **dict.fromkeys(OPENINGS, opening),
        "says open": says_open,
        "rope_cut": CUT,
        "opened_while_sealed": BREACH,
    }


def always(answer: object) -> dict[str, object]:
    return dict.fromkeys(EVENTS, answer)


EXPECTED: dict[str, dict[str, object]] = {
    "unheard": row(harmless=NEVER_CLOSED, sealing=INTACT, shutting=INTACT, opening=OPEN, says_open=OPEN),
    "heard": row(harmless=NEVER_CLOSED, sealing=INTACT, shutting=INTACT, opening=OPEN, says_open=OPEN),
    "shut": row(harmless=INTACT, sealing=INTACT, shutting=INTACT, opening=OPEN, says_open=OPEN),
    "sealed": row(harmless=INTACT, sealing=INTACT, shutting=INTACT, opening=BREACH, says_open=OPEN),
    "reported closed": row(harmless=INTACT, sealing=INTACT, shutting=INTACT, opening=BREACH, says_open=OPEN),
    "opened": row(harmless=OPEN, sealing=INTACT, shutting=INTACT, opening=OPEN, says_open=OPEN),
    "tampered": always(CUT),
    "breached": always(BREACH),
    "doubtful": row(harmless=OPEN, sealing=OPEN, shutting=OPEN, opening=OPEN, says_open=OPEN),
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_every_state_against_every_event(state: str, event: str) -> None:
    assert brief(known(told_of(*STATES[state], EVENTS[event]))) == EXPECTED[state][event]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_a_declaration_that_is_seen_later_is_judged_the_same(state: str, event: str) -> None:
    late, expected = known(tied(told_of(*STATES[state], EVENTS[event], journey=None), JOURNEY)), EXPECTED[state][event]
    if (state, event) == ("breached", "rope_cut"):
        expected = CUT  # of two findings the one that was known first is told
    assert brief(late) == expected


@pytest.mark.parametrize("state", sorted(STATES))
def test_an_inspectors_closing_settles_what_was_heard_and_nothing_else_does(state: str) -> None:
    history = closed(told_of(*STATES[state]), at(60), "inspector-1")
    assert known(history).state is not SealState.TAMPERED
    history = heard(heard(history, live("sealed", 90)), live("position", 91))
    assert brief(known(history)) == INTACT
    assert brief(known(heard(history, live("unsealed", 92)))) == BREACH


def test_what_has_the_words_of_the_drivers_has_their_meaning() -> None:
    assert ATTACKS == TAMPER_KINDS
    kinds = {*ALARM_KINDS, *EVENT_NUMBERS.values()}
    found = {kind: happening_of(kind) for kind in kinds}
    assert {kind for kind, one in found.items() if one is Happening.ATTACKED} == TAMPER_KINDS
    assert {kind for kind, one in found.items() if one is Happening.SEALED} == {
        "auto_sealed", "auto_resealed", "sealed_by_card", "sealed_by_ble", "sealed_by_platform", "sealed_by_sms"
    }  # fmt: skip
    assert {kind for kind, one in found.items() if one is Happening.OPENED} == {
        "shackle_opened", "unsealed_by_card", "unsealed_by_ble", "unsealed_by_platform", "unsealed_by_sms"
    }  # fmt: skip


@pytest.mark.parametrize("opening", ["unsealed", "shackle_opened", "unsealed_by_sms"])
@pytest.mark.parametrize(
    ("minutes", "answer"),
    [(-30, OPEN), (30, BREACH), (3000, OPEN)],
    ids=["before the declaration", "underway", "after it expired"],
)
def test_an_opening_is_a_breach_only_while_the_journey_is_underway(
    opening: str, minutes: float, answer: object
) -> None:
    history = told_of(live("sealed", -60), live(opening, minutes))
    assert brief(known(history, max(minutes, 0) + 1)) == answer


def test_goods_that_arrived_may_be_opened() -> None:
    history = arrived(told_of(live("sealed", 1)), "D1", at(30))
    assert brief(known(heard(history, live("unsealed", 31)))) == OPEN
    other = arrived(told_of(live("sealed", 1)), "D2", at(30))
    assert brief(known(heard(other, live("unsealed", 31)))) == BREACH


@pytest.mark.parametrize(
    ("kind", "minutes", "answer"),
    [
        ("unsealed_by_platform", 11, INTACT),
        ("unlock_alarm", 11, INTACT),
        ("unsealed_by_platform", 40, BREACH),
        ("unlock_alarm", 40, (TAMPERED, "unlock_alarm")),
        ("unsealed_by_platform", 5, BREACH),
        ("rope_cut", 11, CUT),
    ],
)
def test_an_authorised_unlock_stands_for_openings_and_for_a_while(kind: str, minutes: float, answer: object) -> None:
    history = unlock_authorised(told_of(live("sealed", 1)), at(10), at(20), "inspector-1")
    history = heard(history, live(kind, minutes))
    assert brief(known(heard(history, live("sealed", 50)))) == answer


def test_silence_is_a_doubt_of_its_own_and_no_accusation() -> None:
    history = told_of(live("sealed", 1))
    assert brief(known(history, 1 + 24 * 60)) == INTACT
    assert brief(known(history, 2 + 24 * 60)) is SealDoubt.SILENT
    assert brief(known(heard(history, live("position", 60)), 60 + 24 * 60)) == INTACT
    assert brief(known(SealHistory("S1"))) is SealDoubt.NEVER_HEARD
    assert brief(known(told_of(live("rope_cut", 1)), 9999)) == CUT, "a tamper does not age"


WRONG = timedelta(days=3650)
"""A clock that is wrong by ten years."""


def wrong(kind: str, minutes: float, *, happened: float | None = None, told: Told = Told.LIVE) -> SealMessage:
    """A message of a tracker whose clock is wrong by years; `happened` when it tells something later."""
    return SealMessage(kind, at(minutes), at(minutes if happened is None else happened) - WRONG, told)


def test_a_clock_that_is_wrong_by_years_changes_nothing_for_live_messages() -> None:
    assert brief(known(told_of(wrong("sealed", 1), wrong("position", 5)))) == INTACT
    assert brief(known(told_of(wrong("sealed", 1), wrong("unsealed", 5)))) == BREACH


STORED = Told.FROM_MEMORY


@pytest.mark.parametrize("kind", ["unsealed", "rope_cut"])
@pytest.mark.parametrize("told", [Told.FROM_MEMORY, Told.UNKNOWN])
class TestToldLate:
    """An event from the tracker's memory, heard 40 minutes after the sealing at minute 10."""

    def test_from_before_the_sealing_it_is_not_held_against_anybody(self, kind: str, told: Told) -> None:
        history = told_of(wrong("position", 1), wrong("sealed", 10), wrong(kind, 50, happened=5, told=told))
        assert brief(known(history)) is SealDoubt.UNDATED, "not before the clock was heard again"
        assert brief(known(heard(history, wrong("position", 55)))) == INTACT

    def test_from_after_the_sealing_it_counts_once_the_clock_was_steady(self, kind: str, told: Told) -> None:
        history = told_of(wrong("position", 1), wrong("sealed", 10), wrong(kind, 50, happened=30, told=told))
        assert brief(known(history)) is SealDoubt.UNDATED
        assert known(heard(history, wrong("position", 55))).state is TAMPERED

    def test_a_clock_first_heard_at_the_sealing_accuses_nobody(self, kind: str, told: Told) -> None:
        history = told_of(wrong("sealed", 10), wrong(kind, 50, happened=30, told=told), wrong("position", 55))
        assert brief(known(history)) is SealDoubt.UNDATED

    def test_a_clock_that_was_set_in_between_leaves_it_open(self, kind: str, told: Told) -> None:
        history = told_of(wrong("position", 1), wrong("sealed", 10), wrong(kind, 50, happened=5, told=told))
        assert brief(known(heard(history, live("position", 55)))) is SealDoubt.UNDATED

    def test_without_a_device_time_nobody_can_say(self, kind: str, told: Told) -> None:
        history = told_of(live("position", 1), live("sealed", 10), SealMessage(kind, at(50), None, told))
        assert brief(known(heard(history, live("position", 55)))) is SealDoubt.UNDATED

    def test_close_to_the_sealing_nobody_can_say(self, kind: str, told: Told) -> None:
        history = told_of(wrong("position", 1), wrong("sealed", 10), wrong(kind, 50, happened=11, told=told))
        assert brief(known(heard(history, wrong("position", 55)))) is SealDoubt.UNDATED

    def test_an_inspector_settles_a_doubt(self, kind: str, told: Told) -> None:
        history = told_of(live("sealed", 10), SealMessage(kind, at(50), None, told))
        assert brief(known(closed(history, at(60), "inspector-1"))) == INTACT


@pytest.mark.parametrize("kind", ["unsealed", "rope_cut"])
@pytest.mark.parametrize(
    ("happened", "steady_since", "answer"),
    [
        (20, 1, TAMPERED),  # between the sealings, on the way
        (20, 10, SealDoubt.UNDATED),  # the clock is known since the first sealing only
        (20, None, SealDoubt.UNDATED),  # and since the second only
        (5, 1, SealState.INTACT),  # before both
        (45, 1, TAMPERED),  # after both
    ],
)
def test_sealing_again_before_a_deed_is_told_wipes_nothing(
    kind: str, happened: float, steady_since: float | None, answer: object
) -> None:
    clocked = [] if steady_since is None else [wrong("position", steady_since)]
    first = wrong("sealed", 10) if steady_since is not None else SealMessage("sealed", at(10), at(10), Told.LIVE)
    messages = [*clocked, first, wrong("sealed", 40), wrong(kind, 50, happened=happened, told=STORED)]
    report = known(told_of(*messages, wrong("position", 55)))
    assert (report.doubt or report.state) == answer


def test_an_unmarked_alarm_of_a_right_clock_counts_at_once() -> None:
    alarm = SealMessage("rope_cut", at(5), at(4.9))
    assert brief(known(told_of(alarm, journey=None))) == CUT


def test_an_unmarked_alarm_of_a_wrong_clock_counts_when_the_clock_is_known() -> None:
    alarm = wrong("rope_cut", 5, told=Told.UNKNOWN)
    assert brief(known(told_of(alarm))) is SealDoubt.UNDATED
    assert brief(known(told_of(alarm, wrong("position", 6)))) == CUT
    assert brief(known(told_of(wrong("position", 1), alarm))) == CUT


def test_two_unmarked_messages_of_one_burst_prove_no_clock() -> None:
    burst = [SealMessage(kind, at(120), at(0)) for kind in ("rope_cut", "position")]
    assert brief(known(told_of(*burst))) is SealDoubt.UNDATED


def test_a_message_from_memory_is_not_live_because_its_lateness_makes_up_for_the_clock() -> None:
    ahead = timedelta(hours=2)
    history = told_of(
        SealMessage("position", at(-30), at(-30) + ahead, Told.LIVE),
        SealMessage("sealed", at(0), at(0) + ahead, Told.LIVE),
        SealMessage("unsealed", at(100), at(-20) + ahead, Told.UNKNOWN),
    )
    assert brief(known(history)) is SealDoubt.UNDATED
    assert brief(known(heard(history, SealMessage("position", at(101), at(101) + ahead, Told.LIVE)))) == INTACT


def test_a_sealing_that_cannot_be_dated_closes_nothing_that_stands_open() -> None:
    history = told_of(live("unsealed", -5), SealMessage("sealed", at(3), None, STORED))
    assert brief(known(history)) is OPEN


def test_what_is_told_again_does_not_double() -> None:
    once = told_of(live("sealed", 1, index="7"), live("unsealed", 5, index="8"))
    again = heard(once, replace(live("unsealed", 5, index="8"), received_at=at(90), told=STORED))
    assert again.marks == once.marks
    assert brief(known(again)) == BREACH


@pytest.mark.parametrize("opening", ["unsealed_by_platform", "shackle_opened"])
def test_the_event_of_a_frame_explains_the_state_that_comes_before_it(opening: str) -> None:
    frame = [live("position", 30, "open"), live(opening, 30.001, "open")]
    assert brief(known(told_of(live("sealed", 1), *frame))) == BREACH
    assert brief(known(told_of(live("sealed", -30), live("position", -20, "sealed"), *frame))) == BREACH


@pytest.mark.parametrize("told", list(Told))
def test_reports_that_a_post_hands_over_again_change_nothing(told: Told) -> None:
    messages = [live("sealed", 1), live("position", 2, "sealed"), SealMessage("unsealed", at(9), at(9), told)]
    once = told_of(*messages)
    late = timedelta(seconds=2)
    again = once
    for message in messages:
        again = heard(again, replace(message, received_at=message.received_at + late))
    assert again.marks == once.marks
    settled = closed(once, at(20), "inspector-1")
    for message in messages:
        settled = heard(settled, replace(message, received_at=message.received_at + late))
    assert known(settled).state is not SealState.TAMPERED


def test_a_clock_that_stands_still_hides_no_second_opening() -> None:
    stopped = datetime(2000, 1, 1, tzinfo=UTC)

    def told(kind: str, minutes: float, how: Told) -> SealMessage:
        return SealMessage(kind, at(minutes), stopped, how)

    before = told_of(told("sealed", -90, Told.LIVE), told("unsealed", -60, Told.LIVE), told("sealed", -30, Told.LIVE))
    assert brief(known(heard(before, told("unsealed", 30, Told.LIVE)))) == BREACH
    for how in (Told.UNKNOWN, Told.FROM_MEMORY):
        assert brief(known(heard(before, told("unsealed", 30, how)))) is SealDoubt.UNDATED


def test_a_state_that_does_not_change_is_no_new_fact() -> None:
    history = told_of(*(live("position", minute, "sealed") for minute in range(100)))
    assert len(history.marks) == 1
    assert history.last_heard_at == at(99)


def test_the_sealing_is_kept_with_when_where_and_by_whom() -> None:
    message = replace(live("sealed_by_card", 1), actor="00123", latitude_deg=41.3, longitude_deg=69.2)
    sealed = told_of(message, live("position", 9)).sealed
    assert sealed is not None
    assert (sealed.received_at, sealed.actor, sealed.latitude_deg, sealed.longitude_deg) == (at(1), "00123", 41.3, 69.2)


def test_too_many_facts_cost_no_tamper_and_pass_nothing() -> None:
    cycles = [live(kind, 1 + number) for number in range(MARKS_LIMIT) for kind in ("shackle_closed", "shackle_opened")]
    tampered = told_of(live("rope_cut", 0.5), *cycles)
    assert len(tampered.marks) == MARKS_LIMIT
    assert brief(known(tampered)) == CUT
    late = tied(told_of(live("sealed", 0.2), live("unsealed", 0.3), *cycles, live("sealed", 90), journey=None), JOURNEY)
    assert brief(known(late)) is SealDoubt.UNDATED


MESSAGES = st.builds(
    SealMessage,
    st.sampled_from([message.kind for message in EVENTS.values()]),
    st.integers(0, 600).map(at),
    st.none() | st.integers(-9_000_000, 600).map(at),
    st.sampled_from(Told),
    st.sampled_from(["", "sealed", "shut", "open"]),
    st.sampled_from(["", "1", "2"]),
)


@given(st.lists(MESSAGES, max_size=90), st.integers(0, 90))
def test_nothing_that_is_heard_wipes_a_tamper_and_memory_is_bounded(
    messages: list[SealMessage], tie_after: int
) -> None:
    history, was_tampered = SealHistory("S1"), False
    for number, message in enumerate(sorted(messages, key=lambda one: one.received_at)):
        history = heard(history, message)
        if number == tie_after:
            history = tied(history, JOURNEY)
        report = known(history)
        assert not was_tampered or report.state is SealState.TAMPERED
        was_tampered = report.state is SealState.TAMPERED
        assert (report.doubt is None) == (report.state is not SealState.UNKNOWN)
        assert len(history.marks) <= MARKS_LIMIT


@given(st.lists(MESSAGES.filter(lambda one: one.told is STORED), max_size=20))
def test_memory_alone_accuses_nobody(messages: list[SealMessage]) -> None:
    history = told_of(live("sealed", 0), *sorted(messages, key=lambda one: one.received_at))
    assert known(history).state is not SealState.TAMPERED


def test_an_unlock_that_did_not_happen_takes_no_leave_from_one_that_may_have() -> None:
    undetermined = unlock_authorised(told_of(live("sealed", 1)), at(10), at(20), "inspector-1")
    second = unlock_authorised(undetermined, at(11), at(21), "inspector-1")
    assert [mark.until for mark in unlock_ended(second, at(12), at(11)).marks[1:]] == [at(20), at(12)]
