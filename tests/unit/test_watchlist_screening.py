"""What lists make the gate say: leads for the guard, silence for the traveller, and past crossings held against newer lists."""

from __future__ import annotations

import statistics
import time
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from central_sync.identity import read_sealing_key, read_verification_key
from gate_agent.app.knowledge import GateKnowledge, site_secret
from gate_agent.app.watchlist_side import WatchlistSide
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.crossing import Corridor, Crossing, PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection.watchlist import MOST_SHOWN, Subject, Watchlist, written_date
from gate_agent.inspection.watchlist_bundle import held_in_the_open
from gate_agent.settings import GateSettings, PolicySettings, StoreSettings
from gate_agent.store import Store
from gate_agent.store.lookups import moment
from gate_agent.store.screened import ScreenedCrossings, ScreenedLimits
from gate_agent.store.stay_book import CorrectionAnswer, CorrectionKind, StayCorrection
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues, load_safe_texts
from tests.unit.fictitious_names import Population
from tests.unit.test_lane_controller import TODAY, lane, specimen
from tests.unit.test_watchlist_bundles import Site

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
DAY = date(2026, 6, 1)
FRESH, LIMIT = timedelta(hours=1), timedelta(hours=72)


def lists(*entries, name="wanted", **terms):
    return Watchlist(held_in_the_open({"lists": [{"name": name, "entries": list(entries), **terms}]}))


def listed(entry_id="e1", **more):
    return {"entry_id": entry_id, "names": ["YULDASHEV, UKTAM"], "date_of_birth": "1985-03-02", "sex": "M"} | more


def subject(**more):
    values = {
        "document_number": "AB1", "issuing_state": "UTO", "primary_identifier": "YOLDOSHEV",
        "secondary_identifier": "OKTAM", "born": 19850302, "sex": "M", "nationality": "UTO",
    }  # fmt: skip
    return Subject(**(values | more))


def screen(watchlist, who=None, age=FRESH):
    return watchlist.screen(who or subject(), DAY, age=age, age_limit=LIMIT)


def codes(screening):
    return [reason.code for reason in screening.result.reasons]


@pytest.mark.parametrize("action", ["stop", "refer"])
def test_a_name_is_a_lead_and_never_a_finding(action):
    result = screen(lists(listed(action=action))).result
    assert result.outcome is CheckOutcome.UNDETERMINED
    assert [reason.code for reason in result.reasons] == [ReasonCode.WATCHLIST_NAME_LEAD]


@pytest.mark.parametrize(("action", "code"), [("stop", ReasonCode.WATCHLIST_STOP), ("refer", ReasonCode.WATCHLIST_HIT)])
def test_a_listed_document_is_a_finding(action, code):
    entry = listed(action=action, documents=[{"number": "ab-1", "issuing_state": "UTO"}])
    screening = screen(lists(entry))
    assert screening.result.outcome is CheckOutcome.FAILED
    assert codes(screening) == [code]


def test_the_guard_sees_list_reason_spelling_and_how_it_was_found():
    entry = listed(names=["SOMEBODY, ELSE", "Йўлдошев, Ўктам"], reason="fictitious reason", action="stop")
    compared = {pair.name: (pair.found, pair.expected) for pair in screen(lists(entry)).result.compared}
    assert compared["listed_entry"] == ("wanted / e1", "")
    assert compared["listed_match"] == ("exact", "")
    assert compared["listed_action"] == ("stop", "")
    assert compared["listed_name"] == ("YOLDOSHEV, OKTAM", "Йўлдошев, Ўктам")
    assert compared["listed_born"] == ("1985-03-02", "1985-03-02")
    assert compared["listed_reason"] == ("fictitious reason", "")


def test_many_namesakes_are_cut_to_the_best():
    entries = [listed(f"e{number}") for number in range(30)]
    documents = [{"number": "AB1", "issuing_state": "UTO"}]
    screening = screen(lists(*entries, listed("document", documents=documents)))
    assert len(screening.result.reasons) == MOST_SHOWN
    assert screening.result.reasons[0].parameters["entry"] == "document"
    assert len(screening.seen) == 31


def test_each_list_has_its_age_limit_and_the_shortest_counts():
    short = lists(listed(names=["OTHER, NAME"]), age_limit_h=2)
    assert codes(screen(short, age=timedelta(hours=2))) == []
    assert codes(screen(short, age=timedelta(hours=2.01))) == [ReasonCode.WATCHLIST_STALE]
    assert screen(short, age=timedelta(hours=3)).result.outcome is CheckOutcome.UNDETERMINED


