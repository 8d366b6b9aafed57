"""Statistics of passages: whatever order records come in and however often, the sums are those of the journal."""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from central_sync.centre import passage_counts as of_centre
from central_sync.centre.schema import PASSAGE_CELLS, PASSAGES, RECORDS, open_engine
from central_sync.messages import (
    ClockPart,
    CrossingV1,
    DecisionV1,
    DeclarationV1,
    InspectionV1,
    OfficerPart,
    ReasonPart,
    RecordContent,
    first_prev_hash,
    read_record,
    record_body,
)
from central_sync.passage_counts.cells import Place, bucket, contribution, hour_of, percentile_ms, times
from central_sync.passage_counts.facts import Passage, read_passage
from central_sync.passage_counts.rows import grouped
from central_sync.selection_parts import AppealV1
from gate_agent.domain.identifiers import uuid7
from gate_agent.store import journal
from gate_agent.store import passage_counts as of_gate
from gate_agent.store.schema import prepare
from tests.unit.hand_clock import HandClock

GATE = "UTO/demo/gate-1"
EPOCH = uuid.UUID(int=1)
MOMENTS = (
    "2026-06-15T18:59:58Z",  # before midnight in Tashkent
    "2026-06-15T19:00:00Z",
    "2026-10-25T00:59:59Z",  # 02:59:59 in Berlin, for the first time
    "2026-10-25T01:00:00Z",  # 02:00 once more
    "2027-03-28T00:59:59Z",  # after it comes 03:00
    "2026-12-31T18:14:59Z",  # midnight in Kathmandu
)


class History:
    """Records as a gate writes them: `contents` in the order of the journal."""

    def __init__(self) -> None:
        self.contents: list[RecordContent] = []

    def bodies(self) -> list[bytes]:
        clock = ClockPart(boot_id="-", mono_ns=0, state="unknown")
        return [
            record_body(
                content, record_id=uuid7(number), source=GATE, time=datetime(2026, 6, 1, tzinfo=UTC), epoch=EPOCH,
                seq=number, prev_hash=first_prev_hash(EPOCH), clock=clock,
            )
            for number, content in enumerate(self.contents, 1)
        ]  # fmt: skip


def offset_min(zone: str, at: datetime) -> int | None:
    return round((at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)).total_seconds() / 60) if zone else None


def decision(transaction_id: uuid.UUID, at: datetime, zone: str = "", **changes: object) -> DecisionV1:
    values: dict[str, object] = {
        "decision_id": uuid.uuid4(), "transaction_id": transaction_id, "lane_id": 1, "direction": "entry", "decided_at": at,
        "local_date": at.date(), "decided_by": "machine", "admission": "release", "corridor": "green", "corridor_reasons": [],
        "admission_reasons": [ReasonPart(code="all_checks_successful")], "utc_offset_min": offset_min(zone, at),
        "step_ms": {"document": 900.0, "chip": 3100.0, "face": 2400.0, "face_vector": 20.0}, "software_ms": 80.0,
    }  # fmt: skip
    return DecisionV1.model_validate(values | changes)


def crossing(transaction_id: uuid.UUID, at: datetime, zone: str = "", **changes: object) -> CrossingV1:
    values: dict[str, object] = {
        "crossing_id": uuid.uuid4(), "transaction_id": transaction_id, "decision_id": uuid.uuid4(), "lane_id": 1,
        "direction": "entry", "occurred_at": at, "local_date": at.date(), "passage": "passed", "corridor": "green",
        "utc_offset_min": offset_min(zone, at),
    }  # fmt: skip
    return CrossingV1.model_validate(values | changes)


def inspection(transaction_id: uuid.UUID, at: datetime, **changes: object) -> InspectionV1:
    values: dict[str, object] = {
        "task_id": uuid.uuid4(), "transaction_id": transaction_id, "lane_id": 1, "opened_at": at - timedelta(minutes=4),
        "closed_at": at, "officer_id": "o-1", "finding": "nothing_found", "corridor": "red", "is_last": True,
    }  # fmt: skip
    return InspectionV1.model_validate(values | changes)