def test_a_holder_without_a_name_is_not_cleared_by_a_list_of_names():
    screening = screen(lists(listed()), subject(primary_identifier="", secondary_identifier=""))
    assert screening.result.outcome is CheckOutcome.UNDETERMINED


@pytest.mark.parametrize(("born", "text"), [(19850302, "1985-03-02"), (19850000, "1985-??-??"), (0, "????-??-??")])
def test_a_partial_date_is_shown_as_what_is_known(born, text):
    assert written_date(born) == text


# ---- silently ------------------------------------------------------------------------------------------------------------


def test_an_informing_entry_changes_nothing_in_the_result():
    clear = screen(lists(listed(names=["OTHER, NAME"])))
    informed = screen(lists(listed(action="inform", documents=[{"number": "AB1"}])))
    assert informed.result == clear.result
    assert [match.entry().entry_id for match in informed.informing] == ["e1"]


def test_an_informing_entry_costs_no_time():
    """The same list of twenty thousand, once with the traveller on it: processor time, in turns, in one run."""
    people = list(Population(7).entries(20_000))
    body = [
        {"entry_id": one.entry_id, "names": list(one.names), "date_of_birth": written_date(one.born)[:4]}
        for one in people
        if one.born
    ]
    clear = lists(*body)
    informing = lists(*body, listed(action="inform", documents=[{"number": "AB1"}]))
    taken: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(600):
        watchlist = informing if turn % 2 else clear
        begun = time.thread_time()
        screening = screen(watchlist)
        taken[bool(turn % 2)].append(time.thread_time() - begun)
        assert bool(screening.informing) is bool(turn % 2)
    with_entry, without = (statistics.median(taken[which]) for which in (True, False))
    assert abs(with_entry - without) < 0.001, (with_entry, without)


def _knowledge(house, watchlist):
    known = house.current()
    return lambda: replace(known, watchlist=watchlist, watchlist_version=3)


async def _walk(entry):
    """Walk one traveller through; return what he saw at every step, and what happened in which order."""
    seen, order = [], []
    async with lane() as walk:
        house = walk.house
        house.current = _knowledge(house, lists(entry))
        house.inform = lambda lane_id, matches: order.append(("informed", lane_id, len(matches)))
        commit = house.commit_decision

        async def committed(decision):
            await commit(decision)
            order.append(("decided", decision.answer, decision.checks))

        house.commit_decision = committed
        await walk.present()
        seen.append((walk.phase, list(house.releases), house.changes))
        await walk.inputs(1)
        await walk.look()
        seen.append((walk.phase, list(house.releases), house.changes))
        await walk.inputs(0, passed=True)
        seen.append((walk.phase, list(house.releases), house.changes))
        return seen, order, house.crossings


async def test_a_traveller_of_whom_only_informed_is_sees_exactly_what_everybody_sees():
    document = specimen(1, TODAY)
    entry = {"entry_id": "e1", "documents": [{"number": document.document_number}], "action": "inform"}
    clear_seen, clear_order, _ = await _walk({"entry_id": "e1", "documents": [{"number": "ZZ999"}], "action": "inform"})
    seen, order, crossings = await _walk(entry)
    assert seen == clear_seen
    assert [what for what, *_ in clear_order] == ["decided"]
    assert [what for what, *_ in order] == ["decided", "informed"]  # only behind the decision's own write
    assert order[0][1] == clear_order[0][1]
    assert [(check.check, check.outcome, check.reasons, check.compared) for check in order[0][2]] == [
        (check.check, check.outcome, check.reasons, check.compared) for check in clear_order[0][2]
    ]
    assert crossings[0].watchlist_version == 3
    assert len(crossings[0].watchlist_seen) == 1


async def test_a_lead_calls_the_guard_with_the_text_that_hides_every_cause():
    document = specimen(1, TODAY)
    entry = {"entry_id": "e1", "names": [f"{document.primary_identifier}, {document.secondary_identifier}"]}
    async with lane() as walk:
        walk.house.current = _knowledge(walk.house, lists(entry))
        await walk.present()
        assert walk.house.releases == []
        assert walk.phase is Phase.REFERRED
        assert walk.controller.state.results[CheckName.WATCHLIST].outcome is CheckOutcome.UNDETERMINED


def test_travellers_are_told_one_text_for_every_cause():
    safe = load_safe_texts()
    hidden = [code for code in ReasonCode if code.startswith("watchlist")]
    assert len(hidden) == 8
    assert {safe[code] for code in hidden} == {safe["mrz_check_digit_wrong"]}