OFFICER = [OfficerPart(officer_id="o-1", role="guard", authorisation_id=uuid.UUID(int=3))]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Travellers at hours and days that end, revised decisions, guards, desks, appeals; their records mixed with each other's."""
    people = []
    for _ in range(draw(st.integers(1, 5))):
        zone = draw(st.sampled_from(["Asia/Tashkent", "Europe/Berlin", "Asia/Kathmandu", ""]))
        begun = datetime.fromisoformat(draw(st.sampled_from(MOMENTS)))
        transaction_id = uuid7(int(begun.timestamp() * 1000))
        corridor = draw(st.sampled_from(["green", "green", "yellow", "red"]))
        admission = draw(st.sampled_from(["release", "release", "refer"]))
        reason = [ReasonPart(code=draw(st.sampled_from(["value_over_allowance", "random_selection"])))]
        told: list[RecordContent] = []
        at = begun + timedelta(seconds=draw(st.integers(0, 3)))
        if draw(st.booleans()):
            told.append(decision(transaction_id, at, zone, corridor=draw(st.sampled_from(["green", "red"]))))
        told.append(decision(transaction_id, at, zone, corridor=corridor, corridor_reasons=reason, admission=admission))
        at += timedelta(seconds=draw(st.integers(0, 90)))
        if admission == "refer" and draw(st.booleans()):
            told.append(decision(transaction_id, at, zone, corridor=corridor, decided_by="guard", officers=OFFICER))
        passage = draw(st.sampled_from(["passed", "passed", "not_passed", "passage_undetermined", None]))
        if passage is not None:
            told.append(crossing(transaction_id, at, zone, corridor=corridor, passage=passage))
        if draw(st.booleans()):
            told.append(
                DeclarationV1(
                    transaction_id=transaction_id, token_id="ab", reference="D", direction="entry", mode="air",
                    filled_in_s=draw(st.integers(0, 300)),
                )
            )  # fmt: skip
        if corridor != "green":
            task_id = uuid.uuid4()
            for finding in draw(st.lists(st.sampled_from(["nothing_found", "found", "amended"]), max_size=2)):
                at += timedelta(minutes=4)
                told.append(inspection(transaction_id, at, task_id=task_id, finding=finding, corridor=corridor))
        told += [
            AppealV1(
                transaction_id=transaction_id, subject="trust_category", upheld=is_upheld, decided_at=at,
                local_date=at.date(), officer_id="o-1",
            )
            for is_upheld in draw(st.lists(st.booleans(), max_size=2))
        ]  # fmt: skip
        people.append(told)
    history, random = History(), draw(st.randoms(use_true_random=False))
    while people:
        told = random.choice(people)
        history.contents.append(told.pop(0))
        people = [one for one in people if one]
    return history


@pytest.fixture(scope="module")
def engine() -> Iterator[sa.Engine]:
    made = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    RECORDS.metadata.create_all(made)
    yield made
    made.dispose()


def keep(connection: sa.Connection, bodies: list[bytes]) -> None:
    for table in (RECORDS, PASSAGES, PASSAGE_CELLS):
        connection.execute(table.delete())
    for body in bodies:
        record = read_record(body)
        connection.execute(
            RECORDS.insert().values(
                id=str(record.id), gate=GATE, kind=record.kind, time="", stored_at="", corridor="", outcome="", reasons="[]",
                body=body,
            )
        )  # fmt: skip


@settings(max_examples=60)
@given(histories(), st.randoms(use_true_random=False))
def test_live_sums_equal_those_of_the_journal_in_any_order_with_doubles_and_late_ones(engine, history, random) -> None:
    bodies = history.bodies()
    told = [*bodies, *random.choices(bodies, k=5)]
    random.shuffle(told)
    with engine.begin() as connection:
        keep(connection, bodies)
        while told:
            some = [read_record(told.pop()) for _ in range(min(len(told), random.randint(1, 4)))]
            of_centre.note(connection, "sqlite", GATE, some)
        live = of_centre.kept_sums(connection)
        assert live == of_centre.recount(connection)
        assert live == in_order(bodies)
        by_hand = counted_by_hand(history)
        hours = {
            (key.moment, key.corridor): figures
            for key, figures in live.items()
            if (key.span, key.gate) == ("hour", GATE)
        }
        assert {place: figures["passages"] for place, figures in hours.items() if figures["passages"]} == by_hand
        assert all(number > 0 for figures in live.values() for number in figures.values())
        for key, figures in live.items():
            if key.gate == of_centre.ALL_GATES:  # there is one gate
                assert figures == hours[key.moment, key.corridor]