def test_guards_are_told_in_each_language():
    for catalogue in load_catalogues("guard", GUARD_LANGUAGES).values():
        for action in ("stop", "refer"):
            assert catalogue.text(f"listed_action.{action}")
        for kind in ("document", "exact", "sound", "spelling", "sound_and_date"):
            assert catalogue.text(f"listed_match.{kind}")


# ---- past crossings ------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self):
        return self.time

    def monotonic_s(self):
        return self.time.timestamp()


def crossing(document, direction, at, version, seen=()):
    return Crossing(
        uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), 1, direction, at, at.date(), PassageOutcome.PASSED, document, None,
        Corridor.GREEN, version, seen,
    )  # fmt: skip


class Gate:
    """A store with its crossings, and lists that can be renewed."""

    def __init__(self, site: Site, store: Store, clock: Clock) -> None:
        self.site, self.store, self.clock = site, store, clock
        self.knowledge = GateKnowledge(site.bundles, site.keys, site_clock())
        self.raised: list = []
        self.side = WatchlistSide(
            self.knowledge,
            store.rescreening,
            clock,
            lambda about, reason, _: self.raised.append((about, reason)),
            PolicySettings(),
            time_zone="Asia/Tashkent",
        )

    async def renew(self, version, *entries):
        self.site.put("watchlist", version, {"lists": [{"name": "wanted", "entries": list(entries)}]})
        assert self.knowledge.reload()
        self.raised.clear()
        await self.side.rescreen()
        return [reason.code for _, reason in self.raised]


def site_clock():
    from gate_agent.clock import SystemClock

    return SystemClock()


@pytest.fixture
async def gate(tmp_path: Path):
    site, clock = Site(tmp_path / "site"), Clock()
    rows = ScreenedCrossings(site_secret(site.keys), ScreenedLimits(timedelta(days=90), timedelta(hours=24)))
    store = await Store.open(
        tmp_path / "store", clock, GateSettings(country="UTO", site="demo", gate_id="gate-1"),
        read_sealing_key(site.keys / "centre_seal.pub"), StoreSettings(ballast_bytes=0),
        centre_public_key=read_verification_key(site.keys / "centre.pub"), screened=rows,
    )  # fmt: skip
    try:
        yield Gate(site, store, clock)
    finally:
        await store.close()


def person(number=5):
    from gate_agent.domain.mrz import read_mrz

    document = read_mrz(specimen(number, TODAY).lines(), TODAY).document
    return document, {"entry_id": f"p{number}", "documents": [{"number": document.document_number}]}


async def test_whoever_is_inside_when_a_list_changes_raises_an_alarm_once(gate):
    document, entry = person()
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1))
    assert await gate.renew(2) == []
    assert await gate.renew(3, entry) == [ReasonCode.WATCHLIST_RESCREENED_INSIDE]
    assert gate.raised[0][1].parameters == {
        "list": "wanted", "entry": "p5", "lane": "1", "at": "2026-06-01 09:00+00:00"
    }  # fmt: skip
    assert await gate.renew(4, entry) == []
    _, other = person(6)
    assert await gate.renew(5, entry, other | {"documents": entry["documents"]}) == [
        ReasonCode.WATCHLIST_RESCREENED_INSIDE
    ]


async def test_an_entry_is_held_against_on_the_local_day_on_which_it_begins_to_count(gate):
    document, entry = person()
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1))
    assert await gate.renew(2, entry | {"valid_from": "2026-06-02"}) == []
    gate.clock.time = datetime(2026, 6, 1, 18, 30, tzinfo=UTC)  # 23:30 at the gate
    assert await gate.side.rescreen() == 0
    gate.clock.time += timedelta(hours=1)  # half past midnight at the gate, still the day before in UTC
    assert await gate.side.rescreen() == 1
    assert [reason.code for _, reason in gate.raised] == [ReasonCode.WATCHLIST_RESCREENED_INSIDE]
    assert await gate.side.rescreen() == 0


async def test_what_was_known_at_the_crossing_raises_nothing_later(gate):
    document, entry = person()
    watchlist = lists(entry)
    seen = screen(watchlist, Subject.of(document, DAY)).seen
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1, seen))
    assert await gate.renew(2, entry) == []