@settings(max_examples=30)
@given(histories())
def test_a_gate_counts_as_its_journal_does_also_from_a_store_that_did_not_count_before(history) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        prepare(connection)
        origin = journal.Origin(GATE, HandClock(), "boot")
        for content in history.contents:
            journal.append(connection, origin, lambda _rid, content=content: content, HandClock().now())
        told = of_gate.recount(connection)
        assert (told.live, told.after_hour) == (told.rebuilt, "")
        assert {
            (place.hour, place.corridor): figures["passages"]
            for place, figures in told.live.items()
            if figures["passages"]
        } == (counted_by_hand(history))
        connection.execute("DELETE FROM passage_facts")
        connection.execute("DELETE FROM passage_cells")
        prepare(connection)
        assert dict(of_gate.cells(connection)) == told.live


def test_what_a_passage_was_is_forgotten_in_its_time_also_where_only_its_declaration_was_heard() -> None:
    today = datetime(2026, 6, 15, 9, tzinfo=UTC)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        prepare(connection)
        for seq, days in enumerate((1, 61, 500), 1):
            begun = today - timedelta(days=days)
            passed, declared = (uuid7(int(begun.timestamp() * 1000)) for _ in range(2))
            contents = (
                decision(passed, begun),
                crossing(passed, begun),
                DeclarationV1(
                    transaction_id=declared, token_id="ab", reference="D", direction="entry", mode="air", filled_in_s=9
                ),
            )
            for content in contents:
                of_gate.note(connection, content.kind, seq, content.model_dump(mode="json"))
        of_gate.purge(connection, today.date())
        kept = connection.execute("SELECT facts FROM passage_facts").fetchall()
        assert sorted(bool(read_passage(row["facts"]).declared) for row in kept) == [False, True]
        assert [place.day for place, _ in of_gate.cells(connection)] == ["2026-04-15", "2026-06-14"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
@pytest.mark.parametrize("offset", [None, -1080, 1080])
def test_a_clock_at_the_ends_of_the_calendar_is_counted_there_and_stops_no_batch(moment: str, offset: int) -> None:
    told = decision(uuid7(0), datetime(2026, 6, 1, tzinfo=UTC)).model_dump(mode="json")
    passage = Passage().with_record("decision", 1, told | {"decided_at": moment, "utc_offset_min": offset})
    counted = contribution(str(uuid.UUID(int=0)), passage)
    assert counted is not None
    assert counted[0].day[:4] in {"0001", "0002", "9998", "9999"}


def in_order(bodies: list[bytes]) -> of_centre.Sums:
    """The sums as they are when every record comes once, in the journal's order."""
    sums = open_engine("sqlite://")
    with sums.begin() as connection:
        of_centre.note(connection, "sqlite", GATE, [read_record(body) for body in bodies])
        told = of_centre.kept_sums(connection)
    sums.dispose()
    return told


def counted_by_hand(history: History) -> dict[tuple[str, str], int]:
    """Confirmed passages by local hour and corridor, from nothing but their crossings."""
    found: Counter[tuple[str, str]] = Counter()
    for one in history.contents:
        if isinstance(one, CrossingV1) and one.passage == "passed":
            local = one.occurred_at + timedelta(minutes=one.utc_offset_min or 0)
            minutes = one.utc_offset_min
            sign = "-00:00" if minutes is None else f"+{minutes // 60:02d}:{minutes % 60:02d}"
            found[f"{local:%Y-%m-%dT%H}:00{sign}", one.corridor] += 1
    return dict(found)


def passage_of(*contents: RecordContent) -> Passage:
    passage = Passage()
    for seq, content in enumerate(contents, 1):
        passage = passage.with_record(content.kind, seq, content.model_dump(mode="json"))
    return passage


def test_a_passage_over_midnight_counts_in_the_hour_in_which_it_ended_in_local_time() -> None:
    begun = datetime.fromisoformat("2026-06-15T18:59:58Z")
    transaction_id = uuid7(int(begun.timestamp() * 1000))
    before = passage_of(decision(transaction_id, begun, "Asia/Tashkent"))
    after = passage_of(
        decision(transaction_id, begun, "Asia/Tashkent"),
        crossing(transaction_id, begun + timedelta(seconds=5), "Asia/Tashkent"),
    )
    places = [contribution(str(transaction_id), one) for one in (before, after)]
    assert [one[0] for one in places if one] == [
        Place("2026-06-15T23:00+05:00", "green"),
        Place("2026-06-16T00:00+05:00", "green"),
    ]


def test_the_hour_that_comes_twice_in_autumn_is_two_hours_and_they_stand_in_their_order() -> None:
    first, second = (datetime.fromisoformat(f"2026-10-25T0{hour}:30:00Z") for hour in (0, 1))
    hours = [hour_of(int(at.timestamp() * 1000), offset_min("Europe/Berlin", at)) for at in (second, first)]
    assert hours == ["2026-10-25T02:00+01:00", "2026-10-25T02:00+02:00"]
    cells = [(GATE, Place(hour, "green"), Counter(passages=1)) for hour in hours]
    assert [group.key["hour"] for group in grouped(cells, ["hour"])] == hours[::-1]


@pytest.mark.parametrize(
    ("told", "is_untouched"),
    [
        ({}, True),
        ({"guard": True}, False),
        ({"corridor": "yellow"}, False),
        ({"corridor": "red"}, False),
        ({"desk": True}, False),
        ({"passage": "not_passed"}, False),
        ({"officers": True}, False),
    ],
)
def test_untouched_is_what_passed_green_by_the_machine_alone(told: dict[str, object], is_untouched: bool) -> None:
    at = datetime(2026, 6, 1, 9, tzinfo=UTC)
    transaction_id = uuid7(int(at.timestamp() * 1000))
    corridor = told.get("corridor", "green")
    records: list[RecordContent] = [
        decision(transaction_id, at, corridor=corridor, officers=OFFICER if "officers" in told else [])
    ]
    if "guard" in told:
        records.append(decision(transaction_id, at, decided_by="guard", officers=OFFICER))
    records.append(crossing(transaction_id, at, corridor=corridor, passage=told.get("passage", "passed")))
    if "desk" in told:
        records.append(inspection(transaction_id, at, agency="health"))
    counted = contribution(str(transaction_id), passage_of(*records))
    assert counted is not None
    assert counted[1]["untouched"] == is_untouched


def test_steps_are_the_records_own_figures_and_parts_of_a_step_are_not_steps() -> None:
    begun = datetime(2026, 6, 1, 9, tzinfo=UTC)
    transaction_id = uuid7(int(begun.timestamp() * 1000))
    counted = contribution(
        str(transaction_id),
        passage_of(
            decision(transaction_id, begun + timedelta(seconds=10), corridor="red", admission="refer"),
            decision(transaction_id, begun + timedelta(seconds=40), corridor="red", decided_by="guard"),
            crossing(transaction_id, begun + timedelta(seconds=44), corridor="red"),
            inspection(transaction_id, begun + timedelta(seconds=300)),
        ),
    )
    assert counted is not None
    (group,) = grouped([(GATE, *counted)], [])
    steps = {name: one.p50_s for name, one in group.steps().items()}
    true_s = {
        "document": 0.9, "chip": 3.1, "face": 2.4, "software": 0.08, "guard": 30.0, "walk": 4.0, "customs": 240.0, "whole": 300.0,
    }  # fmt: skip
    assert list(steps) == list(true_s)
    for name, took_s in true_s.items():
        assert steps[name] == pytest.approx(took_s, rel=0.1), name


@given(st.lists(st.integers(1, 7_200_000), min_size=1, max_size=200), st.sampled_from([50, 95]))
def test_a_percentile_read_from_a_histogram_is_within_nine_percent(took_ms: list[int], percent: int) -> None:
    true_ms = sorted(took_ms)[-(-len(took_ms) * percent // 100) - 1]
    found = percentile_ms(Counter(bucket(one) for one in took_ms), percent)
    assert found == pytest.approx(true_ms, rel=0.092)


def test_counts_hold_codes_and_numbers_and_nothing_of_a_person() -> None:
    at = datetime(2026, 6, 1, 9, tzinfo=UTC)
    transaction_id = uuid7(int(at.timestamp() * 1000))
    reason = [ReasonPart(code="watchlist_hit", parameters={"name": "ERIKSSON"})]
    counted = contribution(
        str(transaction_id),
        passage_of(
            decision(
                transaction_id, at, admission_reasons=reason, sealed="SECRET", step_ms={"Eriksson": 1.0, "a": 2.0}
            ),
            crossing(transaction_id, at),
        ),
    )
    assert counted is not None
    assert set(counted[1]) == {
        "decided", "passages", "untouched", "reason:watchlist_hit", "step:a:4", "step:software:25", "step:walk:0", "step:whole:0",
    }  # fmt: skip
    assert times(counted[1])["a"] == {4: 1}


def test_facts_that_cannot_be_read_do_not_keep_a_record_from_being_stored() -> None:
    assert read_passage("no JSON") == Passage()
    assert read_passage(Passage(first_seq=3).model_dump_json(exclude_defaults=True)) == Passage(first_seq=3)