async def test_whoever_left_is_known_for_a_day_and_no_longer(gate):
    document, entry = person()
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1))
    gate.clock.time += timedelta(days=3)
    await gate.store.commit_crossing(crossing(document, Direction.EXIT, gate.clock.time, 1))
    assert await gate.renew(2) == []
    assert await gate.renew(3, entry) == [ReasonCode.WATCHLIST_RESCREENED]
    gate.clock.time += timedelta(hours=25)
    _, other = person(6)
    assert await gate.renew(4, other | {"documents": entry["documents"]}) == []
    assert await _rows(gate) == 0


async def _left_unseen(gate, document):
    """An exit at a gate that knew no entry, told as the post tells it: in a row of its own, later than the entry."""
    await gate.store._database.write(
        lambda connection: connection.execute(
            "INSERT INTO stays (stay_id, holder, exited_on, exited_at, source) SELECT ?, holder, ?, ?, 'UTO/demo/gate-2' FROM stays",
            (str(uuid.uuid4()), "2026-06-02", moment(NOW + timedelta(days=1))),
        )
    )


async def _corrected(gate, document, kind, day):
    (stay_id,) = await gate.store._database.write(
        lambda connection: connection.execute("SELECT stay_id FROM stays").fetchone()
    )
    order = StayCorrection(uuid.uuid4(), uuid.UUID(stay_id), CorrectionKind(kind), day, ("guard-1",), "stamp_seen")
    assert await gate.store.stays.correct(order, DAY + timedelta(days=2)) == CorrectionAnswer.DONE


@pytest.mark.parametrize(
    "leave",
    [
        _left_unseen,
        lambda gate, document: _corrected(gate, document, "add_exit", DAY),
        lambda gate, document: _corrected(gate, document, "void", None),
    ],
    ids=["at another gate", "by an officer", "void"],
)
async def test_whoever_left_otherwise_is_forgotten_at_once_and_who_came_again_is_not(gate, leave):
    document, entry = person()
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1))
    await gate.store.rescreening.forget()
    assert await _rows(gate) == 1, "inside"
    await leave(gate, document)
    assert await gate.store.rescreening.forget() == 1
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW + timedelta(days=3), 1))
    await gate.store.rescreening.forget()
    assert await gate.renew(2, entry) == [ReasonCode.WATCHLIST_RESCREENED_INSIDE]


async def test_an_exit_ends_an_earlier_entry_too_of_which_nobody_saw_the_end(gate):
    document, _ = person()
    for days in (0, 5):
        await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW + timedelta(days=days), 1))
    gate.clock.time += timedelta(days=9)
    await gate.store.commit_crossing(crossing(document, Direction.EXIT, gate.clock.time, 1))
    assert await _rows(gate) == 1, "the exit's own"
    gate.clock.time += timedelta(hours=25)
    await gate.store.rescreening.forget()
    assert await _rows(gate) == 0


async def test_nobody_is_known_beyond_the_limit(gate):
    document, entry = person()
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1))
    gate.clock.time += timedelta(days=90, seconds=1)
    assert await gate.renew(2, entry) == []
    assert await _rows(gate) == 0


async def test_nothing_of_a_person_can_be_read_on_the_disk(gate, tmp_path):
    document, _ = person()
    await gate.store.commit_crossing(crossing(document, Direction.ENTRY, NOW, 1))
    await gate.store.close()
    content = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    for text in (document.document_number, document.primary_identifier, document.date_of_birth_text):
        assert text.encode() not in content


async def test_an_altered_row_is_dropped_and_the_others_go_on(gate):
    document, entry = person()
    first, second = (crossing(document, Direction.ENTRY, NOW + timedelta(minutes=n), 1) for n in (0, 1))
    for one in (first, second):
        await gate.store.commit_crossing(one)
    await gate.store._database.write(
        lambda connection: connection.execute(
            "UPDATE screened SET sealed = zeroblob(length(sealed)) WHERE crossing_id = ?", (str(first.crossing_id),)
        )
    )
    assert await gate.renew(2, entry) == [ReasonCode.WATCHLIST_RESCREENED_INSIDE]


async def test_an_informing_match_is_told_by_list_entry_and_lane(gate):
    watchlist = lists(listed(action="inform"))
    gate.knowledge.inform(2, screen(watchlist).informing)
    await gate.side._tell()
    assert [reason.parameters for _, reason in gate.raised] == [{"list": "wanted", "entry": "e1", "lane": "2"}]


async def _rows(gate):
    return await gate.store._database.write(
        lambda connection: connection.execute("SELECT count(*) FROM screened").fetchone()[0]
    )
